//! The options of a name map: its builder methods.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::json_expansion::OpenJson;
use super::known_keys::known_keys;
use super::name_map::NameMap;
use super::requested_secret::Requirement;
use super::spelling::{Case, Function, Spelling};
use super::validity::{IfDisabled, IfHidden, IfOutdated};
use crate::error::Result;
use crate::settings::Key;

/// Options for the secrets that the map takes.
impl NameMap {
    /// Takes only secrets whose names begin with `prefix`, in any case, and removes it from the key. Default: no
    /// prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Takes only secrets with a tag called `name`, whatever its value. After several calls, a secret needs all the
    /// tags. Default: no tag.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>) -> Self {
        self.tags.push((name.into(), None));
        self
    }

    /// Takes only secrets whose tag `name` has exactly this `value`. Combines with [`tag`](NameMap::tag).
    ///
    /// Changing a tag makes no new version of the secret. A refresh notices the change.
    #[must_use]
    pub fn tag_value(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), Some(value.into())));
        self
    }

    /// Takes the secrets with these names and no others. Requests each by name, so it needs no permission to list.
    ///
    /// Names include the prefix. A missing secret is an error; see [`optionally`](NameMap::optionally). A name also
    /// takes the secret of a certificate. Costs one request for each name, at every refresh too.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if a name is not a valid secret name. A name without a key is an error
    /// when secrets are loaded, before the first request.
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
        self.selection.get_or_insert_default().add_names(names, Requirement::Required)?;
        Ok(self)
    }

    /// Takes these secrets like [`only`](NameMap::only), and skips the missing ones.
    ///
    /// # Errors
    ///
    /// Same as [`only`](NameMap::only).
    pub fn optionally<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self> {
        self.selection.get_or_insert_default().add_names(names, Requirement::Optional)?;
        Ok(self)
    }

    /// Takes the secrets that give the keys of `T`. Requests each by [its name](NameMap::secret_name), so it needs no
    /// permission to list. A key without a secret is absent.
    ///
    /// Costs one request for each key, at every refresh too, by default at most 100 concurrently. Suits a program with
    /// few settings and a large vault, or a vault that it may not list.
    ///
    /// Serde reveals the fields of a struct and of the structs in it, through `Option`, `Box`, newtypes, `rename`,
    /// `alias` and `default`. **Serde does not reveal** the following. Add those secrets with
    /// [`optionally`](NameMap::optionally):
    ///
    /// * the members of maps, of lists, and of enums with data (with [`open_json`](NameMap::open_json), one JSON secret
    ///   can hold them all; an enum or an untagged type is requested as one value);
    /// * **all fields of a struct that contains a `#[serde(flatten)]`**, which serde presents as a map;
    /// * fields of a handwritten `Deserialize` that requests a map;
    /// * a struct within itself, of which only the outermost is known.
    ///
    /// An identity that may read single secrets but not the vault gets an error for a missing secret, because the vault
    /// refuses the read. Name the secrets that it may read with [`only`](NameMap::only).
    ///
    /// [`known_keys`](NameMap::known_keys) shows the keys that were found. Finding them deserialises parts of `T`
    /// without values. A handwritten `Deserialize` sees no value and gets an error.
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
        self.selection.get_or_insert_default().add_keys(known_keys::<T>());
        self
    }

    /// Takes the secrets of certificates too. Each is a private key with its chain, as PKCS#12 in base64 or as PEM.
    ///
    /// Default: skips them, because a vault has one such secret for each certificate.
    #[must_use]
    pub fn certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// Sets the treatment of disabled secrets. Default: [`IfDisabled::Skip`].
    #[must_use]
    pub fn disabled(mut self, policy: IfDisabled) -> Self {
        self.rules.disabled = policy;
        self
    }

    /// Sets the treatment of secrets whose expiry date has passed. Default: [`IfOutdated::Warn`].
    ///
    /// The vault still returns such secrets. By default the map takes them, because an old password that still works is
    /// better than a program that cannot start. A warning is a `tracing` event without the value, once for each
    /// version.
    #[must_use]
    pub fn expired(mut self, policy: IfOutdated) -> Self {
        self.rules.expired = policy;
        self
    }

    /// Sets the treatment of secrets that are not valid yet. Default: [`IfOutdated::Warn`], as for
    /// [`expired`](NameMap::expired) ones.
    #[must_use]
    pub fn not_yet_valid(mut self, policy: IfOutdated) -> Self {
        self.rules.not_yet_valid = policy;
        self
    }
}

