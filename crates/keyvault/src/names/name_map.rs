//! The name map: how the names of secrets become the keys of settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::json_expansion::{ExpandedValue, OpenJson, is_json};
use super::known_keys::known_keys;
use super::request::{Only, RequestedSecret, Requirement};
use super::spelling::{Reverse, Spelling};
use super::validity::{IfDisabled, IfOutdated, ValidityRules};
use crate::error::Result;
use crate::secret::{Secret, SecretName, SecretProperties};
use crate::settings::Key;

/// The rule by which secrets become settings: which are taken, and what their names say.
///
/// By default every secret is taken that is enabled and does not belong to a certificate. `--` in its name separates
/// levels; each level is lower-cased, and `-` in it becomes `_`:
///
/// | secret | setting | with [`snake_case`](NameMap::snake_case) |
/// |---|---|---|
/// | `Database--Password` | `database.password` | `database.password` |
/// | `smtp--from-address` | `smtp.from_address` | `smtp.from_address` |
/// | `Database--ConnectionString` | `database.connectionstring` | `database.connection_string` |
/// | `APIKey` | `apikey` | `api_key` |
///
/// # Choices
///
/// | to | use |
/// |---|---|
/// | share a vault with other programs | [`prefix`](NameMap::prefix), [`tag`](NameMap::tag), [`tag_value`](NameMap::tag_value) |
/// | tell the words of `PascalCase` apart | [`snake_case`](NameMap::snake_case) |
/// | spell keys in your own way | [`function`](NameMap::function), and back with [`reverse`](NameMap::reverse) |
/// | do without permission to list the vault | [`only_keys_of`](NameMap::only_keys_of), [`only`](NameMap::only), [`optionally`](NameMap::optionally) |
/// | keep several values in one secret | [`open_json`](NameMap::open_json) |
/// | decide about disabled secrets | [`disabled`](NameMap::disabled) |
/// | decide about those outside their dates | [`expired`](NameMap::expired), [`not_yet_valid`](NameMap::not_yet_valid) |
/// | have a certificate with its key as a setting | [`certificates`](NameMap::certificates) |
///
/// All of them can be combined; a secret is taken if every filter takes it.
///
/// # What it costs
///
/// | map | requests at the start | requests of a refresh in which nothing changed |
/// |---|---|---|
/// | that lists | ⌈secrets of the vault / 25⌉, and one for each secret taken | ⌈secrets of the vault / 25⌉ |
/// | of names or of known keys | one for each name | one for each name |
///
/// A list is read page by page, while single secrets are asked for 32 at a time: names that are known come in about one
/// round trip, and the 1,000 secrets of a large vault take 40. A map that lists has only its filtered secrets fetched.
///
/// # Collisions
///
/// Secrets that give one setting, a setting that is both a value and a table, and a table that is also a list are errors
/// that name every secret that takes part: one of them would silently win otherwise. Names differ only in case to
/// [`SecretName`] and to the vault alike, so the default map gives one key to no two names; with `snake_case`, `ApiKey`
/// and `Api-Key` are one setting.
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
#[derive(Clone, Default)]
pub struct NameMap {
    prefix: String,
    spelling: Spelling,
    reverse: Option<Arc<Reverse>>,
    tags: Vec<(String, Option<String>)>,
    only: Option<Only>,
    certificates: bool,
    rules: ValidityRules,
    pub(super) json: Option<OpenJson>,
}

