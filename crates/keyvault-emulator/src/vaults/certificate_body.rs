//! The JSON bodies of requests about certificates.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::certificate_policy::{CertificatePolicy, changed};
use super::request_body::check_properties;
use crate::certificates::{Certificate, PEM, PKCS12};
use crate::protocol::ErrorResponse;

/// The body of a create, import, merge or update request. Each has some of the fields.
///
/// See [Import Certificate](https://learn.microsoft.com/rest/api/keyvault/certificates/import-certificate/import-certificate).
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct CertificateRequestBody {
    /// The policy, whose absent properties have defaults or stay as they are.
    pub(super) policy: Option<Value>,
    pub(super) attributes: CertificateRequestAttributes,
    pub(super) tags: Option<BTreeMap<String, String>>,
    value: Option<String>,
    #[serde(rename = "pwd")]
    password: Option<String>,
    x5c: Vec<String>,
}

/// The attributes that a client can set. Dates are those of the certificate.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CertificateRequestAttributes {
    pub(super) enabled: Option<bool>,
}

/// The body of a cancellation.
#[derive(Deserialize)]
pub(super) struct CancellationBody {
    pub(super) cancellation_requested: bool,
}

impl CertificateRequestBody {
    /// Parses a body. The error never quotes it, because it may contain a key.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        let body: Self = parse(body)?;
        check_properties(None, body.tags.as_ref())?;
        Ok(body)
    }

    /// Returns the policy of a creation: that of the body, or the existing one.
    pub(super) fn policy(
        &self,
        existing: Option<CertificatePolicy>,
        now: Duration,
    ) -> Result<CertificatePolicy, ErrorResponse> {
        match (&self.policy, existing) {
            (Some(policy), _) => CertificatePolicy::parse(policy.clone(), now),
            (None, Some(existing)) => Ok(existing),
            (None, None) => Err(ErrorResponse::bad_parameter("Property policy is required.")),
        }
    }

    /// Returns the certificate of an import, in the form that its policy asks for.
    pub(super) fn certificate(&self) -> Result<Certificate, ErrorResponse> {
        let value = self.value.as_deref().ok_or_else(|| ErrorResponse::bad_parameter("Property value is required."))?;
        let decoded = STANDARD.decode(value.trim());
        let text = match &decoded {
            Ok(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            Err(_) => value,
        };
        let certificate = match decoded.as_ref() {
            _ if text.contains("-----BEGIN ") => Certificate::import_pem(text).map(Certificate::as_pem),
            Ok(bytes) => Certificate::import_pkcs12(bytes, self.password.as_deref().unwrap_or_default()),
            Err(_) => Err("The value is neither PEM nor base64."),
        };
        let mut certificate = certificate.map_err(ErrorResponse::bad_parameter)?;
        let policy = self.policy.as_ref();
        match policy.and_then(|policy| policy["secret_props"]["contentType"].as_str()) {
            None => {}
            Some(PEM) => certificate = certificate.stored_as(PEM),
            Some(PKCS12) => certificate = certificate.stored_as(PKCS12),
            Some(_) => return Err(ErrorResponse::bad_parameter("The content type is neither PKCS#12 nor PEM.")),
        }
        let is_hidden = policy.is_some_and(|policy| policy["key_props"]["exportable"] == Value::Bool(false));
        Ok(if is_hidden { certificate.not_exportable() } else { certificate })
    }

    /// Returns the policy of an import: that of the certificate, with the properties of the body.
    pub(super) fn import_policy(
        &self,
        of_certificate: CertificatePolicy,
        now: Duration,
    ) -> Result<CertificatePolicy, ErrorResponse> {
        match &self.policy {
            Some(policy) => changed(&of_certificate, policy, now),
            None => Ok(of_certificate),
        }
    }

    /// Returns the certificates of a merge, in DER.
    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>, ErrorResponse> {
        let chain = self.x5c.iter().map(|certificate| STANDARD.decode(certificate)).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        chain.ok_or_else(|| ErrorResponse::bad_parameter("Property x5c is not a list of certificates in base64."))
    }
}

/// Parses a body without its null properties, which some clients send for absent ones.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ErrorResponse> {
    let invalid =
        |_| ErrorResponse::bad_parameter("The request body is not valid JSON or a property has the wrong type.");
    let body: Value = if body.is_empty() {
        Value::Object(Default::default())
    } else {
        serde_json::from_slice(body).map_err(invalid)?
    };
    serde_json::from_value(without_nulls(body)).map_err(invalid)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}
