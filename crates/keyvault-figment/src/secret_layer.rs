//! The secrets of a vault as a provider.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};
use keyvault::settings::{Key, MappedKind, MappedSecret, MappedSecrets, MappedTree, Segment};
use keyvault::{NameMap, Resolver, Result};

use crate::place::{list_of, place_in};
use crate::replace::value_of;

/// A provider with the secrets of a vault, each under the key that its name gives.
///
/// The secrets are fetched before the provider is created, because figment cannot wait for a provider. `Debug` prints
/// keys and secret names.
#[derive(Clone, Debug)]
pub struct KeyVaultProvider {
    secrets: MappedSecrets,
    lists: Lists,
}

/// The lists that the indexes in names make.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lists {
    /// The provider has the lists with their elements.
    Filled,
    /// The provider has an empty text in place of each list, which shows whether it overrides those of other layers:
    /// figment merges two lists in some orders, and a text with a list in none.
    Marked,
    /// The provider does not have the lists.
    Absent,
}

impl KeyVaultProvider {
    /// Fetches the secrets that `map` selects, once.
    ///
    /// Costs ⌈secrets / 25⌉ list requests and one request for each secret, unless the map names the secrets itself.
    ///
    /// figment replaces lists as a whole, so a list of this provider needs all its elements. Only
    /// [`layered`](crate::layered) and [`layered_with`](crate::layered_with) fill the lists of other layers.
    ///
    /// # Errors
    ///
    /// The errors of [`Resolver::mapped`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn fetch(vault: impl Into<Resolver>, map: &NameMap) -> Result<Self> {
        Ok(Self::new(vault.into().mapped(map).await?, Lists::Filled))
    }

    /// Returns the secrets, with the settings of stores, and the notes on their names.
    pub fn secrets(&self) -> &MappedSecrets {
        &self.secrets
    }

    /// Separates the secrets from the settings of stores outside the process, which
    /// [`with_layer`](keyvault::LiveBuilder::with_layer) adds, so that each takes a place of its own among the layers.
    ///
    /// # Examples
    ///
    /// Settings of App Configuration override the file, and the secrets of the vault override everything:
    ///
    /// ```
    #[doc = concat!("# use ", env!("CARGO_CRATE_NAME"), " as keyvault_figment;")]
    /// use figment::Figment;
    /// use figment::providers::{Format, Toml};
    /// use keyvault::{InMemory, LiveBuilder, SettingStore};
    /// use keyvault_figment::FigmentLayers;
    ///
    /// fn settings(vault: InMemory, app: impl SettingStore) -> LiveBuilder<FigmentLayers> {
    ///     keyvault_figment::layered_with(vault, |remote| {
    ///         let [secrets, app] = remote.split();
    ///         Figment::new().merge(Toml::file("settings.toml")).merge(app).merge(secrets)
    ///     })
    ///     .with_layer(app)
    /// }
    /// ```
    #[must_use]
    pub fn split(self) -> [Self; 2] {
        self.secrets.split().map(|secrets| Self { secrets, ..self })
    }

    pub(crate) fn new(secrets: MappedSecrets, lists: Lists) -> Self {
        Self { secrets, lists }
    }
}

const METADATA_NAME: &str = "Azure Key Vault";

/// A key that no secret name gives. The metadata of a provider interpolates it to the identity of the provider's
/// secrets, because figment keeps nothing else of a provider.
const IDENTITY_KEY: &str = "\0secrets";

/// A key that no secret name gives. The metadata of a provider interpolates it, together with a text and a path, to
/// [`TOKEN`] if the text is one of the provider's secrets.
const TEXT_KEY: &str = "\0text";

/// A random text of this process, so that only the metadata of this provider can return it.
static TOKEN: LazyLock<String> = LazyLock::new(|| format!("{:x}", RandomState::new().hash_one(METADATA_NAME)));