/// Which secrets are taken.
impl NameMap {
    /// Makes the default map, which takes every secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only secrets whose names begin with `prefix`, in any case, and cuts it off. Default: no prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Takes only secrets that have a tag called `name`, whatever its value. Given more than once, all must be there.
    /// Default: no tag.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.tags.push((name.into(), None));
        self
    }

    /// Takes only secrets whose tag `name` is `value`, letter by letter, and fits [`tag`](NameMap::tag) otherwise.
    ///
    /// Tags can be changed without a new version of the secret, and a refresh takes notice.
    #[must_use]
    pub fn tag_value(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), Some(value.into())));
        self
    }

    /// Takes the secrets of these names and no others, asking for each by name: no permission to list is needed.
    ///
    /// Names are whole, with the prefix. One that does not exist is an error; see [`optionally`](NameMap::optionally). A
    /// name is reason enough to take the secret of a certificate. Costs one request for each name, at every refresh too.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a name cannot be a secret's. One that the map gives no key is an error
    /// when secrets are loaded, before a request is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::NameMap;
    ///
    /// let map = NameMap::new().only(["Database--Password", "Api-Key"])?.optionally(["Sentry-Dsn"])?;
    /// # Ok::<_, keyvault::Error>(())
    /// ```
    pub fn only<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        self.only.get_or_insert_default().name(names, Requirement::Required)?;
        Ok(self)
    }

    /// Takes these secrets as [`only`](NameMap::only) does, and leaves out those that do not exist.
    ///
    /// # Errors
    ///
    /// As [`only`](NameMap::only).
    pub fn optionally<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        self.only.get_or_insert_default().name(names, Requirement::Optional)?;
        Ok(self)
    }

    /// Takes the secrets that give the keys of `T`, asking for each by [its name](NameMap::secret_name): no permission to
    /// list is needed. A key without a secret is absent, as it is after a list.
    ///
    /// Costs one request for each key, at every refresh too; 32 are under way at the same time. Worth it where settings
    /// are few and the vault is large, or may not be listed.
    ///
    /// Serde tells the fields of a struct and of the structs in it, through `Option`, `Box`, newtypes, `rename`, `alias`
    /// and `default`. **What it does not tell**, and what needs [`optionally`](NameMap::optionally) beside it:
    ///
    /// * the members of maps, of lists, and of enums with data (with [`open_json`](NameMap::open_json), one JSON secret
    ///   can hold them all; an enum or an untagged type is asked for as one value);
    /// * **all fields of a struct that has a `#[serde(flatten)]` in it**, which reaches us as a map;
    /// * fields of a `Deserialize` written by hand that asks for a map;
    /// * a struct within itself, of which the outermost is known.
    ///
    /// An identity that may read single secrets and not the vault is refused those that do not exist, too, and that is an
    /// error: name what it may read with [`only`](NameMap::only).
    ///
    /// [`known_keys`](NameMap::known_keys) shows what was found. `T` is deserialised in pieces, from nothing; a
    /// `Deserialize` written by hand sees no value and gets an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::NameMap;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Settings {
    ///     database: Database,
    ///     api_key: Option<String>,
    /// }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Database {
    ///     password: String,
    /// }
    ///
    /// let map = NameMap::new().only_keys_of::<Settings>();
    /// let names: Vec<String> = map.known_keys().map(|(_, name)| name.to_string()).collect();
    /// assert_eq!(names, ["api-key", "database--password"]);
    /// ```
    #[must_use]
    pub fn only_keys_of<T: DeserializeOwned>(mut self) -> Self {
        self.only.get_or_insert_default().know(known_keys::<T>());
        self
    }

    /// Takes the secrets of certificates, too: each is a private key with its chain, PKCS#12 in base64 or PEM. Default:
    /// they are left out, for a vault with certificates has one for each.
    #[must_use]
    pub fn certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// Sets what becomes of disabled secrets. Default: [`IfDisabled::Skip`].
    #[must_use]
    pub fn disabled(mut self, policy: IfDisabled) -> Self {
        self.rules.disabled = policy;
        self
    }

    /// Sets what becomes of secrets whose expiry date has passed. Default: [`IfOutdated::Warn`].
    ///
    /// The vault gives them all the same, and a program that cannot start is worse than an old password that still works.
    /// A warning is a `tracing` event without the value, once for each version.
    #[must_use]
    pub fn expired(mut self, policy: IfOutdated) -> Self {
        self.rules.expired = policy;
        self
    }

    /// Sets what becomes of secrets that are not valid yet. Default: [`IfOutdated::Warn`], as for
    /// [`expired`](NameMap::expired) ones.
    #[must_use]
    pub fn not_yet_valid(mut self, policy: IfOutdated) -> Self {
        self.rules.not_yet_valid = policy;
        self
    }
}

