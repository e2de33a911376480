//! A new version of a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::request_body::{SecretRequestBody, check_properties, check_value};
use crate::certificates::Certificate;
use crate::protocol::ErrorResponse;

/// A new version of a secret: its value and properties.
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
    /// The properties of the policy of a certificate that differ from those of an import.
    pub(crate) policy: Option<Value>,
}

impl SetSecret {
    /// Creates an enabled version from a value, without other properties.
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
            policy: None,
        }
    }

    /// Creates a version from a certificate, with the certificate's value, content type and dates, marked as managed.
    ///
    /// A client can neither set nor delete a managed secret, as in the service, where the certificate controls it. Set
    /// [`enabled(false)`](Self::enabled) for a certificate that is not issued yet.
    pub fn certificate(certificate: Certificate) -> Self {
        Self {
            content_type: Some(certificate.content_type.to_owned()),
            not_before: Some(certificate.not_before),
            expires: Some(certificate.expires),
            value: certificate.value(),
            certificate: Some(certificate),
            ..Self::new("")
        }
    }

    /// Sets the identifier of the version, for settings that pin a version: 32 lower-case hexadecimal digits, unique
    /// within the secret. Default: random, as in the service.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the content type. At most 255 characters.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag. At most 15 tags, with at most 512 characters in each name and value.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Sets whether the version can be read. Default: true.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Sets the start of the validity, rounded down to seconds. The vault returns the value even before that time.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(seconds(time));
        self
    }

    /// Sets the end of the validity, rounded down to seconds. The vault returns the value even after that time.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(seconds(time));
        self
    }

    /// Parses the body of a set request.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        let body = SecretRequestBody::parse(body)?;
        let secret = Self {
            value: body.value.ok_or_else(|| ErrorResponse::bad_parameter("Property value is required."))?,
            content_type: body.content_type,
            tags: body.tags,
            enabled: body.attributes.enabled.unwrap_or(true),
            not_before: body.attributes.nbf,
            expires: body.attributes.exp,
            ..Self::new("")
        };
        secret.check()?;
        Ok(secret)
    }

    /// Checks the limits of the service.
    pub(crate) fn check(&self) -> Result<(), ErrorResponse> {
        check_value(&self.value)?;
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

fn seconds(time: SystemTime) -> i64 {
    let since = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()),
        Err(before) => i64::try_from(before.duration().as_secs()).map(|seconds| -seconds),
    };
    since.unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_beyond_a_limit_or_with_a_wrong_type_is_rejected() {
        let tags = |count: usize, length: usize| {
            let tags: BTreeMap<String, String> = (0..count).map(|n| (n.to_string(), "t".repeat(length))).collect();
            serde_json::json!({ "value": "", "tags": tags }).to_string()
        };
        for (body, is_valid) in [
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
            assert_eq!(secret.is_ok(), is_valid, "{:.60}", body);
        }
    }

    #[test]
    fn debug_output_contains_no_value() {
        let text = format!("{:?}", SetSecret::new("hunter2"));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
