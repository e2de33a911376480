//! Seeds: secrets and key-values that a person writes as JSON, to load into vaults and App Configuration stores.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::key_value_seed::{SECTION, SeedKeyValue};
use super::secret_seed::SeedSecret;
use super::seed_error::SeedError;
use crate::app_configuration::StoreMap;
use crate::random;
use crate::vaults::VaultMap;

/// Secrets to load into vaults, and key-values to load into App Configuration stores, read from JSON.
///
/// The JSON is an object. Each key is a secret name, or `VAULT/NAME` for a secret outside the default vault. Each value
/// is the secret's value as a string, or an object with these fields:
///
/// - `value`, a string. Instead of it, `certificate` with a host name creates a self-signed certificate, and `pem`
///   takes a key in PKCS#8 and its chain. A certificate is stored as PKCS#12 unless `content_type` is
///   `application/x-pem-file`.
/// - `policy`, for a certificate: properties of its [policy](crate#certificates) in the service's JSON, such as the
///   `issuer` and the `lifetime_actions` that renew it. The others are those of an imported certificate, which is not
///   renewed.
/// - `content_type`, `tags` (an object of strings) and `enabled`.
/// - `not_before` and `expires`: seconds since 1970, or a date like `2027-01-31T00:00:00Z`.
/// - `version`: 32 hexadecimal digits, for a version that must be known in advance.
/// - `versions`, as the only field: a list of such values, oldest first.
///
/// The key `app_configuration` is an object too, with the key-values of the default App Configuration store. Each key
/// in it is the key of a key-value. Its value is a string, an object, or a list of them with different labels.
/// An object has these fields:
///
/// - `value`, a string. Instead of it, `secret` with the name of a secret in the default vault creates a Key Vault
///   reference to it.
/// - `label`, `content_type`, `description`, `tags` (an object of strings) and `locked`.
///
/// ```
/// use keyvault_emulator::Seed;
///
/// # fn main() -> Result<(), keyvault_emulator::SeedError> {
/// let seed = Seed::from_json(
///     r#"{
///         "db-password": "hunter2",
///         "api-key": { "value": "k", "tags": { "team": "billing" }, "expires": "2027-01-31T00:00:00Z" },
///         "contoso/rotated": { "versions": ["old", { "value": "new", "enabled": false }] },
///         "tls": { "certificate": "app.example" },
///         "app_configuration": {
///             "shop:db:host": ["localhost", { "value": "db.example", "label": "prod" }],
///             "shop:db:password": { "secret": "db-password" }
///         }
///     }"#,
/// )?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Seed {
    secrets: Vec<SeedSecret>,
    key_values: Vec<SeedKeyValue>,
}

impl Seed {
    /// Parses a seed.
    ///
    /// # Errors
    ///
    /// The text is not JSON of this form, or the service would reject one of the secrets or key-values. The error never
    /// quotes a value.
    pub fn from_json(text: &str) -> Result<Self, SeedError> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            SeedError::new("the seed", format!("not a JSON object (line {}, column {})", error.line(), error.column()))
        })?;
        let mut seed = Self::default();
        for (place, value) in object {
            match place.as_str() {
                SECTION => seed.key_values = SeedKeyValue::parse_section("", value)?,
                name => seed.secrets.push(SeedSecret::parse(name, value)?),
            }
        }
        Ok(seed)
    }

    /// Parses a section of key-values alone, for a store.
    pub(crate) fn from_key_values(store: &str, text: &str) -> Result<Self, SeedError> {
        let section: Value = serde_json::from_str(text).map_err(|error| {
            SeedError::new("the seed", format!("not a JSON object (line {}, column {})", error.line(), error.column()))
        })?;
        let key_values = SeedKeyValue::parse_section(store, section)?;
        Ok(Self { key_values, ..Self::default() })
    }

    /// Moves the secrets of the default vault to another vault.
    pub(crate) fn for_vault(mut self, vault: Option<&str>) -> Self {
        for secret in self.secrets.iter_mut().filter(|secret| secret.vault.is_empty()) {
            secret.vault = vault.unwrap_or_default().to_ascii_lowercase();
        }
        self
    }

    /// Chooses the identifier of each version that has none, and the ETag of each key-value.
    pub(crate) fn with_versions(&self) -> Self {
        let mut seed = self.clone();
        for secret in seed.secrets.iter_mut().flat_map(|secret| &mut secret.versions) {
            secret.version.get_or_insert_with(random::hex);
        }
        for key_value in &mut seed.key_values {
            key_value.set = key_value.set.clone().with_new_etag();
        }
        seed
    }

    /// Sets the secrets in their vaults, as new versions, and the key-values in their stores: all of them, unless one
    /// is rejected. `vault_url` is the URL of the default vault.
    pub(crate) fn load(
        &self,
        vaults: &mut VaultMap,
        stores: &mut StoreMap,
        vault_url: &str,
        now: Duration,
        existing: OnExisting,
    ) -> Result<Loaded, SeedError> {
        let (mut draft, mut draft_stores, mut loaded) = (vaults.clone(), stores.clone(), Loaded::default());
        for SeedSecret { vault, name, versions } in &self.secrets {
            let vault = draft.open(vault, now);
            if existing == OnExisting::Skip && vault.contains(name) {
                continue;
            }
            for secret in versions {
                vault.set(name, secret.clone(), now).map_err(|error| SeedError::new(name, error.message))?;
            }
            loaded.secrets += 1;
        }
        for key_value in &self.key_values {
            let (id, set) = key_value.resolve(vault_url);
            let store = draft_stores.open(&key_value.store, now);
            if existing == OnExisting::Skip && store.contains(&id) {
                continue;
            }
            store.set(&id, set, now).map_err(|_| SeedError::new(&id.key, "the key-value is longer than 10 KB"))?;
            loaded.key_values += 1;
        }
        *vaults = draft;
        *stores = draft_stores;
        Ok(loaded)
    }
}

