//! The bodies of the REST API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::vault::Vault;

/// [`SecretBundle`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#secretbundle), and the
/// [`SecretItem`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#secretitem) of a list,
/// which has no value.
#[derive(Deserialize)]
pub(super) struct SecretBundle {
    id: String,
    value: Option<Zeroizing<String>>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: Option<Attributes>,
    tags: Option<BTreeMap<String, String>>,
    managed: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Attributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    created: Option<i64>,
    updated: Option<i64>,
}

/// [`SecretListResult`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets#secretlistresult).
#[derive(Deserialize)]
pub(super) struct SecretList {
    value: Option<Vec<SecretBundle>>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
}

impl SecretBundle {
    /// Takes the secret out, if it is the one that was asked for.
    pub(super) fn into_secret(mut self, asked: &SecretId, as_of: SystemTime) -> Result<Secret> {
        let value = self.value.take();
        let properties = self.into_properties(asked.vault())?;
        let found = properties.id();
        let same_version = asked.version().is_none_or(|version| found.version() == Some(version));
        if found.name() != asked.name() || found.version().is_none() || !same_version {
            return Err(Error::new(ErrorKind::Unavailable, "vault answered with another secret"));
        }
        let value = value.ok_or_else(|| Error::new(ErrorKind::Unavailable, "vault answered without a value"))?;
        Ok(Secret::new(properties, value.as_str(), as_of))
    }

    fn into_properties(self, vault: &Vault) -> Result<SecretProperties> {
        let found = SecretId::parse(&self.id)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault answered with an id that is no secret's"))?;
        // An emulator behind an address of its own may call itself by another; a vault of Azure never does.
        if vault.cloud().is_some() && found.vault() != vault {
            return Err(Error::new(ErrorKind::Unavailable, "vault answered with a secret of another vault"));
        }
        let id = SecretId::new(vault.clone(), found.name().clone());
        let id = found.version().map_or(id.clone(), |version| id.with_version(version.clone()));
        let attributes = self.attributes.unwrap_or_default();
        let mut properties = SecretProperties::new(id);
        properties.enabled = attributes.enabled.unwrap_or(true);
        properties.created = attributes.created.and_then(time);
        properties.updated = attributes.updated.and_then(time);
        properties.expires = attributes.exp.and_then(time);
        properties.not_before = attributes.nbf.and_then(time);
        properties.content_type = self.content_type;
        properties.tags = self.tags.unwrap_or_default();
        properties.managed = self.managed.unwrap_or(false);
        Ok(properties)
    }
}

impl SecretList {
    /// Takes a page apart: its items, and where the next one is.
    pub(super) fn into_page(self, vault: &Vault) -> Result<(Vec<SecretProperties>, Option<String>)> {
        let items = self.value.unwrap_or_default();
        let items = items.into_iter().map(|item| item.into_properties(vault));
        let next = self.next_link.filter(|link| !link.is_empty());
        Ok((items.collect::<Result<_>>()?, next))
    }
}

/// Seconds since 1970; beyond what the clock can say, the date is unknown.
fn time(seconds: i64) -> Option<SystemTime> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(asked: &str, body: &str) -> Result<Secret> {
        let bundle: SecretBundle = serde_json::from_str(body).unwrap();
        bundle.into_secret(&SecretId::parse(asked).unwrap(), SystemTime::now())
    }

    #[test]
    fn a_bundle_becomes_a_secret() {
        let body = r#"{"value":"a\nb","contentType":"text/plain","id":"https://contoso.vault.azure.net/secrets/DB/0af1",
            "attributes":{"enabled":true,"nbf":1,"exp":4102444800,"created":3,"updated":4,"recoveryLevel":"Purgeable"},
            "tags":{"k":"v"},"unknown":[1]}"#;
        let secret = secret("https://contoso.vault.azure.net/secrets/db", body).unwrap();
        assert_eq!(secret.expose_secret(), "a\nb");
        assert_eq!(secret.id().url(), "https://contoso.vault.azure.net/secrets/DB/0af1");
        assert_eq!(secret.properties().tags["k"], "v");
        assert_eq!(secret.properties().updated, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4)));
    }

    #[test]
    fn a_secret_that_was_not_asked_for_is_refused() {
        let body = |id: &str| format!(r#"{{"value":"canary","id":"{id}"}}"#);
        let asked = "https://contoso.vault.azure.net/secrets/db/0af1";
        for id in [
            "https://contoso.vault.azure.net/secrets/other/0af1",
            "https://contoso.vault.azure.net/secrets/db/0af2",
            "https://contoso.vault.azure.net/secrets/db",
            "https://fabrikam.vault.azure.net/secrets/db/0af1",
            "https://contoso.vault.azure.net/keys/db/0af1",
            "canary",
        ] {
            let error = secret(asked, &body(id)).expect_err(id);
            assert!(!format!("{error:?}").contains("canary"), "{id}");
        }
        assert!(secret("https://127.0.0.1:1/secrets/db", &body("https://localhost:1/secrets/db/1")).is_ok());
    }
}
