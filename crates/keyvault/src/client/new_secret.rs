//! Setting a secret: its value and properties.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::Serialize;
use zeroize::Zeroizing;

use super::operation::Operation;
use super::request::Request;
use super::secret_client::SecretClient;
use super::write_properties::WriteProperties;
use crate::error::Result;
use crate::secret::Secret;

/// A value and its properties, for [`set`](SecretClient::set).
///
/// The value is zeroized on drop, and `Debug` omits it. By default the version is enabled and has no tags, content type
/// or dates. It inherits nothing from the version before.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use keyvault::client::NewSecret;
///
/// let quarter = Duration::from_secs(90 * 24 * 60 * 60);
/// let secret = NewSecret::new("correct horse")
///     .content_type("text/plain")
///     .tag("team", "payments")
///     .expires(SystemTime::now() + quarter);
/// ```
#[must_use]
#[derive(Clone)]
pub struct NewSecret {
    value: Zeroizing<String>,
    properties: WriteProperties,
}

/// The body of the request. [`NewSecret`] itself cannot be serialized, so that a program does not do it by mistake.
#[derive(Serialize)]
struct SetBody<'a> {
    #[serde(flatten)]
    properties: &'a WriteProperties,
    value: &'a str,
}

impl NewSecret {
    /// Creates a secret with this value: up to 25,600 characters, which the vault stores unchanged.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Zeroizing::new(value.into()), properties: WriteProperties::default() }
    }

    /// Sets the content type, of at most 255 characters.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.properties.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag. A vault accepts 15 tags, with names and values of up to 512 characters.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.tags.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Replaces all tags that were added so far.
    pub fn tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.properties.tags = Some(tags);
        self
    }

    /// Disables the version: it cannot be read until an [update](SecretClient::update) enables it.
    pub fn disabled(mut self) -> Self {
        self.properties.attributes().enabled = Some(false);
        self
    }

    /// Enables the version, so that it can be read. This is the default.
    pub fn enabled(mut self) -> Self {
        self.properties.attributes().enabled = Some(true);
        self
    }

    /// Sets the time from which the value is valid, to the second.
    ///
    /// The time is
    /// [informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations):
    /// the vault returns the value before it, too.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.properties.attributes().not_before = Some(time);
        self
    }

    /// Sets the time until which the value is valid, to the second. Informational like
    /// [`not_before`](NewSecret::not_before).
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.properties.attributes().expires = Some(time);
        self
    }

    fn body(&self) -> SetBody<'_> {
        SetBody { properties: &self.properties, value: &self.value }
    }
}

impl From<&str> for NewSecret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for NewSecret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").field("content_type", &self.properties.content_type).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Sets a secret. Creates a new version, which becomes the latest, even if the value is the same.
    ///
    /// Costs one request. It is retried only if the vault has certainly not carried it out: the connection failed, the
    /// vault rejected the token, throttled, or answered with a 503.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) while a deleted secret has the name, or a secret is being recovered;
    /// [`Invalid`](crate::ErrorKind::Invalid) if the name is malformed, a date is before 1970, or something is too
    /// long; or an [error of the request](SecretClient#errors). After [`Unavailable`](crate::ErrorKind::Unavailable)
    /// the advice says whether the secret may have been set.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn set(&self, name: &str, secret: impl Into<NewSecret> + Send) -> Result<Secret> {
        let secret = secret.into();
        let id = self.id(name, None)?;
        let url = self.url(&["secrets", id.name().as_str()])?;
        let request = Request::new(Operation::Set, url).about(&id).with_json(&secret.body())?;
        self.send_for_secret(&request, &id).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_set_is_sent() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + 999);
        for (secret, expected) in [
            (NewSecret::new("v"), r#"{"value":"v"}"#),
            (NewSecret::from("").tags(BTreeMap::new()), r#"{"tags":{},"value":""}"#),
            (
                NewSecret::new("v")
                    .content_type("t")
                    .tag("b", "2")
                    .tag("a", "1")
                    .disabled()
                    .not_before(at(1))
                    .expires(at(2)),
                r#"{"contentType":"t","attributes":{"enabled":false,"exp":2,"nbf":1},"tags":{"a":"1","b":"2"},"value":"v"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&secret.body()).unwrap(), expected);
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(serde_json::to_string(&NewSecret::new("v").expires(before).body()).is_err());
    }

    #[test]
    fn debug_omits_the_value() {
        assert!(!format!("{:?}", NewSecret::new("canary").tag("canary", "canary")).contains("canary"));
    }
}
