//! The properties that a request sets.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

/// The properties of a version that a request can set. The vault decides on what is absent.
///
/// They are the body of [update](https://learn.microsoft.com/rest/api/keyvault/secrets/update-secret/update-secret#request-body),
/// and without a value that of [set](https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret#request-body).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WriteProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<WriteAttributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct WriteAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enabled: Option<bool>,
    #[serde(rename = "exp", skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    pub(super) expires: Option<SystemTime>,
    #[serde(rename = "nbf", skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    pub(super) not_before: Option<SystemTime>,
}

impl WriteProperties {
    pub(super) fn attributes(&mut self) -> &mut WriteAttributes {
        self.attributes.get_or_insert_default()
    }
}

/// Writes the whole seconds since 1970: the precision of a vault.
fn whole_seconds<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.map(|time| time.duration_since(SystemTime::UNIX_EPOCH)).transpose();
    let since = since.map_err(|_| S::Error::custom("date of a secret is before 1970"))?;
    since.map(|since| since.as_secs()).serialize(serializer)
}
