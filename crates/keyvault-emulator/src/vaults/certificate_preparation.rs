//! The part of a creation or an import that takes up to seconds. It needs no vault, so the caller does it without the
//! lock of the vaults.

use std::time::Duration;

use super::certificate_body::CertificateRequestBody;
use super::certificate_issuance::NextKey;
use super::stored_secret::StoredSecret;
use super::vault::Vault;
use crate::certificates::{Certificate, PrivateKey};
use crate::protocol::ErrorResponse;

/// The work to do.
pub(crate) enum CertificatePreparation {
    /// Generates the key of a creation, unless the policy reuses one.
    Creation(NextKey),
    /// Decrypts the container of an import.
    Import(Box<CertificateRequestBody>),
}

/// The result of the work.
pub(crate) enum PreparedCertificate {
    /// The key of a creation.
    Key(PrivateKey),
    /// The certificate of an import.
    Certificate(Box<Certificate>),
}

impl CertificatePreparation {
    /// Does the work. Fails if a container cannot be read.
    pub(crate) fn run(self) -> Result<PreparedCertificate, ErrorResponse> {
        Ok(match self {
            Self::Creation(key) => PreparedCertificate::Key(key.into_key()),
            Self::Import(body) => PreparedCertificate::Certificate(Box::new(body.certificate()?)),
        })
    }
}

impl PreparedCertificate {
    /// Returns the key of a creation.
    pub(super) fn key(&self) -> Option<PrivateKey> {
        if let Self::Key(key) = self { Some(key.clone()) } else { None }
    }

    /// Returns the certificate of an import.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        if let Self::Certificate(certificate) = self { Some(Certificate::clone(certificate)) } else { None }
    }
}

impl Vault {
    /// Returns the preparation of a creation. `None` if the creation fails before it.
    pub(crate) fn prepare_creation(&self, name: &str, body: &[u8], now: Duration) -> Option<CertificatePreparation> {
        self.check_free_for_certificate(name, now).ok()?;
        let existing = self.certificate(name, now).ok();
        let body = CertificateRequestBody::parse(body).ok()?;
        let policy = body.policy(existing.map(StoredSecret::policy), now).ok()?.checked().ok()?;
        NextKey::of(existing, &policy).map(CertificatePreparation::Creation)
    }

    /// Returns the preparation of an import. `None` if the import fails before it.
    pub(crate) fn prepare_import(&self, name: &str, body: &[u8], now: Duration) -> Option<CertificatePreparation> {
        self.check_free_for_certificate(name, now).ok()?;
        CertificateRequestBody::parse(body).ok().map(Box::new).map(CertificatePreparation::Import)
    }
}
