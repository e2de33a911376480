//! The secrets in responses of the REST API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::reference::JsonString;
use crate::secret::{Secret, SecretId, SecretProperties, Vault};

/// [`SecretBundle`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#secretbundle), and the
/// [`SecretItem`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#secretitem) of a list,
/// which has no value. A deleted secret has three more fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretBundle {
    id: String,
    value: Option<JsonString>,
    content_type: Option<String>,
    attributes: Option<BundleAttributes>,
    tags: Option<BTreeMap<String, String>>,
    managed: Option<bool>,
    kid: Option<String>,
    previous_version: Option<String>,
    pub(super) recovery_id: Option<String>,
    pub(super) deleted_date: Option<i64>,
    pub(super) scheduled_purge_date: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    created: Option<i64>,
    updated: Option<i64>,
    recovery_level: Option<String>,
    recoverable_days: Option<u32>,
}

/// A secret without its value: an item of a list, or the result of an operation.
pub(crate) trait ListItem: Sized + Unpin + Send + 'static {
    fn from_bundle(bundle: SecretBundle, vault: &Vault) -> Result<Self>;

    fn id(&self) -> &SecretId;
}

impl SecretBundle {
    /// Returns the secret, if it is the requested one.
    pub(super) fn into_secret(mut self, requested: &SecretId, as_of: SystemTime) -> Result<Secret> {
        let value = self.value.take();
        let properties: SecretProperties = self.into_item(requested)?;
        let no_value = || Error::new(ErrorKind::Unavailable, "vault's response has no value").about(requested);
        Ok(Secret::new(properties, value.ok_or_else(no_value)?.0.as_str(), as_of))
    }

    /// Returns everything except the value, if the bundle belongs to the requested secret.
    pub(super) fn into_item<T: ListItem>(self, requested: &SecretId) -> Result<T> {
        let item = T::from_bundle(self, requested.vault()).map_err(|error| error.about(requested))?;
        let found = item.id();
        let is_same_version = requested.version().is_none_or(|version| found.version() == Some(version));
        if found.name() != requested.name() || found.version().is_none() || !is_same_version {
            return Err(Error::new(ErrorKind::Unavailable, "vault returned a different secret").about(requested));
        }
        Ok(item)
    }
}

impl ListItem for SecretProperties {
    fn from_bundle(bundle: SecretBundle, vault: &Vault) -> Result<Self> {
        let found = SecretId::parse_of(&bundle.id, vault)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault returned a malformed secret identifier"))?;
        // An emulator may call itself by another address than the one it is reached by; a vault of Azure never does.
        if vault.cloud().is_some() && found.vault() != vault {
            return Err(Error::new(ErrorKind::Unavailable, "vault returned a secret of another vault"));
        }
        let id = if found.vault() == vault { found } else { found.moved_to(vault) };
        let attributes = bundle.attributes.unwrap_or_default();
        let mut properties = Self::new(id);
        properties.set_enabled(attributes.enabled.unwrap_or(true));
        properties.set_created(attributes.created.and_then(time));
        properties.set_updated(attributes.updated.and_then(time));
        properties.set_expires(attributes.exp.and_then(time));
        properties.set_not_before(attributes.nbf.and_then(time));
        properties.set_content_type(bundle.content_type);
        properties.set_tags(bundle.tags.unwrap_or_default());
        properties.set_managed(bundle.managed.unwrap_or(false));
        properties.set_key_id(bundle.kid);
        properties.set_previous_version(bundle.previous_version.and_then(|version| version.parse().ok()));
        properties.set_recovery_level(attributes.recovery_level.as_deref());
        properties.set_recoverable_days(attributes.recoverable_days);
        Ok(properties)
    }

    fn id(&self) -> &SecretId {
        self.id()
    }
}

/// Returns the time of seconds since 1970. `None` if the clock cannot represent it.
pub(super) fn time(seconds: i64) -> Option<SystemTime> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(requested: &str, body: &str) -> Result<Secret> {
        let bundle: SecretBundle = serde_json::from_str(body).unwrap();
        bundle.into_secret(&SecretId::parse(requested).unwrap(), SystemTime::now())
    }

    #[test]
    fn a_bundle_becomes_a_secret() {
        let body = r#"{"value":"a\nb","contentType":"text/plain","id":"https://contoso.vault.azure.net/secrets/DB/0af1",
            "attributes":{"enabled":true,"nbf":1,"exp":4102444800,"created":3,"updated":4,"recoveryLevel":"Purgeable"},
            "tags":{"k":"v"},"unknown":[1]}"#;
        let secret = secret("https://contoso.vault.azure.net/secrets/db", body).unwrap();
        assert_eq!(secret.expose_secret(), "a\nb");
        assert_eq!(secret.id().url(), "https://contoso.vault.azure.net/secrets/DB/0af1");
        assert_eq!(secret.properties().tags()["k"], "v");
        assert_eq!(secret.properties().updated(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4)));
    }

    #[test]
    fn a_secret_that_was_not_requested_is_an_error() {
        let body = |id: &str| format!(r#"{{"value":"canary","id":"{id}"}}"#);
        let requested = "https://contoso.vault.azure.net/secrets/db/0af1";
        for id in [
            "https://contoso.vault.azure.net/secrets/other/0af1",
            "https://contoso.vault.azure.net/secrets/db/0af2",
            "https://contoso.vault.azure.net/secrets/db",
            "https://fabrikam.vault.azure.net/secrets/db/0af1",
            "https://contoso.vault.azure.net/keys/db/0af1",
            "canary",
        ] {
            let error = secret(requested, &body(id)).expect_err(id);
            assert!(!format!("{error:?}").contains("canary"), "{id}");
        }
        assert!(secret("https://127.0.0.1:1/secrets/db", &body("https://localhost:1/secrets/db/1")).is_ok());
    }
}
