//! Certificates as JSON, with the fields of the service in their order.
//!
//! See [Get Certificate](https://learn.microsoft.com/rest/api/keyvault/certificates/get-certificate/get-certificate). An
//! absent property is omitted, never null.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bundle::{BundleAttributes, BundleWriter, Deletion};
use crate::certificates::CertificateSummary;
use crate::vaults::{
    CertificateOperation, CertificatePolicy, DeletedSecret, IssuerProperties, OperationStatus, SecretVersion,
    StoredSecret,
};

impl<'a> BundleWriter<'a> {
    /// Returns a version with its certificate and policy.
    pub(super) fn certificate(self, stored: &'a StoredSecret, version: &'a SecretVersion) -> CertificateBundle<'a> {
        let summary = summary(version);
        let is_pending = stored.operation().is_some_and(CertificateOperation::is_in_progress);
        CertificateBundle {
            kid: Some(self.id("keys", stored, version)),
            sid: Some(self.id("secrets", stored, version)),
            cer: summary.as_ref().map(|summary| summary.cer.clone()),
            content_type: version.content_type.as_deref(),
            policy: Some(self.policy(stored)),
            pending: is_pending.then(|| PendingLink { id: self.pending_id(stored) }),
            ..self.bundle_of(self.id("certificates", stored, version), version, summary)
        }
    }

    /// Returns a version as a list entry.
    pub(super) fn list_certificate_version(
        self,
        stored: &StoredSecret,
        version: &'a SecretVersion,
    ) -> CertificateBundle<'a> {
        self.list_entry(self.id("certificates", stored, version), version)
    }

    /// Returns a certificate as a list entry: its latest version, with an `id` that contains no version.
    pub(super) fn list_certificate(self, stored: &'a StoredSecret) -> CertificateBundle<'a> {
        self.list_entry(format!("{}/certificates/{}", self.base, stored.name), stored.latest())
    }

    /// Returns a deleted certificate.
    pub(super) fn deleted_certificate(self, deleted: &'a DeletedSecret) -> CertificateBundle<'a> {
        let deletion = Some(self.deletion("deletedcertificates", deleted));
        CertificateBundle { deletion, ..self.certificate(&deleted.secret, deleted.secret.latest()) }
    }

    /// Returns a deleted certificate as a list entry.
    pub(super) fn list_deleted_certificate(self, deleted: &'a DeletedSecret) -> CertificateBundle<'a> {
        let deletion = Some(self.deletion("deletedcertificates", deleted));
        CertificateBundle { deletion, ..self.list_certificate(&deleted.secret) }
    }

    /// Returns the policy.
    pub(super) fn policy(self, stored: &StoredSecret) -> PolicyBundle {
        PolicyBundle { id: format!("{}/certificates/{}/policy", self.base, stored.name), policy: stored.policy() }
    }

    /// Returns the creation of a version.
    pub(super) fn operation(self, stored: &StoredSecret, operation: &'a CertificateOperation) -> OperationBundle<'a> {
        let status_details = match operation.status {
            OperationStatus::InProgress if operation.needs_merge() => Some(NEEDS_MERGE),
            OperationStatus::InProgress => Some(IN_PROGRESS),
            OperationStatus::Completed | OperationStatus::Cancelled => None,
        };
        let is_completed = operation.status == OperationStatus::Completed;
        OperationBundle {
            id: self.pending_id(stored),
            issuer: &operation.issuer,
            csr: &operation.csr,
            cancellation_requested: operation.cancellation_requested,
            status: operation.status,
            status_details,
            target: is_completed.then(|| format!("{}/certificates/{}", self.base, stored.name)),
            request_id: &operation.request_id,
        }
    }

    /// Returns the URL of the creation of a version.
    pub(super) fn operation_location(self, stored: &StoredSecret, operation: &CertificateOperation) -> String {
        let (id, request_id) = (self.pending_id(stored), &operation.request_id);
        format!("{id}?api-version={}&request_id={request_id}", self.api.as_str())
    }

    /// Returns the URL of the latest version.
    pub(super) fn certificate_location(self, stored: &StoredSecret) -> String {
        format!("{}/certificates/{}?api-version={}", self.base, stored.name, self.api.as_str())
    }

    fn list_entry(self, id: String, version: &'a SecretVersion) -> CertificateBundle<'a> {
        let summary = summary(version);
        let subject = summary.as_ref().map(|summary| summary.subject.clone());
        CertificateBundle { subject, ..self.bundle_of(id, version, summary) }
    }

    fn bundle_of(
        self,
        id: String,
        version: &'a SecretVersion,
        summary: Option<CertificateSummary>,
    ) -> CertificateBundle<'a> {
        CertificateBundle {
            deletion: None,
            id,
            kid: None,
            sid: None,
            x5t: summary.map(|summary| summary.thumbprint),
            cer: None,
            content_type: None,
            attributes: self.attributes(version),
            subject: None,
            tags: version.tags.as_ref(),
            policy: None,
            pending: None,
        }
    }

    fn id(self, objects: &str, stored: &StoredSecret, version: &SecretVersion) -> String {
        format!("{}/{objects}/{}/{}", self.base, stored.name, version.id)
    }

    fn pending_id(self, stored: &StoredSecret) -> String {
        format!("{}/certificates/{}/pending", self.base, stored.name)
    }
}

/// Returns what is shown of the certificate. `None` before it is issued.
fn summary(version: &SecretVersion) -> Option<CertificateSummary> {
    CertificateSummary::of(&version.backing.as_ref()?.pem).ok()
}

/// A certificate in a response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateBundle<'a> {
    #[serde(flatten)]
    deletion: Option<Deletion>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    attributes: BundleAttributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyBundle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingLink>,
}

#[derive(Serialize)]
struct PendingLink {
    id: String,
}

/// A policy in a response.
#[derive(Serialize)]
pub(super) struct PolicyBundle {
    id: String,
    #[serde(flatten)]
    policy: CertificatePolicy,
}

/// The creation of a version in a response.
#[derive(Serialize)]
pub(super) struct OperationBundle<'a> {
    id: String,
    issuer: &'a IssuerProperties,
    csr: &'a str,
    cancellation_requested: bool,
    status: OperationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_details: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    request_id: &'a str,
}

const IN_PROGRESS: &str = "Pending certificate created. Certificate request is in progress. This may take some time based on \
                           the issuer provider. Please check again later.";
const NEEDS_MERGE: &str = "Pending certificate created. Please Perform Merge to complete the request.";
