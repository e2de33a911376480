//! Changing what is said about a secret.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::SecretClient;
use super::call::Call;
use super::verb::Verb;
use super::wire::{Change, ChangedAttributes, SecretBundle};
use crate::error::Result;
use crate::secret::SecretProperties;

/// What to [change](SecretClient::update) about one version of a secret. What is not said stays as it is.
///
/// A value cannot be changed, and a date cannot be taken away: [set](SecretClient::set) a new version for that.
///
/// # Examples
///
/// ```
/// use keyvault::SecretUpdate;
///
/// let retired = SecretUpdate::new().version("0123456789abcdef0123456789abcdef").disabled();
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct SecretUpdate {
    version: Option<String>,
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    enabled: Option<bool>,
    not_before: Option<SystemTime>,
    expires: Option<SystemTime>,
}

impl SecretUpdate {
    /// Begins with a change of nothing, of the latest version.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the version. Default: the latest.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Says what kind of value it is.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Replaces all tags; with an empty map it removes them.
    pub fn tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.tags = Some(tags);
        self
    }

    /// Lets the version be read.
    pub fn enabled(mut self) -> Self {
        self.enabled = Some(true);
        self
    }

    /// Lets the version be read no more.
    pub fn disabled(mut self) -> Self {
        self.enabled = Some(false);
        self
    }

    /// Sets when the value begins to be valid, to the second.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// Sets when the value stops being valid, to the second.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    fn change(&self) -> Result<Change<'_>> {
        Ok(Change {
            content_type: self.content_type.as_deref(),
            attributes: ChangedAttributes::new(self.enabled, self.not_before, self.expires)?,
            tags: self.tags.as_ref(),
            value: None,
        })
    }
}

impl SecretClient {
    /// Changes what is said about a version of a secret, also of a disabled one, and tells what is said now.
    ///
    /// One request; it is repeated on failures, for that changes nothing more.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such secret or version,
    /// [`Invalid`](crate::ErrorKind::Invalid) for a bad name, version or date, else what the vault or the way to it said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn update(&self, name: &str, update: SecretUpdate) -> Result<SecretProperties> {
        let id = self.id(name, update.version.as_deref())?;
        let call = Call::new(Verb::Update, self.secret_url(&id)?).about(&id).with_json(&update.change()?)?;
        let bundle: SecretBundle = self.exchange.call(&call).await?.json().map_err(|error| error.about(&id))?;
        bundle.into_properties_of(&id).map_err(|error| error.about(&id))
    }
}
