//! A seed: secrets to begin with, written as a person writes them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::certificate::{Certificate, PEM};
use crate::emulator::Emulator;
use crate::error::WireError;
use crate::route::{is_name, is_version};
use crate::secret::SetSecret;
use crate::service::State;

/// Secrets to put into vaults, read from JSON.
///
/// An object, with a name for each secret — `VAULT/NAME` for one of another vault than the default — and as its value
/// the secret's, or an object of
///
/// - `value`, a text, or a certificate instead: `certificate`, a host name, for a self-signed one, or `pem`, a key in
///   PKCS#8 and its chain; kept as PKCS#12 unless `content_type` is `application/x-pem-file`;
/// - `content_type`, `tags` (an object of texts), `enabled`;
/// - `not_before` and `expires`: seconds since 1970 or `2027-01-31T00:00:00Z`;
/// - `version`: 32 hexadecimal digits, where one has to be known beforehand;
/// - or nothing but `versions`: a list of all this, oldest first.
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
pub struct Seed(Vec<Plant>);

/// One secret with its versions, oldest first.
#[derive(Clone)]
struct Plant {
    vault: String,
    name: String,
    versions: Vec<SetSecret>,
}

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    ///
    /// It is not JSON, or not of the shape above, or the service would refuse one of the secrets. Values are never
    /// quoted.
    pub fn from_json(text: &str) -> Result<Self, SeedError> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            SeedError::new("the seed", format!("no JSON object (line {}, column {})", error.line(), error.column()))
        })?;
        object.into_iter().map(|(place, value)| plant(&place, value)).collect::<Result<_, _>>().map(Self)
    }

    /// Moves what is meant for the default vault into another.
    pub(crate) fn for_vault(mut self, vault: Option<&str>) -> Self {
        for plant in self.0.iter_mut().filter(|plant| plant.vault.is_empty()) {
            plant.vault = vault.unwrap_or_default().to_ascii_lowercase();
        }
        self
    }

    /// Puts the secrets into their vaults, as new versions; returns how many secrets there were.
    pub(crate) fn sow(&self, state: &mut State, now: std::time::Duration, old: Old) -> Result<usize, SeedError> {
        let mut count = 0;
        for Plant { vault, name, versions } in &self.0 {
            let vault = state.vaults.entry(vault.clone()).or_default();
            vault.sweep(now);
            if old == Old::Stays && vault.holds(name) {
                continue;
            }
            for secret in versions {
                vault.set(name, secret.clone(), now).map_err(|error| SeedError::new(name, error.message))?;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// What becomes of a secret that is there already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Old {
    /// It is left as it is.
    Stays,
    /// It gets new versions.
    Grows,
}

/// Shows the number of secrets only.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("secrets", &self.0.len()).finish_non_exhaustive()
    }
}

/// What is wrong with a [`Seed`]: where, and what was expected; never the value.
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

impl Emulator {
    /// Puts the secrets of a seed into their vaults, as new versions; returns how many secrets there were.
    ///
    /// # Errors
    ///
    /// A name that a deleted secret holds, or a version that is there already; what comes before it is put in.
    pub fn sow(&self, seed: &Seed) -> Result<usize, SeedError> {
        let service = &self.engine.service;
        let mut state = service.state();
        let sown = seed.sow(&mut state, service.now(), Old::Grows);
        service.changed(&mut state);
        sown
    }
}

fn plant(place: &str, value: Value) -> Result<Plant, SeedError> {
    let (vault, name) = place.split_once('/').unwrap_or(("", place));
    if !is_name(name) {
        return Err(SeedError::new(place, "no name of a secret: 1 to 127 letters, digits and hyphens"));
    }
    let versions = match value {
        Value::Object(mut object) if object.contains_key("versions") => {
            let versions = object.remove("versions");
            let (Some(Value::Array(versions)), true) = (versions, object.is_empty()) else {
                return Err(SeedError::new(place, "`versions` must be a list, and stand alone"));
            };
            versions
        }
        value => vec![value],
    };
    if versions.is_empty() {
        return Err(SeedError::new(place, "`versions` must have at least one"));
    }
    let secret = |value| version(place, value);
    let versions = versions.into_iter().map(secret).collect::<Result<_, _>>()?;
    Ok(Plant { vault: vault.to_ascii_lowercase(), name: name.to_owned(), versions })
}

fn version(place: &str, value: Value) -> Result<SetSecret, SeedError> {
    let secret = match value {
        Value::String(value) => SetSecret::new(value),
        Value::Object(object) => Fields { place, object }.secret()?,
        _ => return Err(SeedError::new(place, "expected a text in quotes, or an object")),
    };
    secret.check().map_err(|WireError { message, .. }| SeedError::new(place, message))?;
    Ok(secret)
}