/// What their names say.
impl NameMap {
    /// Tells the words of `PascalCase` apart: `Database--ConnectionString` is `database.connection_string`, `APIKey` is
    /// `api_key`, `S3Bucket` is `s3_bucket`. Default: only `-` separates words.
    ///
    /// Members of JSON secrets are spelt so, too.
    #[must_use]
    pub fn snake_case(mut self) -> Self {
        self.spelling = Spelling::Snake;
        self
    }

    /// Spells keys by `function`, which gets the name behind the prefix; it gives none for a secret that is not taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::NameMap;
    ///
    /// // db0password: tables end at a digit.
    /// let map = NameMap::new().function(|name| Some(name.split('0').collect()));
    /// assert_eq!(map.key(&"db0password".parse()?).unwrap().to_string(), "db.password");
    /// # Ok::<_, keyvault::Error>(())
    /// ```
    #[must_use]
    pub fn function(mut self, function: impl Fn(&str) -> Option<Key> + Send + Sync + 'static) -> Self {
        self.spelling = Spelling::Function(Arc::new(function));
        self
    }

    /// Gives the way back from a key to the name behind the prefix, for [`secret_name`](NameMap::secret_name) and
    /// [`only_keys_of`](NameMap::only_keys_of). A name that does not lead to the same key is not used.
    ///
    /// Default: the canonical spelling; of an own [`function`](NameMap::function) none.
    #[must_use]
    pub fn reverse(mut self, reverse: impl Fn(&Key) -> Option<String> + Send + Sync + 'static) -> Self {
        self.reverse = Some(Arc::new(reverse));
        self
    }

    /// Opens secrets whose content type says JSON (`application/json`, `…+json`, with or without parameters) into a
    /// setting for each value in them. Default: they are text like any other.
    ///
    /// The secret `Database` with `{"user": "app", "port": 5432, "hosts": ["a", "b"]}` gives `database.user`,
    /// `database.port`, `database.hosts[0]` and `database.hosts[1]`:
    ///
    /// * Members keep their own spelling, but for [`snake_case`](NameMap::snake_case).
    /// * Numbers and booleans are text, `5432`, and convert as every secret does.
    /// * A list is a list, into which `Vec` deserialises. A layer over it replaces it as a whole.
    /// * `null` is absent, so that a lower layer or a default applies; in a list it is an empty value.
    /// * What lies deeper than the limit stays one setting, its JSON text.
    /// * Every value has the secret, with its version, as its origin. Members' names are keys: they are shown.
    ///
    /// A content type that says JSON of what is none, and more or larger JSON than the limits, are errors that name the
    /// secret.
    #[must_use]
    pub fn open_json(mut self, limits: OpenJson) -> Self {
        self.json = Some(limits);
        self
    }

    /// Tells the key for a secret; none if the map does not take its name.
    ///
    /// A name that has nothing between two separators (`a----b`) or nothing behind the prefix has no key.
    pub fn key(&self, name: &SecretName) -> Option<Key> {
        let (prefix, rest) = name.as_str().split_at_checked(self.prefix.len())?;
        prefix.eq_ignore_ascii_case(&self.prefix).then(|| self.spelling.key(rest))?
    }

    /// Tells the name that a secret should have for its setting to be `key`; none if no name leads there.
    ///
    /// It is the canonical spelling of those that do: in lower case with hyphens, or `PascalCase` for
    /// [`snake_case`](NameMap::snake_case). A key with capital letters, with a list in it or with more than 127 letters
    /// has none.
    pub fn secret_name(&self, key: &Key) -> Option<SecretName> {
        let names = match &self.reverse {
            Some(reverse) => reverse(key).into_iter().collect(),
            None => self.spelling.names(key),
        };
        let mut names = names.into_iter().filter_map(|name| SecretName::parse(&format!("{}{name}", self.prefix)).ok());
        names.find(|name| self.key(name).as_ref() == Some(key))
    }

