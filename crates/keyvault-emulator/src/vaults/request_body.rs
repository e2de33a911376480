//! The JSON body of set and update requests, and the limits of the service.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::protocol::ErrorResponse;

/// The body of a set or update request.
///
/// See [Set Secret](https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret).
#[derive(Deserialize)]
pub(super) struct SecretRequestBody {
    pub(super) value: Option<String>,
    #[serde(rename = "contentType")]
    pub(super) content_type: Option<String>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) attributes: RequestAttributes,
}

/// The attributes in a set or update request.
#[derive(Default, Deserialize)]
pub(super) struct RequestAttributes {
    pub(super) enabled: Option<bool>,
    pub(super) nbf: Option<i64>,
    pub(super) exp: Option<i64>,
}

impl SecretRequestBody {
    /// Parses a body. The error never quotes it, because it may contain a secret.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        serde_json::from_slice(body).map_err(|_| {
            ErrorResponse::bad_parameter("The request body is not valid JSON or a property has the wrong type.")
        })
    }
}

fn null_as_default<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RequestAttributes, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Checks the length of a value.
pub(super) fn check_value(value: &str) -> Result<(), ErrorResponse> {
    if value.chars().count() > MAX_VALUE {
        return Err(ErrorResponse::bad_parameter(format!(
            "Secret is beyond the maximum permitted length of {MAX_VALUE} characters."
        )));
    }
    Ok(())
}

/// Checks the length of a content type, and the number and lengths of tags.
pub(super) fn check_properties(
    content_type: Option<&str>,
    tags: Option<&BTreeMap<String, String>>,
) -> Result<(), ErrorResponse> {
    if content_type.is_some_and(|text| text.chars().count() > MAX_CONTENT_TYPE) {
        return Err(ErrorResponse::bad_parameter(format!(
            "The property contentType is beyond the maximum permitted length of {MAX_CONTENT_TYPE} characters."
        )));
    }
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > MAX_TAGS {
        return Err(ErrorResponse::bad_parameter(format!("A version has at most {MAX_TAGS} tags.")));
    }
    if tags.iter().flat_map(|(name, value)| [name, value]).any(|text| text.chars().count() > MAX_TAG_TEXT) {
        return Err(ErrorResponse::bad_parameter(format!(
            "The name and the value of a tag have at most {MAX_TAG_TEXT} characters."
        )));
    }
    Ok(())
}

/// Characters of a value: "25 KB" in
/// [About secrets](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets), 25,600 in the service's error.
const MAX_VALUE: usize = 25_600;
/// Characters of a content type.
const MAX_CONTENT_TYPE: usize = 255;
/// Tags of a version.
const MAX_TAGS: usize = 15;
/// Characters of a tag's name, and of its value.
const MAX_TAG_TEXT: usize = 512;
