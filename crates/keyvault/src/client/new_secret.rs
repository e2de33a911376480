//! Setting a secret: a value, and what is said about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::SecretClient;
use super::call::Call;
use super::verb::Verb;
use super::wire::{Change, ChangedAttributes, SecretBundle};
use crate::error::Result;
use crate::secret::Secret;

/// A value to [set](SecretClient::set), and what is to be said about it.
///
/// The value is zeroized on drop, and `Debug` does not show it. Whatever is not said is the vault's to choose: the
/// version is enabled, without tags, type or dates. Nothing is inherited from the version before.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use keyvault::NewSecret;
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
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    enabled: Option<bool>,
    not_before: Option<SystemTime>,
    expires: Option<SystemTime>,
}

impl NewSecret {
    /// Takes the value: up to 25,600 characters, of which the vault keeps every one.
    pub fn new(value: impl Into<String>) -> Self {
        let value = Zeroizing::new(value.into());
        Self { value, content_type: None, tags: None, enabled: None, not_before: None, expires: None }
    }

    /// Says what kind of value it is, in at most 255 characters.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag. A vault takes 15 tags, names and values of up to 512 characters.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// Sets the tags, in place of those set so far.
    pub fn tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.tags = Some(tags);
        self
    }

    /// Makes a version that cannot be read until an [update](SecretClient::update) enables it.
    pub fn disabled(mut self) -> Self {
        self.enabled = Some(false);
        self
    }

    /// Says that the version may be read, which is what a vault assumes.
    pub fn enabled(mut self) -> Self {
        self.enabled = Some(true);
        self
    }

    /// Sets when the value begins to be valid, to the second. [Informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations):
    /// the vault hands it out before that too.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// Sets when the value stops being valid, to the second; as informational as
    /// [`not_before`](NewSecret::not_before).
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    fn change(&self) -> Result<Change<'_>> {
        Ok(Change {
            content_type: self.content_type.as_deref(),
            attributes: ChangedAttributes::new(self.enabled, self.not_before, self.expires)?,
            tags: self.tags.as_ref(),
            value: Some(&self.value),
        })
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
        f.debug_struct("NewSecret").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Sets a secret: makes a new version, which is the latest from now on, also of an equal value.
    ///
    /// One request, which is sent a second time only when it is certain that the first was not carried out: the
    /// connection could not be made, the vault did not accept the token, throttled, or answered with a 503.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) while the name is that of a deleted secret, or of one that is being
    /// recovered; [`Invalid`](crate::ErrorKind::Invalid) for a bad name, a date before 1970, or something that is too
    /// long. After [`Unavailable`](crate::ErrorKind::Unavailable) the advice tells whether the secret may have been set.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn set(&self, name: &str, secret: impl Into<NewSecret> + Send) -> Result<Secret> {
        let secret = secret.into();
        let id = self.id(name, None)?;
        let url = self.url(&["secrets", id.name().as_str()])?;
        let call = Call::new(Verb::Set, url).about(&id).with_json(&secret.change()?)?;
        let answer = self.exchange.call(&call).await?;
        let as_of = answer.as_of();
        let bundle: SecretBundle = answer.json().map_err(|error| error.about(&id))?;
        bundle.into_secret(&id, as_of).map_err(|error| error.about(&id))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_said_is_sent() {
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
            assert_eq!(serde_json::to_string(&secret.change().unwrap()).unwrap(), expected);
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(NewSecret::new("v").expires(before).change().is_err());
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", NewSecret::new("canary").tag("canary", "canary")).contains("canary"));
    }
}