/// Options for secrets that are not in effect.
impl NameMap {
    /// Sets the treatment of secrets that a value set in code hides. Default: [`IfHidden::Warn`].
    ///
    /// A default such as `password = "changeme"` above the secrets replaces a secret of the same key. Applies to live
    /// settings. Values set in code are those of config's `set_default` and `set_override`, of figment's `Serialized`,
    /// and of text such as `Toml::string`; so command-line arguments that a program merges with `Serialized` are among
    /// them. A value with a reference hides nothing.
    #[must_use]
    pub fn hidden(mut self, policy: IfHidden) -> Self {
        self.rules.hidden = policy;
        self
    }
}

/// Options for the keys that names give.
impl NameMap {
    /// Separates the words of `PascalCase`: `Database--ConnectionString` gives `database.connection_string`, `APIKey`
    /// gives `api_key`, and `S3Bucket` gives `s3_bucket`. Default: only `-` separates words.
    ///
    /// Applies to the members of expanded JSON secrets too.
    #[must_use]
    pub fn snake_case(mut self) -> Self {
        self.spelling = Spelling::Words(Case::Snake);
        self
    }

    /// Spells keys like fields with `#[serde(rename_all = "camelCase")]`: `Database--ConnectionString` and
    /// `database--connection-string` give `database.connectionString`. Otherwise the same as
    /// [`snake_case`](NameMap::snake_case).
    #[must_use]
    pub fn camel_case(mut self) -> Self {
        self.spelling = Spelling::Words(Case::Camel);
        self
    }

    /// Spells keys like fields with `#[serde(rename_all = "PascalCase")]`: `Database--ConnectionString` and
    /// `database--connection-string` give `Database.ConnectionString`. Otherwise the same as
    /// [`snake_case`](NameMap::snake_case).
    #[must_use]
    pub fn pascal_case(mut self) -> Self {
        self.spelling = Spelling::Words(Case::Pascal);
        self
    }

    /// Keeps names as they are written, as ASP.NET does: `JWT--SigningKey` gives `JWT.SigningKey`, the key of an
    /// `appsettings.json` with the same spelling. Default: lower case, and `_` for `-`.
    #[must_use]
    pub fn keep_case(mut self) -> Self {
        self.spelling = Spelling::Kept;
        self
    }

    /// Spells keys with `function`, which receives the name without the prefix and returns `None` to skip a secret.
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
        self.spelling = Spelling::Function(Function(Arc::new(function)));
        self
    }

    /// Sets the way back from a key to the name without the prefix, which [`secret_name`](NameMap::secret_name) and
    /// [`only_keys_of`](NameMap::only_keys_of) use. They ignore a name that does not give the same key.
    ///
    /// Default: the canonical spelling, or no way back with an own [`function`](NameMap::function).
    #[must_use]
    pub fn reverse(mut self, reverse: impl Fn(&Key) -> Option<String> + Send + Sync + 'static) -> Self {
        self.reverse = Some(Function(Arc::new(reverse)));
        self
    }

    /// Expands secrets with a JSON content type (`application/json`, `…+json`, with or without parameters) into one
    /// setting for each value. Default: they are text like any other secret.
    ///
    /// The secret `Database` with `{"user": "app", "port": 5432, "hosts": ["a", "b"]}` gives `database.user`,
    /// `database.port`, `database.hosts[0]` and `database.hosts[1]`:
    ///
    /// * Members keep their spelling, unless [`snake_case`](NameMap::snake_case), [`camel_case`](NameMap::camel_case)
    ///   or [`pascal_case`](NameMap::pascal_case) changes it.
    /// * Numbers and booleans are text, such as `5432`, and convert like every secret.
    /// * A list is a list, which deserialises into `Vec`. A higher layer replaces it as a whole.
    /// * `null` is absent, so that a lower layer or a default applies. In a list it is an empty value.
    /// * A value below the depth limit stays one setting with its JSON text.
    /// * The origin of every value is the secret with its version. The names of members are keys, so they are shown.
    ///
    /// A secret with a JSON content type that is not JSON, or that exceeds the limits, is an error that names the
    /// secret.
    #[must_use]
    pub fn open_json(mut self, limits: OpenJson) -> Self {
        self.json = Some(limits);
        self
    }
}
