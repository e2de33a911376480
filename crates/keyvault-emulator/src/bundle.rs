//! Secrets as JSON: the fields, and their order, in which the service writes them.
//!
//! See [Get Secret](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret). What a secret does
//! not have is left out, never null.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api_version::ApiVersion;
use crate::certificate::{PEM, PKCS12};
use crate::error::WireError;
use crate::policy::Policy;
use crate::secret::Version;
use crate::vault::{Deleted, Item};

/// What the answers to one request have in common.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The vault's URL as the client spells it, without a slash at the end.
    pub(crate) base: &'a str,
    pub(crate) api: ApiVersion,
    pub(crate) policy: Policy,
}

impl<'a> View<'a> {
    /// Shows a version with its value.
    pub(crate) fn secret(self, item: &Item, version: &'a Version) -> Bundle<'a> {
        Bundle { value: Some(&version.value), ..self.properties(item, version) }
    }

    /// Shows a version with its value as another content type: PKCS#12 as PEM, and nothing else as anything.
    pub(crate) fn transformed(self, item: &Item, version: &'a Version, wanted: &str) -> Result<Bundle<'a>, WireError> {
        let is_pkcs12 = version.content_type.as_deref() == Some(PKCS12);
        let from = if is_pkcs12 { "PFX" } else { "Unsupported" };
        let to = match wanted {
            PEM => "PEM",
            PKCS12 => "PFX",
            _ => "Unsupported",
        };
        match &version.backing {
            Some(backing) if is_pkcs12 && wanted == PEM => {
                Ok(Bundle { value: Some(&backing.pem), content_type: Some(PEM), ..self.properties(item, version) })
            }
            _ => Err(WireError::no_transformation(from, to)),
        }
    }

    /// Shows a version without its value.
    pub(crate) fn properties(self, item: &Item, version: &'a Version) -> Bundle<'a> {
        let backing = version.backing.as_ref();
        let previous = backing.and_then(|backing| backing.previous.as_deref());
        Bundle {
            kid: backing.map(|_| format!("{}/keys/{}/{}", self.base, item.name, version.id)),
            previous_version: previous.filter(|_| self.api.has_previous_version()),
            ..self.version_item(item, version)
        }
    }

    /// Shows a version as a list does.
    pub(crate) fn version_item(self, item: &Item, version: &'a Version) -> Bundle<'a> {
        self.bundle(format!("{}/secrets/{}/{}", self.base, item.name, version.id), version)
    }

    /// Shows a secret as a list does: by its newest version, but with an `id` that names none.
    pub(crate) fn item(self, item: &'a Item) -> Bundle<'a> {
        self.bundle(format!("{}/secrets/{}", self.base, item.name), item.latest())
    }

    /// Shows a deleted secret alone.
    pub(crate) fn deleted(self, deleted: &'a Deleted) -> Bundle<'a> {
        self.buried(deleted, self.properties(&deleted.item, deleted.item.latest()))
    }

    /// Shows a deleted secret as a list does.
    pub(crate) fn deleted_item(self, deleted: &'a Deleted) -> Bundle<'a> {
        self.buried(deleted, self.item(&deleted.item))
    }

    fn buried(self, deleted: &Deleted, bundle: Bundle<'a>) -> Bundle<'a> {
        Bundle {
            recovery_id: Some(format!("{}/deletedsecrets/{}", self.base, deleted.item.name)),
            deleted_date: Some(deleted.deleted_at.as_secs()),
            // From the whole second shown above, so that the two are apart by whole days.
            scheduled_purge_date: Some(
                deleted.deleted_at.as_secs() + (deleted.purged_at - deleted.deleted_at).as_secs(),
            ),
            ..bundle
        }
    }

    fn bundle(self, id: String, version: &'a Version) -> Bundle<'a> {
        Bundle {
            recovery_id: None,
            deleted_date: None,
            scheduled_purge_date: None,
            value: None,
            content_type: version.content_type.as_deref(),
            id,
            managed: version.backing.as_ref().map(|_| true),
            attributes: Attributes {
                enabled: version.enabled,
                nbf: version.nbf,
                exp: version.exp,
                created: version.created,
                updated: version.updated,
                recovery_level: self.policy.recovery_level(),
                recoverable_days: self.api.has_recoverable_days().then_some(self.policy.retention_days),
            },
            tags: version.tags.as_ref(),
            kid: None,
            previous_version: None,
        }
    }
}

/// A secret in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_purge_date: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed: Option<bool>,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
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

/// A page of a list. The link is there on the last page too, as null.
#[derive(Serialize)]
pub(crate) struct Page<'a> {
    pub(crate) value: Vec<Bundle<'a>>,
    #[serde(rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}
