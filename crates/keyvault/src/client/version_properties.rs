//! The properties that a program sets: of a new version, or of one that exists.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::operation::Operation;
use super::secret_client::SecretClient;
use crate::error::Result;
use crate::http::Request;
use crate::secret::{Secret, SecretId, SecretProperties};

/// Properties of a version, for [`set_with`](SecretClient::set_with) and [`update`](SecretClient::update).
///
/// A new version inherits nothing from the version before: without properties it is enabled and has no tags, content
/// type or dates. In an update, the properties that are not set stay as they are.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use keyvault::client::VersionProperties;
///
/// let quarter = Duration::from_secs(90 * 24 * 60 * 60);
/// let properties = VersionProperties::new()
///     .content_type("text/plain")
///     .tag("team", "payments")
///     .expires(SystemTime::now() + quarter);
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct VersionProperties {
    body: UpdateBody,
}

impl VersionProperties {
    /// Creates properties that set nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the content type, of at most 255 characters.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.body.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag. A vault accepts 15 tags, with names and values of up to 512 characters. An update replaces all tags.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.body.tags.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Replaces all tags that were added so far. In an update, an empty map removes the tags of the version.
    pub fn tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.body.tags = Some(tags);
        self
    }

    /// Enables the version, or disables it, so that it cannot be read until an update enables it.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.body.attributes.get_or_insert_default().enabled = Some(enabled);
        self
    }

    /// Sets the time from which the value is valid, to the second.
    ///
    /// The time is
    /// [informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations):
    /// the vault returns the value before it, too.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.body.attributes.get_or_insert_default().nbf = Some(time);
        self
    }

    /// Sets the time until which the value is valid, to the second. Informational like
    /// [`not_before`](VersionProperties::not_before).
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.body.attributes.get_or_insert_default().exp = Some(time);
        self
    }
}

impl SecretClient {
    /// Sets a secret. Creates a new version, which becomes the latest, even if the value is the same.
    ///
    /// The vault stores up to 25,600 characters unchanged. The client zeroizes its copy of the value.
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
    pub async fn set(&self, name: &str, value: impl Into<String> + Send) -> Result<Secret> {
        self.set_with(name, value, VersionProperties::new()).await
    }

    /// Sets a secret with properties. Costs and fails like [`set`](SecretClient::set).
    pub async fn set_with(
        &self,
        name: &str,
        value: impl Into<String> + Send,
        properties: VersionProperties,
    ) -> Result<Secret> {
        let value = Zeroizing::new(value.into());
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["secrets", id.name().as_str()])?;
        let body = SetBody { properties: &properties.body, value: &value };
        let request = Request::new(&Operation::Set, url).about(&id).with_json(&body)?;
        self.send_for_secret(&request, &id).await
    }

    /// Updates the properties of the latest version, even of a disabled one, and returns the new properties.
    ///
    /// An update cannot change a value or remove a date; [set](SecretClient::set) a new version for that.
    ///
    /// Costs one request. It is idempotent, so it is retried after any transient failure.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such secret or version;
    /// [`Invalid`](crate::ErrorKind::Invalid) if the name, the version or a date is malformed; or an
    /// [error of the request](SecretClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn update(&self, name: &str, properties: VersionProperties) -> Result<SecretProperties> {
        self.send_update(&self.id(name, None)?, &properties).await
    }

    /// Updates the properties of one version. Costs and fails like [`update`](SecretClient::update).
    pub async fn update_version(
        &self,
        name: &str,
        version: &str,
        properties: VersionProperties,
    ) -> Result<SecretProperties> {
        self.send_update(&self.id(name, Some(version))?, &properties).await
    }

    async fn send_update(&self, id: &SecretId, properties: &VersionProperties) -> Result<SecretProperties> {
        let request = Request::new(&Operation::Update, self.secret_url(id)?).about(id);
        self.send_for_item(&request.with_json(&properties.body)?, id).await
    }
}

/// The body of [set](https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret#request-body).
#[derive(Serialize)]
struct SetBody<'a> {
    #[serde(flatten)]
    properties: &'a UpdateBody,
    value: &'a str,
}

/// The body of [update](https://learn.microsoft.com/rest/api/keyvault/secrets/update-secret/update-secret#request-body).
/// The vault decides on what is absent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    exp: Option<SystemTime>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    nbf: Option<SystemTime>,
}

/// Writes the whole seconds since 1970: the precision of a vault.
fn whole_seconds<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.map(|time| time.duration_since(SystemTime::UNIX_EPOCH)).transpose();
    let since = since.map_err(|_| S::Error::custom("date of a secret is before 1970"))?;
    since.map(|since| since.as_secs()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_set_is_sent() {
        let json = |properties: VersionProperties| {
            serde_json::to_string(&SetBody { properties: &properties.body, value: "v" })
        };
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + 999);
        for (properties, expected) in [
            (VersionProperties::new(), r#"{"value":"v"}"#),
            (VersionProperties::new().tags(BTreeMap::new()), r#"{"tags":{},"value":"v"}"#),
            (
                VersionProperties::new()
                    .content_type("t")
                    .tag("b", "2")
                    .tag("a", "1")
                    .enabled(false)
                    .not_before(at(1))
                    .expires(at(2)),
                r#"{"contentType":"t","attributes":{"enabled":false,"exp":2,"nbf":1},"tags":{"a":"1","b":"2"},"value":"v"}"#,
            ),
        ] {
            assert_eq!(json(properties).unwrap(), expected);
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(json(VersionProperties::new().expires(before)).is_err());
    }
}
