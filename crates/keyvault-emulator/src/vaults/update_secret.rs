//! The changes that an update makes to a version.

use std::collections::BTreeMap;

use super::request_body::{SecretRequestBody, check_properties};
use crate::protocol::ErrorResponse;

/// The properties to change. `None` leaves a property as it is.
#[derive(Clone, Default)]
pub(crate) struct UpdateSecret {
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) enabled: Option<bool>,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
}

impl UpdateSecret {
    /// Creates an update that only enables or disables.
    pub(crate) fn enabled(enabled: bool) -> Self {
        Self { enabled: Some(enabled), ..Self::default() }
    }

    /// Parses the body of an update request. An empty body changes nothing.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body = SecretRequestBody::parse(body)?;
        check_properties(body.content_type.as_deref(), body.tags.as_ref())?;
        Ok(Self {
            content_type: body.content_type,
            tags: body.tags,
            enabled: body.attributes.enabled,
            nbf: body.attributes.nbf,
            exp: body.attributes.exp,
        })
    }
}
