//! A secret: what a caller sets, and the versions the vault keeps.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::error::WireError;

/// What a new version of a secret is to be.
///
/// ```
/// use keyvault_emulator::SetSecret;
///
/// let secret = SetSecret::new(r#"{"user":"app"}"#).content_type("application/json").tag("team", "billing");
/// ```
#[derive(Clone)]
#[must_use]
pub struct SetSecret {
    pub(crate) value: String,
    pub(crate) version: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) certificate: Option<Certificate>,
}

impl SetSecret {
    /// Starts from a value; all else is absent, and the version is enabled.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            version: None,
            content_type: None,
            tags: None,
            enabled: true,
            not_before: None,
            expires: None,
            certificate: None,
        }
    }

    /// Starts from a certificate: value, content type and dates are its own, and the vault says that it is managed.
    ///
    /// A client can neither set nor delete such a secret: it would have to act on the certificate. One that is not
    /// [enabled](Self::enabled) is a certificate still to be issued.
    pub fn certificate(certificate: Certificate) -> Self {
        Self {
            content_type: Some(certificate.content_type.to_owned()),
            not_before: Some(certificate.not_before),
            expires: Some(certificate.expires),
            certificate: Some(certificate.clone()),
            ..Self::new(certificate.value)
        }
    }

    /// Chooses the identifier of the version, for a settings file that pins one: 32 lower-case hexadecimal digits that no
    /// other version of the secret has. Default: random, as in the service.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Says what kind of value it is. At most 255 characters.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag. At most 15 of them, name and value to 512 characters each.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Says whether the version can be read. Default: true.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Says from when on the value is good; the vault hands it out all the same. Cut to whole seconds.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(seconds(time));
        self
    }

    /// Says until when the value is good; the vault hands it out all the same. Cut to whole seconds.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(seconds(time));
        self
    }

    /// Reads the body of a set request.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, WireError> {
        let body: Body = parse(body)?;
        let secret = Self {
            value: body.value.ok_or_else(|| WireError::bad_parameter("Property value is required."))?,
            version: None,
            content_type: body.content_type,
            tags: body.tags,
            enabled: body.attributes.enabled.unwrap_or(true),
            not_before: body.attributes.nbf,
            expires: body.attributes.exp,
            certificate: None,
        };
        secret.check()?;
        Ok(secret)
    }

    /// Holds the secret against the limits of the service.
    pub(crate) fn check(&self) -> Result<(), WireError> {
        if self.value.chars().count() > LONGEST_VALUE {
            return Err(WireError::bad_parameter(format!(
                "Secret is beyond the maximum permitted length of {LONGEST_VALUE} characters."
            )));
        }
        check_properties(self.content_type.as_deref(), self.tags.as_ref())
    }
}

impl Default for SetSecret {
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetSecret")
            .field("content_type", &self.content_type)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// What an update changes; what is absent stays.
#[derive(Default)]
pub(crate) struct UpdateSecret {
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

impl UpdateSecret {
    /// Enables or disables, and changes nothing else.
    pub(crate) fn enabled(enabled: bool) -> Self {
        Self { enabled: Some(enabled), ..Self::default() }
    }

    /// Reads the body of an update request; no body changes nothing.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, WireError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body: Body = parse(body)?;
        check_properties(body.content_type.as_deref(), body.tags.as_ref())?;
        Ok(Self {
            content_type: body.content_type,
            tags: body.tags,
            enabled: body.attributes.enabled,
            nbf: body.attributes.nbf,
            exp: body.attributes.exp,
        })
    }
}

/// One version, as the vault keeps it and as a backup holds it.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) content_type: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) enabled: bool,
    pub(crate) nbf: Option<i64>,
    pub(crate) exp: Option<i64>,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backing: Option<Backing>,
}

/// What a version has that a certificate made.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Backing {
    pub(crate) pem: String,
    /// The version before.
    pub(crate) previous: Option<String>,
}

impl Version {
    /// Makes a version of what was set.
    pub(crate) fn new(id: String, secret: SetSecret, previous: Option<String>, now: Duration) -> Self {
        Self {
            id,
            value: secret.value,
            content_type: secret.content_type,
            tags: secret.tags,
            enabled: secret.enabled,
            nbf: secret.not_before,
            exp: secret.expires,
            created: now.as_secs(),
            updated: now.as_secs(),
            backing: secret.certificate.map(|certificate| Backing { pem: certificate.pem, previous }),
        }
    }