/// The number of secrets and key-values that a seed has set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) secrets: usize,
    pub(crate) key_values: usize,
}

/// The treatment of a secret or a key-value that exists already, live or deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnExisting {
    /// Leaves the existing one unchanged, and the deleted one deleted.
    Skip,
    /// Adds new versions to a secret, and sets a key-value.
    AddVersions,
}

/// Shows only the number of secrets and key-values.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed")
            .field("secrets", &self.secrets.len())
            .field("key_values", &self.key_values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_place_and_never_the_value() {
        for (text, expected) in [
            ("[]", "the seed: not a JSON object (line 1, column 0)"),
            ("{\n  \"a\": hunter2 }", "the seed: not a JSON object (line 2, column 8)"),
            (r#"{"a_b":"hunter2"}"#, "a_b: invalid secret name: expected 1 to 127 letters, digits and hyphens"),
            (r#"{"a":5432}"#, "a: expected a string or an object"),
            (r#"{"a":{}}"#, "a: expected exactly one of `value`, `certificate` and `pem`"),
            (r#"{"a":{"value":"hunter2","pem":"x"}}"#, "a: expected exactly one of `value`, `certificate` and `pem`"),
            (r#"{"a":{"value":5432}}"#, "a: `value`: expected a string"),
            (r#"{"a":{"value":"v","colour":"hunter2"}}"#, "a: `colour`: unknown field"),
            (r#"{"a":{"value":"v","tags":{"t":1}}}"#, "a: `tags`: expected an object of strings"),
            (r#"{"a":{"value":"v","version":"1"}}"#, "a: `version`: expected 32 hexadecimal digits"),
            (r#"{"a":{"versions":["v"],"enabled":true}}"#, "a: `versions` must be a list and the only field"),
            (r#"{"v/a":{"versions":[]}}"#, "v/a: `versions` must not be empty"),
            (r#"{"a":{"value":"v","policy":{}}}"#, "a: `policy`: expected with `certificate` or `pem` only"),
            (r#"{"a":{"certificate":"a","policy":"hunter2"}}"#, "a: `policy`: expected an object"),
            (
                r#"{"a":{"value":"v","exp":"hunter2"}}"#,
                "a: `expires`: expected seconds since 1970 or a date like 2027-01-31T00:00:00Z",
            ),
            (
                r#"{"a":{"pem":"hunter2"}}"#,
                "a: the private key in PKCS#8 (BEGIN PRIVATE KEY) is missing or cannot be parsed",
            ),
        ] {
            assert_eq!(Seed::from_json(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn every_field_is_read() {
        let seed = Seed::from_json(
            r#"{"V/a":{"versions":["1",{"value":"2","content_type":"t","tags":{"k":"v"},"enabled":false,
                "not_before":5,"expires":"1970-01-01T00:00:07Z","version":"0123456789ABCDEF0123456789abcdef"}]}}"#,
        )
        .unwrap();
        let parsed = &seed.secrets[0];
        assert_eq!((parsed.vault.as_str(), parsed.name.as_str(), parsed.versions.len()), ("v", "a", 2));
        let secret = &parsed.versions[1];
        assert_eq!((secret.value.as_str(), secret.content_type.as_deref(), secret.enabled), ("2", Some("t"), false));
        assert_eq!((secret.not_before, secret.expires), (Some(5), Some(7)));
        assert_eq!(secret.version.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(secret.tags.as_ref().unwrap()["k"], "v");
    }
}
