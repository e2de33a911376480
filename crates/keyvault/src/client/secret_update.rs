//! Updates of the properties of a version.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::operation::Operation;
use super::request::Request;
use super::secret_client::SecretClient;
use super::write_properties::WriteProperties;
use crate::error::Result;
use crate::secret::SecretProperties;

/// A change of the properties of one version, for [`update`](SecretClient::update). What is not set stays as it is.
///
/// An update cannot change a value or remove a date; [set](SecretClient::set) a new version for that.
///
/// # Examples
///
/// ```
/// use keyvault::client::SecretUpdate;
///
/// let retired = SecretUpdate::new().version("0123456789abcdef0123456789abcdef").disabled();
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct SecretUpdate {
    version: Option<String>,
    properties: WriteProperties,
}

impl SecretUpdate {
    /// Creates an update of the latest version that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the version. Default: the latest.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the content type.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.properties.content_type = Some(content_type.into());
        self
    }

    /// Replaces all tags. An empty map removes them.
    pub fn tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.properties.tags = Some(tags);
        self
    }

    /// Enables the version, so that it can be read.
    pub fn enabled(mut self) -> Self {
        self.properties.attributes().enabled = Some(true);
        self
    }

    /// Disables the version, so that it cannot be read.
    pub fn disabled(mut self) -> Self {
        self.properties.attributes().enabled = Some(false);
        self
    }

    /// Sets the time from which the value is valid, to the second.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.properties.attributes().not_before = Some(time);
        self
    }

    /// Sets the time until which the value is valid, to the second.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.properties.attributes().expires = Some(time);
        self
    }
}

impl SecretClient {
    /// Updates the properties of a version, even of a disabled one, and returns the new properties.
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
    pub async fn update(&self, name: &str, update: SecretUpdate) -> Result<SecretProperties> {
        let id = self.id(name, update.version.as_deref())?;
        let request = Request::new(Operation::Update, self.secret_url(&id)?).about(&id);
        self.send_for_item(&request.with_json(&update.properties)?, &id).await
    }
}
