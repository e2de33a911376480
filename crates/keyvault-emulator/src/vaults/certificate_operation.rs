//! The creation of a version of a certificate, from the request until it is issued.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificate_issuer::{Issuer, IssuerProperties};
use super::certificate_policy::CertificatePolicy;
use crate::certificates::PrivateKey;
use crate::random;

/// What a vault keeps of a certificate beside its versions. The data file and backups contain it in this form.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CertificateState {
    pub(crate) policy: CertificatePolicy,
    /// The latest creation of a version. `None` if a client imported the certificate, or deleted the operation.
    pub(crate) operation: Option<CertificateOperation>,
}

impl CertificateState {
    /// Returns the creation in progress.
    pub(super) fn creation(&self) -> Option<&CertificateOperation> {
        self.operation.as_ref().filter(|operation| operation.is_in_progress())
    }
}

/// The creation of a version.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct CertificateOperation {
    /// The identifier of the new version.
    pub(crate) version: String,
    pub(crate) status: OperationStatus,
    pub(crate) cancellation_requested: bool,
    /// The request for the certificate, in base64.
    pub(crate) csr: String,
    pub(crate) request_id: String,
    pub(crate) issuer: IssuerProperties,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) enabled: bool,
    /// The key of the new version, as PEM. Empty when it is completed.
    pub(super) key: String,
    /// The time from which an issuer of the emulator issues the version.
    pub(super) ready_at: Duration,
}

/// The state of a creation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OperationStatus {
    InProgress,
    Completed,
    Cancelled,
}

impl CertificateOperation {
    /// Starts a creation. `None` if the key or the policy cannot be used.
    pub(super) fn start(
        policy: &CertificatePolicy,
        key: &PrivateKey,
        tags: Option<BTreeMap<String, String>>,
        enabled: bool,
        ready_at: Duration,
    ) -> Option<Self> {
        Some(Self {
            version: random::hex(),
            status: OperationStatus::InProgress,
            cancellation_requested: false,
            csr: policy.x509_props.signing_request(key)?,
            request_id: random::hex(),
            issuer: policy.issuer.clone(),
            tags,
            enabled,
            key: key.pem(),
            ready_at,
        })
    }

    /// Returns whether the version is not created yet, and will be.
    pub(crate) fn is_in_progress(&self) -> bool {
        self.status == OperationStatus::InProgress
    }

    /// Returns whether only a client can complete the creation.
    pub(crate) fn needs_merge(&self) -> bool {
        self.issuer.issuer().is_ok_and(|issuer| issuer == Issuer::Unknown)
    }

    /// Returns the key of the new version. `None` when it is completed.
    pub(super) fn key(&self) -> Option<PrivateKey> {
        PrivateKey::from_pem(&self.key).ok()
    }

    /// Completes the creation and forgets its key.
    pub(super) fn complete(&mut self) {
        self.status = OperationStatus::Completed;
        self.key.clear();
    }

    /// Cancels the creation. It keeps its key, for a certificate that a client merges.
    pub(super) fn cancel(&mut self) {
        self.cancellation_requested = true;
        self.status = OperationStatus::Cancelled;
    }
}

/// Never shows the key.
impl fmt::Debug for CertificateOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateOperation")
            .field("version", &self.version)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
