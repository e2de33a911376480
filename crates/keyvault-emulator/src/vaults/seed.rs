//! Seeds: secrets that a person writes as JSON, to load into vaults.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::name::{is_name, is_version};
use super::set_secret::SetSecret;
use super::vault_map::VaultMap;
use crate::certificates::{Certificate, PEM};
use crate::protocol::ErrorResponse;
use crate::random;

/// Secrets to load into vaults, read from JSON.
///
/// The JSON is an object. Each key is a secret name, or `VAULT/NAME` for a secret outside the default vault. Each value
/// is the secret's value as a string, or an object with these fields:
///
/// - `value`, a string. Instead of it, `certificate` with a host name creates a self-signed certificate, and `pem`
///   takes a key in PKCS#8 and its chain. A certificate is stored as PKCS#12 unless `content_type` is
///   `application/x-pem-file`.
/// - `content_type`, `tags` (an object of strings) and `enabled`.
/// - `not_before` and `expires`: seconds since 1970, or a date like `2027-01-31T00:00:00Z`.
/// - `version`: 32 hexadecimal digits, for a version that must be known in advance.
/// - `versions`, as the only field: a list of such values, oldest first.
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
///         "tls": { "certificate": "app.example" }
///     }"#,
/// )?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Seed(Vec<SeedSecret>);

/// One secret with its versions, oldest first.
#[derive(Clone)]
struct SeedSecret {
    vault: String,
    name: String,
    versions: Vec<SetSecret>,
}

impl Seed {
    /// Parses a seed.
    ///
    /// # Errors
    ///
    /// The text is not JSON of this form, or the service would reject one of the secrets. The error never quotes a
    /// value.
    pub fn from_json(text: &str) -> Result<Self, SeedError> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            SeedError::new("the seed", format!("not a JSON object (line {}, column {})", error.line(), error.column()))
        })?;
        object.into_iter().map(|(place, value)| seed_secret(&place, value)).collect::<Result<_, _>>().map(Self)
    }

    /// Moves the secrets of the default vault to another vault.
    pub(crate) fn for_vault(mut self, vault: Option<&str>) -> Self {
        for secret in self.0.iter_mut().filter(|secret| secret.vault.is_empty()) {
            secret.vault = vault.unwrap_or_default().to_ascii_lowercase();
        }
        self
    }

    /// Chooses the identifier of each version that has none.
    pub(crate) fn with_versions(&self) -> Self {
        let mut seed = self.clone();
        for secret in seed.0.iter_mut().flat_map(|secret| &mut secret.versions) {
            secret.version.get_or_insert_with(random::hex);
        }
        seed
    }

    /// Sets the secrets in their vaults, as new versions: all of them, unless one is rejected. Returns the number
    /// of secrets that were set.
    pub(crate) fn load(&self, vaults: &mut VaultMap, now: Duration, existing: OnExisting) -> Result<usize, SeedError> {
        let (mut draft, mut count) = (vaults.clone(), 0);
        for SeedSecret { vault, name, versions } in &self.0 {
            let vault = draft.open(vault, now);
            if existing == OnExisting::Skip && vault.contains(name) {
                continue;
            }
            for secret in versions {
                vault.set(name, secret.clone(), now).map_err(|error| SeedError::new(name, error.message))?;
            }
            count += 1;
        }
        *vaults = draft;
        Ok(count)
    }
}

/// The treatment of a secret whose name exists already, live or deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnExisting {
    /// Leaves the existing secret unchanged.
    Skip,
    /// Adds new versions to it.
    AddVersions,
}

/// Shows only the number of secrets.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("secrets", &self.0.len()).finish_non_exhaustive()
    }
}

/// The mistake in a [`Seed`]: its place and what was expected, never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeedError {
    place: String,
    problem: String,
}

impl SeedError {
    fn new(place: &str, problem: impl Into<String>) -> Self {
        Self { place: place.to_owned(), problem: problem.into() }
    }
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Error for SeedError {}

fn seed_secret(place: &str, value: Value) -> Result<SeedSecret, SeedError> {
    let (vault, name) = place.split_once('/').unwrap_or(("", place));
    if !is_name(name) {
        return Err(SeedError::new(place, "invalid secret name: expected 1 to 127 letters, digits and hyphens"));
    }
    let versions = match value {
        Value::Object(mut object) if object.contains_key("versions") => {
            let versions = object.remove("versions");
            let (Some(Value::Array(versions)), true) = (versions, object.is_empty()) else {
                return Err(SeedError::new(place, "`versions` must be a list and the only field"));
            };
            versions
        }
        value => vec![value],
    };
    if versions.is_empty() {
        return Err(SeedError::new(place, "`versions` must not be empty"));
    }
    let secret = |value| version(place, value);
    let versions = versions.into_iter().map(secret).collect::<Result<_, _>>()?;
    Ok(SeedSecret { vault: vault.to_ascii_lowercase(), name: name.to_owned(), versions })
}

fn version(place: &str, value: Value) -> Result<SetSecret, SeedError> {
    let secret = match value {
        Value::String(value) => SetSecret::new(value),
        Value::Object(object) => SeedFields { place, object }.secret()?,
        _ => return Err(SeedError::new(place, "expected a string or an object")),
    };
    secret.check().map_err(|ErrorResponse { message, .. }| SeedError::new(place, message))?;
    Ok(secret)
}

/// The fields of one version. Each read removes a field, so the unknown fields remain.
struct SeedFields<'a> {
    place: &'a str,
    object: Map<String, Value>,
}

