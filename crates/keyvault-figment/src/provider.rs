//! The secrets of a vault as a layer.

use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};
use keyvault::{Key, NameMap, NamedKind, NamedSecret, NamedSecrets, NamedTree, Resolver, Result, Segment};

/// The secrets of a vault under the keys that their names give: a provider for any place among the layers.
///
/// They are fetched before the provider is made, for figment asks providers without waiting. `Debug` shows keys and
/// secrets' names.
#[derive(Clone, Debug)]
pub struct KeyVaultProvider {
    secrets: NamedSecrets,
}

impl KeyVaultProvider {
    /// Fetches the secrets that `map` takes, once.
    ///
    /// Costs ⌈secrets / 25⌉ requests to list the vault and one for each secret, or what the map says.
    ///
    /// # Errors
    ///
    /// As [`Resolver::named`].
    pub async fn fetch(vault: impl Into<Resolver>, map: &NameMap) -> Result<Self> {
        Ok(Self::new(vault.into().named(map).await?))
    }

    /// Gives the secrets, and what was found about them.
    pub fn secrets(&self) -> &NamedSecrets {
        &self.secrets
    }

    pub(crate) fn new(secrets: NamedSecrets) -> Self {
        Self { secrets }
    }
}

/// The name by which values of this provider are known again.
pub(crate) const NAME: &str = "Azure Key Vault";

/// A key that no secret's name gives. figment keeps nothing of a provider but what its metadata says of a key, so under
/// this one that says whose metadata it is.
const IDENTITY: &str = "\0secrets";

/// Tells whether values with this metadata are those of `secrets`, at the keys that these have.
pub(crate) fn are_of(metadata: &Metadata, secrets: &NamedSecrets) -> bool {
    metadata.name == NAME && metadata.interpolate(&Profile::Default, &[IDENTITY]) == identity(secrets)
}

/// Copies share their secrets, so it is where those stand.
fn identity(secrets: &NamedSecrets) -> String {
    secrets.iter().next().map(|(_, secret)| format!("{secret:p}")).unwrap_or_default()
}

impl Provider for KeyVaultProvider {
    fn metadata(&self) -> Metadata {
        // A secret's text is no reference, but its address is good to know.
        let secrets = self.secrets.clone();
        Metadata::named(NAME).interpolater(move |_: &Profile, path: &[&str]| match path {
            [IDENTITY] => identity(&secrets),
            path => find(&secrets, path).map_or_else(|| path.join("."), |secret| secret.id().url()),
        })
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, value(self.secrets.tree()).into_dict().unwrap_or_default())]))
    }
}

fn value(tree: NamedTree<'_>) -> Value {
    match tree {
        NamedTree::Table(members) => {
            let members = members.into_iter().map(|(name, member)| (name.to_owned(), value(member)));
            Value::Dict(Tag::Default, members.collect())
        }
        NamedTree::List(items) => Value::Array(Tag::Default, items.into_iter().map(value).collect()),
        NamedTree::Secret(secret) => match secret.kind() {
            NamedKind::EmptyTable => Value::Dict(Tag::Default, Dict::new()),
            NamedKind::EmptyList => Value::Array(Tag::Default, Vec::new()),
            NamedKind::Null => Value::Empty(Tag::Default, Empty::None),
            _ => Value::String(Tag::Default, secret.expose_secret().to_owned()),
        },
    }
}

/// Finds by figment's steps, in which an index looks like a name.
fn find<'s>(secrets: &'s NamedSecrets, path: &[&str]) -> Option<&'s NamedSecret> {
    let step = |(segment, step): (&Segment, &&str)| match segment {
        Segment::Name(name) => **name == **step,
        Segment::Index(index) => *step == index.to_string(),
    };
    let is_at = |key: &Key| key.segments().len() == path.len() && key.segments().iter().zip(path).all(step);
    let among_lists = || secrets.iter().find(|(key, _)| is_at(key)).map(|(_, secret)| secret);
    let is_number = |step: &&str| step.bytes().all(|b| b.is_ascii_digit());
    let found = secrets.get(&path.iter().copied().collect());
    found.or_else(|| path.iter().any(is_number).then(among_lists).flatten())
}
