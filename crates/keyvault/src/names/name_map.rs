//! The name map: the rules that turn the names of secrets into the keys of settings.

use std::collections::BTreeMap;

use super::json_expansion::{ExpandedValue, OpenJson, is_json};
use super::requested_secret::RequestedSecret;
use super::selection::Selection;
use super::spelling::{Function, NameFunction, Spelling};
use super::validity::{IfHidden, ValidityRules};
use crate::error::Result;
use crate::secret::{Secret, SecretName, SecretProperties};
use crate::settings::Key;

/// The rules that turn secrets into settings: which secrets are taken, and which keys their names give.
///
/// By default, the map takes every secret that is enabled and does not belong to a certificate. `--` in a name
/// separates levels. Each level is lower-cased, and `-` in it becomes `_`:
///
/// | secret | setting | with [`snake_case`](NameMap::snake_case) |
/// |---|---|---|
/// | `Database--Password` | `database.password` | `database.password` |
/// | `smtp--from-address` | `smtp.from_address` | `smtp.from_address` |
/// | `Database--ConnectionString` | `database.connectionstring` | `database.connection_string` |
/// | `APIKey` | `apikey` | `api_key` |
/// | `Servers--0--Password` | `servers[0].password` | `servers[0].password` |
///
/// # Lists
///
/// A level that is a number, after the first level, is an index from 0. It adds or overrides one element of a list, or
/// one member of it, and leaves the rest of the list to the other layers: `Hosts--1` overrides the second host of a
/// file. An element may follow the last one of the list; a gap is an error, and so is a list that is also a table. A
/// table whose names are numbers needs a [`function`](NameMap::function):
///
/// ```
/// use keyvault::NameMap;
///
/// let map = NameMap::new().function(|name| Some(name.split("--").collect()));
/// assert_eq!(map.key(&"ports--80".parse()?).unwrap().to_string(), "ports.80"); // and not ports[80]
/// # Ok::<_, keyvault::Error>(())
/// ```
///
/// # Secrets that are only referred to
///
/// If a reference names a secret and the settings type has no key for its name, live settings do not map it by name, so
/// that `deny_unknown_fields` accepts it. This needs a type whose fields serde reveals; see
/// [`only_keys_of`](NameMap::only_keys_of).
///
/// # Choices
///
/// | to | use |
/// |---|---|
/// | share a vault with other programs | [`prefix`](Self::prefix), [`tag`](Self::tag), [`tag_value`](Self::tag_value) |
/// | separate the words of `PascalCase` | [`snake_case`](Self::snake_case) |
/// | fill types with `rename_all` | [`camel_case`](Self::camel_case), [`pascal_case`](Self::pascal_case) |
/// | share names with ASP.NET | [`keep_case`](Self::keep_case) |
/// | spell keys with your own function | [`function`](Self::function), and back with [`reverse`](Self::reverse) |
/// | need no permission to list the vault | [`only_keys_of`](Self::only_keys_of), [`only`](Self::only) |
/// | name secrets that may be missing | [`optionally`](Self::optionally) |
/// | keep several values in one secret | [`open_json`](Self::open_json) |
/// | decide about disabled secrets | [`disabled`](Self::disabled) |
/// | decide about secrets that a default hides | [`hidden`](Self::hidden) |
/// | decide about secrets outside their dates | [`expired`](Self::expired), [`not_yet_valid`](Self::not_yet_valid) |
/// | take a certificate with its key as a setting | [`certificates`](Self::certificates) |
///
/// All choices combine. A map takes a secret if every filter accepts it.
///
/// # Cost
///
/// | map | requests at the start | requests of a refresh without a change |
/// |---|---|---|
/// | that lists | ⌈secrets of the vault / 25⌉, and one for each taken secret | ⌈secrets of the vault / 25⌉ |
/// | of names or of known keys | one for each name | one for each name |
///
/// The pages of a list are read one after the other. Single secrets are fetched concurrently, by default at most 100 at
/// a time: see [`ResolverBuilder::concurrency`](crate::resolver::ResolverBuilder::concurrency). A map of up to 100
/// names thus takes about one round trip, and the list of 1,000 secrets takes 40. A map that lists fetches only the
/// secrets that its filters accept.
///
/// # Collisions
///
/// Secrets that give one setting, a setting that is both a value and a table, and a setting that is both a table and a
/// list are errors, because one of the secrets would win silently. The error names every secret involved.
/// [`SecretName`] and the vault ignore case, so the default map gives each name a key of its own. With `snake_case`,
/// `ApiKey` and `Api-Key` give the same key.
///
/// # Examples
///
/// ```
/// use keyvault::NameMap;
///
/// let map = NameMap::new().prefix("Shop--").snake_case();
/// assert_eq!(map.key(&"Shop--Database--UserName".parse()?).unwrap().to_string(), "database.user_name");
/// assert!(map.key(&"Billing--Database--UserName".parse()?).is_none());
///
/// let key = ["database", "user_name"].into_iter().collect();
/// assert_eq!(map.secret_name(&key).unwrap().as_str(), "Shop--Database--UserName");
/// # Ok::<_, keyvault::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct NameMap {
    pub(super) prefix: String,
    pub(super) spelling: Spelling,
    pub(super) reverse: Option<Function<NameFunction>>,
    pub(super) tags: Vec<(String, Option<String>)>,
    pub(super) selection: Option<Selection>,
    pub(super) certificates: bool,
    pub(super) rules: ValidityRules,
    pub(super) json: Option<OpenJson>,
}