impl SeedFields<'_> {
    fn secret(mut self) -> Result<SetSecret, SeedError> {
        let content_type = self.text(&["content_type", "contentType"])?;
        let mut secret = match (self.text(&["value"])?, self.text(&["certificate"])?, self.text(&["pem"])?) {
            (Some(value), None, None) => SetSecret { content_type, ..SetSecret::new(value) },
            (None, Some(host), None) => self.certificate(Certificate::self_signed(&host), content_type)?,
            (None, None, Some(pem)) => self.certificate(Certificate::from_pem(&pem), content_type)?,
            _ => return Err(self.error("", "expected exactly one of `value`, `certificate` and `pem`")),
        };
        secret.tags = self.tags()?;
        secret.version = self.text(&["version"])?.map(|version| version.to_ascii_lowercase());
        if secret.version.as_deref().is_some_and(|version| !is_version(version)) {
            return Err(self.error("version", "expected 32 hexadecimal digits"));
        }
        secret.enabled = match self.take(&["enabled"]) {
            None => true,
            Some(Value::Bool(enabled)) => enabled,
            Some(_) => return Err(self.error("enabled", "expected true or false")),
        };
        secret.not_before = self.timestamp(&["not_before", "nbf"])?.or(secret.not_before);
        secret.expires = self.timestamp(&["expires", "exp"])?.or(secret.expires);
        match self.object.keys().next() {
            Some(unknown) => Err(self.error(unknown, "unknown field")),
            None => Ok(secret),
        }
    }

    fn certificate(
        &self,
        certificate: Result<Certificate, impl fmt::Display>,
        content_type: Option<String>,
    ) -> Result<SetSecret, SeedError> {
        let certificate = certificate.map_err(|error| self.error("", error))?;
        let as_pem = content_type.as_deref() == Some(PEM);
        Ok(SetSecret::certificate(if as_pem { certificate.as_pem() } else { certificate }))
    }

    fn tags(&mut self) -> Result<Option<BTreeMap<String, String>>, SeedError> {
        let Some(tags) = self.take(&["tags"]) else { return Ok(None) };
        let wrong = || self.error("tags", "expected an object of strings");
        let Value::Object(tags) = tags else { return Err(wrong()) };
        let tag = |(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            _ => Err(wrong()),
        };
        tags.into_iter().map(tag).collect::<Result<_, _>>().map(Some)
    }

    fn timestamp(&mut self, names: &[&str]) -> Result<Option<i64>, SeedError> {
        let seconds = match self.take(names) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => {
                OffsetDateTime::parse(&text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
            }
            Some(_) => None,
        };
        let wrong = || self.error(names[0], "expected seconds since 1970 or a date like 2027-01-31T00:00:00Z");
        seconds.ok_or_else(wrong).map(Some)
    }

    fn text(&mut self, names: &[&str]) -> Result<Option<String>, SeedError> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(names[0], "expected a string")),
        }
    }

    /// Removes a field by any of its names. `None` if it is absent or null.
    fn take(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.object.remove(*name)).filter(|value| !value.is_null())
    }

    fn error(&self, field: &str, problem: impl fmt::Display) -> SeedError {
        let problem = if field.is_empty() { problem.to_string() } else { format!("`{field}`: {problem}") };
        SeedError::new(self.place, problem)
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
        let parsed = &seed.0[0];
        assert_eq!((parsed.vault.as_str(), parsed.name.as_str(), parsed.versions.len()), ("v", "a", 2));
        let secret = &parsed.versions[1];
        assert_eq!((secret.value.as_str(), secret.content_type.as_deref(), secret.enabled), ("2", Some("t"), false));
        assert_eq!((secret.not_before, secret.expires), (Some(5), Some(7)));
        assert_eq!(secret.version.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(secret.tags.as_ref().unwrap()["k"], "v");
    }
}