/// The fields of one version, taken out one by one, so that what is left is what nobody knows.
struct Fields<'a> {
    place: &'a str,
    object: Map<String, Value>,
}

impl Fields<'_> {
    fn secret(mut self) -> Result<SetSecret, SeedError> {
        let content_type = self.text(&["content_type", "contentType"])?;
        let mut secret = match (self.text(&["value"])?, self.text(&["certificate"])?, self.text(&["pem"])?) {
            (Some(value), None, None) => SetSecret { content_type, ..SetSecret::new(value) },
            (None, Some(host), None) => self.certificate(Certificate::self_signed(&host), content_type)?,
            (None, None, Some(pem)) => self.certificate(Certificate::from_pem(&pem), content_type)?,
            _ => return Err(self.error("", "needs one of `value`, `certificate` and `pem`")),
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
        secret.not_before = self.moment(&["not_before", "nbf"])?.or(secret.not_before);
        secret.expires = self.moment(&["expires", "exp"])?.or(secret.expires);
        match self.object.keys().next() {
            Some(unknown) => Err(self.error(unknown, "no such field")),
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
        let wrong = || self.error("tags", "expected texts by name");
        let Value::Object(tags) = tags else { return Err(wrong()) };
        let tag = |(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            _ => Err(wrong()),
        };
        tags.into_iter().map(tag).collect::<Result<_, _>>().map(Some)
    }

    fn moment(&mut self, names: &[&str]) -> Result<Option<i64>, SeedError> {
        let moment = match self.take(names) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => {
                OffsetDateTime::parse(&text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
            }
            Some(_) => None,
        };
        let wrong = || self.error(names[0], "expected seconds since 1970 or a date like 2027-01-31T00:00:00Z");
        moment.ok_or_else(wrong).map(Some)
    }

    fn text(&mut self, names: &[&str]) -> Result<Option<String>, SeedError> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(names[0], "expected a text in quotes")),
        }
    }

    /// Takes a field out by any of its names; null is as good as absent.
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
    fn what_is_wrong_is_said_with_its_place_and_without_the_value() {
        for (text, expected) in [
            ("[]", "the seed: no JSON object (line 1, column 0)"),
            ("{\n  \"a\": hunter2 }", "the seed: no JSON object (line 2, column 8)"),
            (r#"{"a_b":"hunter2"}"#, "a_b: no name of a secret: 1 to 127 letters, digits and hyphens"),
            (r#"{"a":5432}"#, "a: expected a text in quotes, or an object"),
            (r#"{"a":{}}"#, "a: needs one of `value`, `certificate` and `pem`"),
            (r#"{"a":{"value":"hunter2","pem":"x"}}"#, "a: needs one of `value`, `certificate` and `pem`"),
            (r#"{"a":{"value":5432}}"#, "a: `value`: expected a text in quotes"),
            (r#"{"a":{"value":"v","colour":"hunter2"}}"#, "a: `colour`: no such field"),
            (r#"{"a":{"value":"v","tags":{"t":1}}}"#, "a: `tags`: expected texts by name"),
            (r#"{"a":{"value":"v","version":"1"}}"#, "a: `version`: expected 32 hexadecimal digits"),
            (r#"{"a":{"versions":["v"],"enabled":true}}"#, "a: `versions` must be a list, and stand alone"),
            (r#"{"v/a":{"versions":[]}}"#, "v/a: `versions` must have at least one"),
            (
                r#"{"a":{"value":"v","exp":"hunter2"}}"#,
                "a: `expires`: expected seconds since 1970 or a date like 2027-01-31T00:00:00Z",
            ),
            (r#"{"a":{"pem":"hunter2"}}"#, "a: no private key in PKCS#8 (BEGIN PRIVATE KEY) was found"),
        ] {
            assert_eq!(Seed::from_json(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn every_field_has_its_place() {
        let seed = Seed::from_json(
            r#"{"V/a":{"versions":["1",{"value":"2","content_type":"t","tags":{"k":"v"},"enabled":false,
                "not_before":5,"expires":"1970-01-01T00:00:07Z","version":"0123456789ABCDEF0123456789abcdef"}]}}"#,
        )
        .unwrap();
        let plant = &seed.0[0];
        assert_eq!((plant.vault.as_str(), plant.name.as_str(), plant.versions.len()), ("v", "a", 2));
        let secret = &plant.versions[1];
        assert_eq!((secret.value.as_str(), secret.content_type.as_deref(), secret.enabled), ("2", Some("t"), false));
        assert_eq!((secret.not_before, secret.expires), (Some(5), Some(7)));
        assert_eq!(secret.version.as_deref(), Some("0123456789abcdef0123456789abcdef"));
        assert_eq!(secret.tags.as_ref().unwrap()["k"], "v");
    }
}