/// Conversion between names and keys.
impl NameMap {
    /// Creates the default map, which takes each enabled secret that does not belong to a certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the key for the name of a secret, or `None` if the map does not take the name.
    ///
    /// A name with nothing between two separators (`a----b`) or nothing after the prefix has no key.
    pub fn key(&self, name: &SecretName) -> Option<Key> {
        let (prefix, rest) = name.as_str().split_at_checked(self.prefix.len())?;
        prefix.eq_ignore_ascii_case(&self.prefix).then(|| self.spelling.key(rest))?
    }

    /// Returns the name of the secret that gives `key`, or `None` if no name does.
    ///
    /// Of several names, returns the canonical one: in lower case with hyphens, or in `PascalCase` with
    /// [`snake_case`](NameMap::snake_case), [`camel_case`](NameMap::camel_case) or
    /// [`pascal_case`](NameMap::pascal_case). A key in another spelling than the map's, or whose name would be longer
    /// than 127 characters, has no name.
    pub fn secret_name(&self, key: &Key) -> Option<SecretName> {
        let names = match &self.reverse {
            Some(reverse) => (reverse.0)(key).into_iter().collect(),
            None => self.spelling.names(key),
        };
        let mut names = names.into_iter().filter_map(|name| SecretName::parse(&format!("{}{name}", self.prefix)).ok());
        names.find(|name| self.key(name).as_ref() == Some(key))
    }

    /// Returns the keys that [`only_keys_of`](NameMap::only_keys_of) found, each with the secret that a load requests
    /// for it, in the order of the keys.
    pub fn known_keys(&self) -> impl Iterator<Item = (Key, SecretName)> {
        self.selection.iter().flat_map(|selection| selection.known(self)).collect::<BTreeMap<_, _>>().into_iter()
    }
}

impl NameMap {
    /// Returns the secrets to request by name, or `None` if the map lists the vault.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a name has no key, or if the known keys have no names.
    pub(crate) fn requested(&self) -> Result<Option<Vec<RequestedSecret>>> {
        self.selection.as_ref().map(|selection| selection.requested(self)).transpose()
    }

    /// Returns whether the map takes a secret, apart from its name and its validity.
    pub(crate) fn takes(&self, secret: &SecretProperties, is_named: bool) -> bool {
        (!secret.managed() || self.certificates || is_named) && self.tags.iter().all(|tag| has_tag(secret, tag))
    }

    /// Returns a clause for the prefix and for each tag of the map that none of the `listed` secrets has.
    pub(crate) fn unmatched_filters<'s>(
        &self,
        listed: impl Iterator<Item = &'s SecretProperties> + Clone,
    ) -> Vec<String> {
        let has_prefix = |secret: &SecretProperties| {
            let start = secret.id().name().as_str().get(..self.prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix))
        };
        let prefix = (!listed.clone().any(has_prefix)).then(|| format!("has the prefix {}", self.prefix));
        let tags = self.tags.iter().filter(|tag| !listed.clone().any(|secret| has_tag(secret, tag)));
        let tags = tags.map(|(name, value)| match value {
            Some(value) => format!("has the tag {name} with the value {value}"),
            None => format!("has the tag {name}"),
        });
        prefix.filter(|_| !self.prefix.is_empty()).into_iter().chain(tags).collect()
    }

    /// Returns the secrets that the program named, each with the setting that it gives.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&SecretName, Key)> {
        let names = self.selection.iter().flat_map(Selection::names);
        names.filter_map(|name| Some((name, self.key(name)?)))
    }

    /// Returns the treatment of secrets that a value set in code hides.
    pub(crate) fn if_hidden(&self) -> IfHidden {
        self.rules.hidden
    }

    /// Returns whether the map may take a secret of which only the name is known, and whether it belongs to a
    /// certificate.
    pub(crate) fn may_take(&self, name: &SecretName, is_of_certificate: bool) -> bool {
        match &self.selection {
            Some(selection) => selection.contains(name, self),
            None => self.key(name).is_some() && (self.certificates || !is_of_certificate),
        }
    }

    /// Expands a JSON secret. Returns `None` if the map keeps this secret as text.
    pub(crate) fn expand(&self, secret: &Secret, key: &Key) -> Option<Result<Vec<ExpandedValue>>> {
        let is_json = secret.properties().content_type().is_some_and(is_json);
        let limits = self.json.filter(|_| is_json)?;
        let spell = |name: &str| self.spelling.member(name);
        Some(limits.expand(secret.expose_secret(), key, &spell).map_err(|error| error.about(secret.id())))
    }
}

