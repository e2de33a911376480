//! Secrets as JSON, with the fields of the service in their order.
//!
//! See [Get Secret](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret). An absent property is
//! omitted, never null.

use std::collections::BTreeMap;

use serde::Serialize;

use super::api_version::ApiVersion;
use crate::certificates::{PEM, PKCS12};
use crate::protocol::ErrorResponse;
use crate::vaults::{DeletedSecret, RecoveryPolicy, SecretVersion, StoredSecret};

/// Writes the bundles of one response.
#[derive(Clone, Copy)]
pub(super) struct BundleWriter<'a> {
    /// The vault's URL as the client wrote it, without a trailing slash.
    pub(super) base: &'a str,
    pub(super) api: ApiVersion,
    pub(super) policy: RecoveryPolicy,
}

impl<'a> BundleWriter<'a> {
    /// Returns a version with its value.
    pub(super) fn secret(self, secret: &StoredSecret, version: &'a SecretVersion) -> Bundle<'a> {
        Bundle { value: Some(&version.value), ..self.properties(secret, version) }
    }

    /// Returns a version with its value in another content type. Only PKCS#12 converts, and only to PEM.
    pub(super) fn converted(
        self,
        secret: &StoredSecret,
        version: &'a SecretVersion,
        content_type: &str,
    ) -> Result<Bundle<'a>, ErrorResponse> {
        let is_pkcs12 = version.content_type.as_deref() == Some(PKCS12);
        let from = if is_pkcs12 { "PFX" } else { "Unsupported" };
        let to = match content_type {
            PEM => "PEM",
            PKCS12 => "PFX",
            _ => "Unsupported",
        };
        match &version.backing {
            Some(backing) if is_pkcs12 && content_type == PEM => {
                Ok(Bundle { value: Some(&backing.pem), content_type: Some(PEM), ..self.properties(secret, version) })
            }
            _ => Err(ErrorResponse::no_transformation(from, to)),
        }
    }

    /// Returns a version without its value.
    pub(super) fn properties(self, secret: &StoredSecret, version: &'a SecretVersion) -> Bundle<'a> {
        let backing = version.backing.as_ref();
        let previous = backing.and_then(|backing| backing.previous.as_deref());
        Bundle {
            kid: backing.map(|_| format!("{}/keys/{}/{}", self.base, secret.name, version.id)),
            previous_version: previous.filter(|_| self.api.has_previous_version()),
            ..self.list_version(secret, version)
        }
    }

    /// Returns a version as a list entry.
    pub(super) fn list_version(self, secret: &StoredSecret, version: &'a SecretVersion) -> Bundle<'a> {
        self.bundle(format!("{}/secrets/{}/{}", self.base, secret.name, version.id), version)
    }

    /// Returns a secret as a list entry: its latest version, with an `id` that contains no version.
    pub(super) fn list_secret(self, secret: &'a StoredSecret) -> Bundle<'a> {
        self.bundle(format!("{}/secrets/{}", self.base, secret.name), secret.latest())
    }

    /// Returns a deleted secret.
    pub(super) fn deleted(self, deleted: &'a DeletedSecret) -> Bundle<'a> {
        let deletion = Some(self.deletion("deletedsecrets", deleted));
        Bundle { deletion, ..self.properties(&deleted.secret, deleted.secret.latest()) }
    }

    /// Returns a deleted secret as a list entry.
    pub(super) fn list_deleted(self, deleted: &'a DeletedSecret) -> Bundle<'a> {
        Bundle { deletion: Some(self.deletion("deletedsecrets", deleted)), ..self.list_secret(&deleted.secret) }
    }

    /// Returns the deletion of an object in a collection such as `deletedsecrets`.
    pub(super) fn deletion(self, collection: &str, deleted: &DeletedSecret) -> Deletion {
        Deletion {
            recovery_id: format!("{}/{collection}/{}", self.base, deleted.secret.name),
            deleted_date: deleted.deleted_date(),
            scheduled_purge_date: deleted.scheduled_purge_date(),
        }
    }

    /// Returns the attributes of a version.
    pub(super) fn attributes(self, version: &SecretVersion) -> BundleAttributes {
        BundleAttributes {
            enabled: version.enabled,
            nbf: version.nbf,
            exp: version.exp,
            created: version.created,
            updated: version.updated,
            recovery_level: self.policy.recovery_level(),
            recoverable_days: self.api.has_recoverable_days().then_some(self.policy.retention_days),
        }
    }

    fn bundle(self, id: String, version: &'a SecretVersion) -> Bundle<'a> {
        Bundle {
            deletion: None,
            value: None,
            content_type: version.content_type.as_deref(),
            id,
            managed: version.backing.as_ref().map(|_| true),
            attributes: self.attributes(version),
            tags: version.tags.as_ref(),
            kid: None,
            previous_version: None,
        }
    }
}

/// A secret in a response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle<'a> {
    #[serde(flatten)]
    deletion: Option<Deletion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed: Option<bool>,
    attributes: BundleAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BundleAttributes {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    created: u64,
    updated: u64,
    recovery_level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recoverable_days: Option<u8>,
}

/// The fields of a deleted object that others do not have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deletion {
    recovery_id: String,
    deleted_date: u64,
    scheduled_purge_date: u64,
}

/// A page of a list. Its link is null on the last page.
#[derive(Serialize)]
pub(super) struct BundlePage<T> {
    pub(super) value: Vec<T>,
    #[serde(rename = "nextLink")]
    pub(super) next_link: Option<String>,
}

impl<T> BundlePage<T> {
    /// Writes the items of a page, and the link to the page after the key that follows them.
    pub(super) fn of<I, K>(
        (items, next): (Vec<I>, Option<K>),
        write: impl Fn(I) -> T,
        link: impl Fn(K) -> String,
    ) -> Self {
        Self { value: items.into_iter().map(write).collect(), next_link: next.map(link) }
    }

    pub(super) fn empty() -> Self {
        Self { value: Vec::new(), next_link: None }
    }
}