    /// Changes what an update names. Tags are replaced as a whole, never merged.
    pub(crate) fn update(&mut self, update: UpdateSecret, now: Duration) {
        self.content_type = update.content_type.or_else(|| self.content_type.take());
        self.tags = update.tags.or_else(|| self.tags.take());
        self.enabled = update.enabled.unwrap_or(self.enabled);
        self.nbf = update.nbf.or(self.nbf);
        self.exp = update.exp.or(self.exp);
        self.updated = now.as_secs();
    }
}

/// The body of set and update.
///
/// See [Set Secret](https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret).
#[derive(Deserialize)]
struct Body {
    value: Option<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "absent_or_null")]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

fn absent_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Attributes, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads JSON; the refusal never quotes it, for it may hold a secret.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, WireError> {
    serde_json::from_slice(body)
        .map_err(|_| WireError::bad_parameter("The request body is not valid JSON or a property has the wrong type."))
}

fn check_properties(content_type: Option<&str>, tags: Option<&BTreeMap<String, String>>) -> Result<(), WireError> {
    if content_type.is_some_and(|text| text.chars().count() > LONGEST_CONTENT_TYPE) {
        return Err(WireError::bad_parameter(format!(
            "The property contentType is beyond the maximum permitted length of {LONGEST_CONTENT_TYPE} characters."
        )));
    }
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > MOST_TAGS {
        return Err(WireError::bad_parameter(format!("A secret has at most {MOST_TAGS} tags.")));
    }
    if tags.iter().flat_map(|(name, value)| [name, value]).any(|text| text.chars().count() > LONGEST_TAG) {
        return Err(WireError::bad_parameter(format!(
            "The name and the value of a tag have at most {LONGEST_TAG} characters."
        )));
    }
    Ok(())
}

fn seconds(time: SystemTime) -> i64 {
    let since = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()),
        Err(before) => i64::try_from(before.duration().as_secs()).map(|seconds| -seconds),
    };
    since.unwrap_or(i64::MAX)
}

/// Characters of a value: "25 KB" in
/// [About secrets](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets), 25,600 in the service's refusal.
const LONGEST_VALUE: usize = 25_600;
/// Characters of a content type.
const LONGEST_CONTENT_TYPE: usize = 255;
/// Tags of a version.
const MOST_TAGS: usize = 15;
/// Characters of a tag's name, and of its value.
const LONGEST_TAG: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_beyond_a_limit_or_of_a_wrong_shape_are_refused() {
        let tags = |count: usize, length: usize| {
            let tags: BTreeMap<String, String> = (0..count).map(|n| (n.to_string(), "t".repeat(length))).collect();
            serde_json::json!({ "value": "", "tags": tags }).to_string()
        };
        for (body, is_good) in [
            (r#"{"value":""}"#.to_owned(), true),
            (r#"{"value":"a","attributes":null,"tags":null,"contentType":null}"#.to_owned(), true),
            (r#"{"value":"a","attributes":{"nbf":-1,"exp":1}}"#.to_owned(), true),
            (format!(r#"{{"value":"{}"}}"#, "é".repeat(25_600)), true),
            (format!(r#"{{"value":"{}"}}"#, "a".repeat(25_601)), false),
            (format!(r#"{{"value":"","contentType":"{}"}}"#, "a".repeat(255)), true),
            (format!(r#"{{"value":"","contentType":"{}"}}"#, "a".repeat(256)), false),
            (tags(15, 512), true),
            (tags(16, 1), false),
            (tags(1, 513), false),
            ("{}".to_owned(), false),
            (String::new(), false),
            (r#"{"value":1}"#.to_owned(), false),
            (r#"{"value":"a","attributes":{"exp":"soon"}}"#.to_owned(), false),
            ("not json".to_owned(), false),
        ] {
            let secret = SetSecret::parse(body.as_bytes());
            assert_eq!(secret.is_ok(), is_good, "{:.60}", body);
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let text = format!("{:?}", SetSecret::new("hunter2"));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