/// Returns whether `text`, the value at `path`, is a secret of a [`KeyVaultProvider`], whatever the name of the
/// metadata is: another provider may use the same name, or this metadata for other values.
pub(crate) fn is_secret(metadata: &Metadata, text: &str, path: &[String]) -> bool {
    let keys: Vec<&str> = [TEXT_KEY, text].into_iter().chain(path.iter().map(String::as_str)).collect();
    metadata.name == METADATA_NAME && metadata.interpolate(&Profile::Default, &keys) == *TOKEN
}

/// Returns whether values with this metadata are `secrets`.
pub(crate) fn is_metadata_of(metadata: &Metadata, secrets: &MappedSecrets) -> bool {
    metadata.name == METADATA_NAME && metadata.interpolate(&Profile::Default, &[IDENTITY_KEY]) == identity(secrets)
}

/// Returns the address of the first secret, which clones share.
fn identity(secrets: &MappedSecrets) -> String {
    secrets.iter().next().map(|(_, secret)| format!("{secret:p}")).unwrap_or_default()
}

impl Provider for KeyVaultProvider {
    fn metadata(&self) -> Metadata {
        // Errors name the URL of a secret in place of its key.
        let secrets = self.secrets.clone();
        Metadata::named(METADATA_NAME).interpolater(move |_: &Profile, path: &[&str]| match path {
            [IDENTITY_KEY] => identity(&secrets),
            [TEXT_KEY, text, path @ ..] => {
                // The text of a store may contain references, wherever the layers move it.
                let is_text = |secret: &MappedSecret| secret.place().is_none() && secret.expose_secret() == *text;
                let is_secret = find(&secrets, path).is_some_and(is_text) || secrets.iter().any(|(_, s)| is_text(s));
                if is_secret { TOKEN.clone() } else { String::new() }
            }
            path => match find(&secrets, path) {
                Some(value) => value.place().map_or_else(|| value.id().url(), str::to_owned),
                None => path.join("."),
            },
        })
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, Error> {
        let mut dict = Dict::new();
        for (key, tree) in self.secrets.entries() {
            let (segments, secret) = match (list_of(&key), self.lists) {
                (None, _) | (_, Lists::Filled) => (key.segments(), value(tree)),
                (Some(list), Lists::Marked) => (list, Value::from("")),
                (Some(_), Lists::Absent) => continue,
            };
            let placed = place_in(&mut dict, segments, secret, &|| true);
            placed.map_err(|_| Error::from(format!("{key}: a list has gaps between its elements")))?;
        }
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

pub(crate) fn value(tree: MappedTree<'_>) -> Value {
    match tree {
        MappedTree::Table(members) => {
            let members = members.into_iter().map(|(name, member)| (name.to_owned(), value(member)));
            Value::Dict(Tag::Default, members.collect())
        }
        MappedTree::List(items) => Value::Array(Tag::Default, items.into_iter().map(value).collect()),
        MappedTree::Secret(secret) => match secret.kind() {
            MappedKind::EmptyTable => Value::Dict(Tag::Default, Dict::new()),
            MappedKind::EmptyList => Value::Array(Tag::Default, Vec::new()),
            MappedKind::Null => Value::Empty(Tag::Default, Empty::None),
            MappedKind::Scalar => {
                let empty = Value::Empty(Tag::Default, Empty::None);
                secret.scalar().map_or(empty, |scalar| value_of(&scalar, Tag::Default))
            }
            _ => Value::String(Tag::Default, secret.expose_secret().to_owned()),
        },
    }
}

/// Returns the secret at a path of figment, in which an index is text like a name.
fn find<'s>(secrets: &'s MappedSecrets, path: &[&str]) -> Option<&'s MappedSecret> {
    let is_same = |(segment, step): (&Segment, &&str)| match segment {
        Segment::Name(name) => **name == **step,
        Segment::Index(index) => *step == index.to_string(),
    };
    let is_at_path = |key: &Key| key.segments().len() == path.len() && key.segments().iter().zip(path).all(is_same);
    let in_lists = || secrets.iter().find(|(key, _)| is_at_path(key)).map(|(_, secret)| secret);
    let is_number = |step: &&str| step.bytes().all(|b| b.is_ascii_digit());
    let found = secrets.get(&path.iter().copied().collect());
    found.or_else(|| path.iter().any(is_number).then(in_lists).flatten())
}
