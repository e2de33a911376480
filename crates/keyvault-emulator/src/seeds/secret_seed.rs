//! The secrets of a seed.

use std::fmt;

use serde_json::Value;

use super::seed_error::SeedError;
use super::seed_fields::SeedFields;
use crate::certificates::{Certificate, PEM};
use crate::protocol::ErrorResponse;
use crate::vaults::SetSecret;
use crate::vaults::name::{is_name, is_version};

/// One secret with its versions, oldest first.
#[derive(Clone)]
pub(super) struct SeedSecret {
    pub(super) vault: String,
    pub(super) name: String,
    pub(super) versions: Vec<SetSecret>,
}

impl SeedSecret {
    /// Parses a secret. `place` is its name, or `VAULT/NAME`.
    pub(super) fn parse(place: &str, value: Value) -> Result<Self, SeedError> {
        let (vault, name) = place.split_once('/').unwrap_or(("", place));
        if !is_name(name) {
            return Err(SeedError::new(place, "invalid secret name: expected 1 to 127 letters, digits and hyphens"));
        }
        let versions = match value {
            Value::Object(mut object) if object.contains_key("versions") => {
                let versions = object.remove("versions");
                let (Some(Value::Array(versions)), true) = (versions, object.is_empty()) else {
                    return Err(SeedError::new(place, "`versions` must be a list and the only field"));
                };
                versions
            }
            value => vec![value],
        };
        if versions.is_empty() {
            return Err(SeedError::new(place, "`versions` must not be empty"));
        }
        let secret = |value| version(place, value);
        let versions = versions.into_iter().map(secret).collect::<Result<_, _>>()?;
        Ok(SeedSecret { vault: vault.to_ascii_lowercase(), name: name.to_owned(), versions })
    }
}

fn version(place: &str, value: Value) -> Result<SetSecret, SeedError> {
    let secret = match value {
        Value::String(value) => SetSecret::new(value),
        Value::Object(object) => secret(SeedFields::new(place, object))?,
        _ => return Err(SeedError::new(place, "expected a string or an object")),
    };
    secret.check().map_err(|ErrorResponse { message, .. }| SeedError::new(place, message))?;
    Ok(secret)
}

fn secret(mut fields: SeedFields<'_>) -> Result<SetSecret, SeedError> {
    let content_type = fields.text(&["content_type", "contentType"])?;
    let mut secret = match (fields.text(&["value"])?, fields.text(&["certificate"])?, fields.text(&["pem"])?) {
        (Some(value), None, None) => SetSecret { content_type, ..SetSecret::new(value) },
        (None, Some(host), None) => certificate(&fields, Certificate::self_signed(&host), content_type)?,
        (None, None, Some(pem)) => certificate(&fields, Certificate::from_pem(&pem), content_type)?,
        _ => return Err(fields.error("", "expected exactly one of `value`, `certificate` and `pem`")),
    };
    secret.policy = fields.object("policy")?;
    if secret.policy.is_some() && secret.certificate.is_none() {
        return Err(fields.error("policy", "expected with `certificate` or `pem` only"));
    }
    secret.tags = fields.tags()?;
    secret.version = fields.text(&["version"])?.map(|version| version.to_ascii_lowercase());
    if secret.version.as_deref().is_some_and(|version| !is_version(version)) {
        return Err(fields.error("version", "expected 32 hexadecimal digits"));
    }
    secret.enabled = fields.flag("enabled")?.unwrap_or(true);
    secret.not_before = fields.timestamp(&["not_before", "nbf"])?.or(secret.not_before);
    secret.expires = fields.timestamp(&["expires", "exp"])?.or(secret.expires);
    fields.finish()?;
    Ok(secret)
}

fn certificate(
    fields: &SeedFields<'_>,
    certificate: Result<Certificate, impl fmt::Display>,
    content_type: Option<String>,
) -> Result<SetSecret, SeedError> {
    let certificate = certificate.map_err(|error| fields.error("", error))?;
    let as_pem = content_type.as_deref() == Some(PEM);
    Ok(SetSecret::certificate(if as_pem { certificate.as_pem() } else { certificate }))
}
