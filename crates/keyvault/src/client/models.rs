//! The bodies of the REST API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

/// [`SecretListResult`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#secretlistresult).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListBody {
    value: Option<Vec<SecretBundle>>,
    next_link: Option<String>,
}

/// An item of a list.
pub(crate) trait ListItem: Sized + Unpin + Send + 'static {
    fn from_bundle(bundle: SecretBundle, vault: &Vault) -> Result<Self>;
}

impl SecretBundle {
    /// Returns the secret, if it is the requested one.
    pub(super) fn into_secret(mut self, requested: &SecretId, as_of: SystemTime) -> Result<Secret> {
        let value = self.value.take();
        let properties = self.into_properties_of(requested)?;
        let no_value = || Error::new(ErrorKind::Unavailable, "vault's response has no value").about(requested);
        Ok(Secret::new(properties, value.ok_or_else(no_value)?.0.as_str(), as_of))
    }

    /// Returns everything except the value, if the bundle belongs to the requested secret.
    pub(super) fn into_properties_of(self, requested: &SecretId) -> Result<SecretProperties> {
        let properties = self.into_properties(requested.vault()).map_err(|error| error.about(requested))?;
        let found = properties.id();
        let is_same_version = requested.version().is_none_or(|version| found.version() == Some(version));
        if found.name() != requested.name() || found.version().is_none() || !is_same_version {
            return Err(Error::new(ErrorKind::Unavailable, "vault returned another secret").about(requested));
        }
        Ok(properties)
    }

    /// Returns everything except the value.
    pub(super) fn into_properties(self, vault: &Vault) -> Result<SecretProperties> {
        let found = SecretId::parse_of(&self.id, vault)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault returned a malformed secret identifier"))?;
        // An emulator may call itself by another address than the one it is reached by; a vault of Azure never does.
        if vault.cloud().is_some() && found.vault() != vault {
            return Err(Error::new(ErrorKind::Unavailable, "vault returned a secret of another vault"));
        }
        let id = if found.vault() == vault { found } else { found.moved_to(vault) };
        let attributes = self.attributes.unwrap_or_default();
        let mut properties = SecretProperties::new(id);
        properties.set_enabled(attributes.enabled.unwrap_or(true));
        properties.set_created(attributes.created.and_then(time));
        properties.set_updated(attributes.updated.and_then(time));
        properties.set_expires(attributes.exp.and_then(time));
        properties.set_not_before(attributes.nbf.and_then(time));
        properties.set_content_type(self.content_type);
        properties.set_tags(self.tags.unwrap_or_default());
        properties.set_managed(self.managed.unwrap_or(false));
        properties.set_key_id(self.kid);
        properties.set_previous_version(self.previous_version.and_then(|version| version.parse().ok()));
        properties.set_recovery_level(attributes.recovery_level.as_deref());
        properties.set_recoverable_days(attributes.recoverable_days);
        Ok(properties)
    }
}

impl ListBody {
    /// Returns the items of the page, and the link to the next one.
    pub(super) fn into_page<T: ListItem>(self, vault: &Vault) -> Result<(Vec<T>, Option<String>)> {
        let items = self.value.unwrap_or_default();
        let items = items.into_iter().map(|item| T::from_bundle(item, vault));
        let next = self.next_link.filter(|link| !link.is_empty());
        Ok((items.collect::<Result<_>>()?, next))
    }
}

impl ListItem for SecretProperties {
    fn from_bundle(bundle: SecretBundle, vault: &Vault) -> Result<Self> {
        bundle.into_properties(vault)
    }
}

/// [`BackupSecretResult`](https://learn.microsoft.com/rest/api/keyvault/secrets/backup-secret/backup-secret#backupsecretresult),
/// and the body of
/// [restore](https://learn.microsoft.com/rest/api/keyvault/secrets/restore-secret/restore-secret#request-body).
#[derive(Deserialize, Serialize)]
pub(super) struct BackupBody {
    pub(super) value: Zeroizing<String>,
}

/// The properties of a version that a request can set. The vault decides on what is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteProperties {
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) enabled: Option<bool>,
    pub(super) not_before: Option<SystemTime>,
    pub(super) expires: Option<SystemTime>,
}

impl WriteProperties {
    /// Returns the body of a request with these properties.
    pub(super) fn body<'a>(&'a self, value: Option<&'a str>) -> Result<WriteBody<'a>> {
        let attributes = WriteAttributes {
            enabled: self.enabled,
            exp: self.expires.map(seconds).transpose()?,
            nbf: self.not_before.map(seconds).transpose()?,
        };
        Ok(WriteBody { content_type: self.content_type.as_deref(), attributes, tags: self.tags.as_ref(), value })
    }
}

/// The body of [set](https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret#request-body), and of
/// [update](https://learn.microsoft.com/rest/api/keyvault/secrets/update-secret/update-secret#request-body), which has
/// no value.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WriteBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "WriteAttributes::is_empty")]
    attributes: WriteAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

#[derive(Serialize)]
struct WriteAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
}

impl WriteAttributes {
    fn is_empty(&self) -> bool {
        (self.enabled, self.exp, self.nbf) == (None, None, None)
    }
}

/// Returns the whole seconds since 1970: the precision of a vault.
fn seconds(time: SystemTime) -> Result<u64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|_| Error::invalid("date of a secret is before 1970"))
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
