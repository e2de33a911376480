//! One version of a secret, as a vault stores it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificate_operation::CertificateOperation;
use super::certificate_policy::CertificatePolicy;
use super::set_secret::SetSecret;
use super::update_secret::UpdateSecret;
use crate::certificates::{Certificate, PrivateKey};

/// One version. The data file and backups contain it in this form.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct SecretVersion {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) content_type: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) enabled: bool,
    pub(crate) nbf: Option<i64>,
    pub(crate) exp: Option<i64>,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backing: Option<CertificateBacking>,
}

/// The extra data of a version that a certificate created.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct CertificateBacking {
    /// The key, unless it is not exportable, then the chain. Empty until the certificate is issued.
    pub(crate) pem: String,
    /// The key, if it is not exportable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hidden_key: Option<String>,
    /// The previous version.
    pub(crate) previous: Option<String>,
}

impl CertificateBacking {
    pub(super) fn new(certificate: &Certificate, previous: Option<String>) -> Self {
        let hidden_key = certificate.hidden_key().map(PrivateKey::pem);
        Self { pem: certificate.pem(), hidden_key, previous }
    }

    /// Creates the data of a version whose certificate is not issued yet.
    fn not_issued() -> Self {
        Self { pem: String::new(), hidden_key: None, previous: None }
    }

    /// Returns whether the certificate is issued.
    pub(crate) fn is_issued(&self) -> bool {
        !self.pem.is_empty()
    }

    /// Returns the private key.
    pub(super) fn key(&self) -> Option<PrivateKey> {
        PrivateKey::from_pem(self.hidden_key.as_ref().unwrap_or(&self.pem)).ok()
    }
}

impl SecretVersion {
    /// Creates a version from a set request.
    pub(crate) fn new(id: String, secret: SetSecret, previous: Option<String>, now: Duration) -> Self {
        Self {
            id,
            value: secret.value,
            content_type: secret.content_type,
            tags: secret.tags,
            enabled: secret.enabled,
            nbf: secret.not_before,
            exp: secret.expires,
            created: now.as_secs(),
            updated: now.as_secs(),
            backing: secret.certificate.map(|certificate| CertificateBacking::new(&certificate, previous)),
        }
    }

    /// Creates the disabled version of a certificate that is not issued yet.
    pub(super) fn not_issued(operation: &CertificateOperation, policy: &CertificatePolicy, now: Duration) -> Self {
        let secret = SetSecret {
            content_type: Some(policy.secret_props.content_type.clone()),
            tags: operation.tags.clone(),
            enabled: false,
            ..SetSecret::new("")
        };
        let version = Self::new(operation.version.clone(), secret, None, now);
        Self { backing: Some(CertificateBacking::not_issued()), ..version }
    }

    /// Returns whether the version has a value. A certificate that is not issued yet has none.
    pub(crate) fn is_issued(&self) -> bool {
        self.backing.as_ref().is_none_or(CertificateBacking::is_issued)
    }

    /// Returns whether a client can read the value. An older data file may contain an enabled version without a value.
    pub(crate) fn is_readable(&self) -> bool {
        self.enabled && self.is_issued()
    }

    /// Applies an update. New tags replace all old tags. A version without a value stays disabled.
    pub(crate) fn update(&mut self, update: UpdateSecret, now: Duration) {
        self.content_type = update.content_type.or_else(|| self.content_type.take());
        self.tags = update.tags.or_else(|| self.tags.take());
        self.enabled = update.enabled.unwrap_or(self.enabled) && self.is_issued();
        self.nbf = update.nbf.or(self.nbf);
        self.exp = update.exp.or(self.exp);
        self.updated = now.as_secs();
    }
}