/// Returns whether a secret has a tag, with the value if one is expected.
fn has_tag(secret: &SecretProperties, (name, expected): &(String, Option<String>)) -> bool {
    secret.tags().get(name).is_some_and(|value| expected.as_ref().is_none_or(|expected| expected == value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::requested_secret::Requirement;

    fn name(name: &str) -> SecretName {
        name.parse().unwrap()
    }

    fn key(key: &str) -> Key {
        key.split('.').collect()
    }

    #[test]
    fn names_become_keys() {
        let default = NameMap::new();
        let shop = NameMap::new().prefix("Shop--");
        let snake = NameMap::new().prefix("Shop-").snake_case();
        let own = NameMap::new().prefix("s-").function(|name| match name {
            "root" => Some(Key::root()),
            name => name.strip_prefix("x").map(|name| name.split('0').collect()),
        });
        for (map, secret, expected) in [
            (&default, "Database--Password", Some("database.password")),
            (&default, "smtp--from-address", Some("smtp.from_address")),
            (&default, "ApiKey", Some("apikey")),
            (&default, "A--B--C", Some("a.b.c")),
            (&default, "a---b", Some("a._b")),
            (&default, "a----b", None),
            (&default, "--a", None),
            (&default, "a--", None),
            (&shop, "Shop--Database--Password", Some("database.password")),
            (&shop, "shop--Port", Some("port")),
            (&shop, "Shop--", None),
            (&shop, "Shop", None),
            (&shop, "Other--Port", None),
            (&snake, "shop-Database--APIKey", Some("database.api_key")),
            (&snake, "shop-S3Bucket", Some("s3_bucket")),
            (&snake, "ShopS3Bucket", None),
            (&NameMap::new().camel_case(), "Database--connection-string", Some("database.connectionString")),
            (&NameMap::new().pascal_case(), "database--ConnectionString--0", Some("Database.ConnectionString[0]")),
            (&NameMap::new().keep_case().prefix("shop-"), "Shop-JWT--Signing-Key--a1", Some("JWT.Signing-Key.a1")),
            (&own, "S-xa0b", Some("a.b")),
            (&own, "s-ya0b", None),
            (&own, "s-root", None),
        ] {
            let found = map.key(&name(secret)).map(|key| key.to_string());
            assert_eq!(found.as_deref(), expected, "{secret}");
        }
    }

    #[test]
    fn keys_become_names() {
        let default = NameMap::new();
        let snake = NameMap::new().prefix("Shop--").snake_case();
        let own = NameMap::new().function(|name| Some(name.split('0').collect()));
        let back = own.clone().reverse(|key| match key.to_string().as_str() {
            "wrong" => Some("other".into()),
            "bad" => Some("no name/at all".into()),
            key => Some(key.replace('.', "0")),
        });
        for (map, setting, expected) in [
            (&default, "database.password", Some("database--password")),
            (&default, "smtp.from_address", Some("smtp--from-address")),
            (&default, "a._b", Some("a---b")),
            (&default, "a_.b", None),
            (&default, "a__b", None),
            (&default, "Database", None),
            (&default, "ä", None),
            (&default, "a..b", None),
            (&snake, "database.connection_string", Some("Shop--Database--ConnectionString")),
            (&snake, "s3_bucket", Some("Shop--S3Bucket")),
            (&snake, "a_1", Some("Shop--A-1")),
            (&snake, "a_b_c", Some("Shop--a-b-c")),
            (&NameMap::new().camel_case(), "database.connectionString", Some("Database--ConnectionString")),
            (&NameMap::new().camel_case(), "apiKey2", Some("ApiKey2")),
            (&NameMap::new().camel_case(), "api_key", None),
            (&NameMap::new().pascal_case(), "Database.ConnectionString", Some("Database--ConnectionString")),
            (&NameMap::new().keep_case(), "JWT.signing-Key", Some("JWT--signing-Key")),
            (&NameMap::new().keep_case(), "a_b", None),
            (&own, "a.b", None),
            (&back, "a.b", Some("a0b")),
            (&back, "wrong", None),
            (&back, "bad", None),
        ] {
            let found = map.secret_name(&key(setting));
            assert_eq!(found.as_ref().map(SecretName::as_str), expected, "{setting}");
        }
        assert!(default.secret_name(&Key::root()).is_none());
        assert_eq!(default.secret_name(&key("a").element(0)).unwrap().as_str(), "a--0");
        assert!(default.secret_name(&key(&"a".repeat(128))).is_none());
    }

    #[test]
    fn names_without_keys_and_keys_without_names_are_refused() {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "it is never constructed")]
        struct Settings {
            database: u8,
            tags: Vec<u8>,
        }
        let shop = NameMap::new().prefix("Shop--");
        let own = NameMap::new().function(|name| Some(std::iter::once(name).collect()));
        for (map, expected) in [
            (NameMap::new(), None),
            (NameMap::new().only([""; 0]).unwrap(), Some(Ok(vec![]))),
            (shop.clone().only(["Shop--b", "shop--A"]).unwrap(), Some(Ok(vec!["shop--A", "Shop--b"]))),
            (shop.clone().only(["Billing--a"]).unwrap(), Some(Err("Billing--a"))),
            (shop.only_keys_of::<Settings>(), Some(Ok(vec!["Shop--database"]))),
            (NameMap::new().only_keys_of::<Settings>().open_json(OpenJson::new()), Some(Ok(vec!["database", "tags"]))),
            (own.clone().only_keys_of::<Settings>(), Some(Err("no key that a secret name can give"))),
            (own.reverse(|key| Some(key.to_string())).only_keys_of::<Settings>(), Some(Ok(vec!["database"]))),
            (NameMap::new().only_keys_of::<BTreeMap<String, u8>>(), Some(Err("no key"))),
        ] {
            let shown = format!("{map:?}");
            match (map.requested(), expected) {
                (Ok(None), None) => {}
                (Ok(Some(requested)), Some(Ok(expected))) => {
                    let names: Vec<&str> = requested.iter().map(|request| request.name.as_str()).collect();
                    assert_eq!(names, expected, "{shown}");
                }
                (Err(error), Some(Err(expected))) => assert!(error.to_string().contains(expected), "{shown} {error}"),
                (found, _) => panic!("{shown}: {:?}", found.map(|_| ())),
            }
        }
        assert!(NameMap::new().only(["no/name"]).is_err());
    }

    #[test]
    fn a_repeated_name_keeps_its_strictest_requirement() {
        let map = NameMap::new().optionally(["a", "b"]).unwrap().only(["A"]).unwrap().optionally(["a"]).unwrap();
        let requested = map.requested().unwrap().unwrap();
        let found: Vec<_> = requested.iter().map(|request| (request.name.as_str(), request.requirement)).collect();
        assert_eq!(found, [("a", Requirement::Required), ("b", Requirement::Optional)]);
    }

    proptest! {
        #[test]
        fn names_and_keys_give_each_other(
            secret in "[a-zA-Z0-9-]{1,40}", snake: bool, prefix in "[a-z-]{0,3}",
        ) {
            let map = NameMap::new().prefix(prefix.as_str());
            let map = if snake { map.snake_case() } else { map };
            if let Some(key) = map.key(&name(&(prefix + &secret))) {
                match map.secret_name(&key) {
                    Some(back) => prop_assert_eq!(map.key(&back), Some(key)),
                    None => prop_assert!(snake, "{} has a name", key),
                }
            }
        }

        #[test]
        fn plain_keys_have_names_in_both_spellings(
            setting in "[a-z][a-z0-9]{0,5}(_[a-z][a-z0-9]{1,5}){0,2}(\\.[a-z]{1,5}){0,2}",
        ) {
            for map in [NameMap::new(), NameMap::new().snake_case()] {
                prop_assert!(map.secret_name(&key(&setting)).is_some(), "{setting}");
            }
        }
    }
}