    /// Tells the keys that [`only_keys_of`](NameMap::only_keys_of) found and the secrets that are asked for them, in the
    /// order of the keys.
    pub fn known_keys(&self) -> impl Iterator<Item = (Key, SecretName)> {
        self.only.iter().flat_map(|only| only.known(self)).collect::<BTreeMap<_, _>>().into_iter()
    }
}

impl NameMap {
    /// Tells the secrets to ask for by name; none if the vault is to be listed.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a name has no key, or none of the keys has a name.
    pub(crate) fn requested(&self) -> Result<Option<Vec<RequestedSecret>>> {
        self.only.as_ref().map(|only| only.requested(self)).transpose()
    }

    /// Tells whether a secret is taken, its name and its state aside.
    pub(crate) fn takes(&self, secret: &SecretProperties, is_named: bool) -> bool {
        let fits = |(name, value): &(String, Option<String>)| {
            secret.tags().get(name).is_some_and(|held| value.as_ref().is_none_or(|value| value == held))
        };
        (!secret.managed() || self.certificates || is_named) && self.tags.iter().all(fits)
    }

    /// Tells whether a secret of which only this is known may be taken.
    pub(crate) fn may_take(&self, name: &SecretName, is_of_certificate: bool) -> bool {
        match &self.only {
            Some(only) => only.asks_for(name, self),
            None => self.key(name).is_some() && (self.certificates || !is_of_certificate),
        }
    }

    pub(crate) fn validity(&self) -> &ValidityRules {
        &self.rules
    }

    /// Opens a JSON secret; none if this one is text.
    pub(crate) fn expand(&self, secret: &Secret, key: &Key) -> Option<Result<Vec<ExpandedValue>>> {
        let is_json = secret.properties().content_type().is_some_and(is_json);
        let limits = self.json.filter(|_| is_json)?;
        let spell = |name: &str| self.spelling.member(name).into_owned();
        Some(limits.expand(secret.expose_secret(), key, &spell).map_err(|error| error.about(secret.id())))
    }
}

impl fmt::Debug for NameMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameMap")
            .field("prefix", &self.prefix)
            .field("spelling", &self.spelling)
            .field("tags", &self.tags)
            .field("only", &self.only)
            .field("certificates", &self.certificates)
            .field("rules", &self.rules)
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            (&own, "a.b", None),
            (&back, "a.b", Some("a0b")),
            (&back, "wrong", None),
            (&back, "bad", None),
        ] {
            let found = map.secret_name(&key(setting));
            assert_eq!(found.as_ref().map(SecretName::as_str), expected, "{setting}");
        }
        assert!(default.secret_name(&Key::root()).is_none());
        assert!(default.secret_name(&key("a").element(0)).is_none());
        assert!(default.secret_name(&key(&"a".repeat(128))).is_none());
    }

    #[test]
    fn what_a_map_cannot_ask_for_is_refused() {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
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
            (own.clone().only_keys_of::<Settings>(), Some(Err("no key that a secret's name can give"))),
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
    fn a_name_is_as_necessary_as_it_was_said_to_be_once() {
        let map = NameMap::new().optionally(["a", "b"]).unwrap().only(["A"]).unwrap().optionally(["a"]).unwrap();
        let requested = map.requested().unwrap().unwrap();
        let found: Vec<_> = requested.iter().map(|request| (request.name.as_str(), request.requirement)).collect();
        assert_eq!(found, [("a", Requirement::Required), ("b", Requirement::Optional)]);
    }

    proptest! {
        #[test]
        fn a_name_leads_to_its_key_and_back(secret in "[a-zA-Z0-9-]{1,40}", snake: bool, prefix in "[a-z-]{0,3}") {
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
        fn plain_keys_have_names_in_both_spellings(setting in "[a-z][a-z0-9]{0,5}(_[a-z][a-z0-9]{1,5}){0,2}(\\.[a-z]{1,5}){0,2}") {
            for map in [NameMap::new(), NameMap::new().snake_case()] {
                prop_assert!(map.secret_name(&key(&setting)).is_some(), "{setting}");
            }
        }
    }
}
