//! A secret with its versions, live or deleted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::certificate_operation::{CertificateOperation, CertificateState};
use super::certificate_policy::{CertificatePolicy, changed};
use super::secret_version::{CertificateBacking, SecretVersion};
use crate::certificates::CertificateSummary;
use crate::protocol::{ErrorResponse, ObjectKind};

/// A secret with all its versions, oldest first. It has at least one.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct StoredSecret {
    /// The name in the case in which it was first set.
    pub(crate) name: String,
    pub(crate) versions: Vec<SecretVersion>,
    /// The end of a recovery, before which reads do not see the secret. Zero without a recovery, so that a clock that
    /// moves back hides nothing.
    #[serde(skip)]
    pub(crate) visible_at: Duration,
    /// The policy and the latest operation of a certificate. `None` for a secret, and for a certificate without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<CertificateState>,
}

impl StoredSecret {
    /// Creates a secret, to which a version must be added.
    pub(super) fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), versions: Vec::new(), visible_at: Duration::ZERO, certificate: None }
    }

    /// Returns the latest version.
    pub(crate) fn latest(&self) -> &SecretVersion {
        self.versions.last().expect("a secret has a version")
    }

    /// Returns a version by identifier, or the latest.
    pub(crate) fn version(&self, id: Option<&str>) -> Option<&SecretVersion> {
        match id {
            Some(id) => self.versions.iter().find(|version| version.id == id),
            None => self.versions.last(),
        }
    }

    /// Returns a version by identifier, or the latest, for an update.
    pub(crate) fn version_mut(&mut self, id: Option<&str>) -> Option<&mut SecretVersion> {
        match id {
            Some(id) => self.versions.iter_mut().find(|version| version.id == id),
            None => self.versions.last_mut(),
        }
    }
}

/// The certificate behind a secret.
impl StoredSecret {
    /// Returns whether there is one.
    pub(crate) fn is_certificate(&self) -> bool {
        self.latest().backing.is_some()
    }

    /// Returns whether it is an object of a kind. Each certificate is a secret too.
    pub(super) fn is_of(&self, kind: ObjectKind) -> bool {
        kind == ObjectKind::Secret || self.is_certificate()
    }

    /// Returns its policy. One that was set without a policy has that of an import.
    pub(crate) fn policy(&self) -> CertificatePolicy {
        if let Some(state) = &self.certificate {
            return state.policy.clone();
        }
        let latest = self.latest();
        let backing = latest.backing.as_ref();
        let summary = backing.and_then(|backing| CertificateSummary::of(&backing.pem).ok());
        let kind = backing.and_then(CertificateBacking::key).and_then(|key| key.kind().ok());
        let content_type = latest.content_type.as_deref().unwrap_or_default();
        summary.map(|summary| CertificatePolicy::of_import(&summary, kind, content_type)).unwrap_or_default()
    }

    /// Changes some properties of the policy.
    pub(super) fn change_policy(&mut self, changes: &Value, now: Duration) -> Result<(), ErrorResponse> {
        let policy = changed(&self.policy(), changes, now)?;
        let operation = self.certificate.take().and_then(|state| state.operation);
        self.certificate = Some(CertificateState { policy, operation });
        Ok(())
    }

    /// Returns the latest creation of a version.
    pub(crate) fn operation(&self) -> Option<&CertificateOperation> {
        self.certificate.as_ref()?.operation.as_ref()
    }

    /// Adds an issued version, in place of one that was not issued.
    pub(super) fn push_issued(&mut self, version: SecretVersion) {
        self.versions.retain(|version| version.backing.as_ref().is_none_or(CertificateBacking::is_issued));
        self.versions.push(version);
    }
}

/// A deleted secret.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct DeletedSecret {
    #[serde(rename = "item")]
    pub(crate) secret: StoredSecret,
    pub(crate) deleted_at: Duration,
    pub(crate) purged_at: Duration,
    /// The end of the deletion, before which neither live nor deleted reads see the secret.
    pub(crate) ready_at: Duration,
}

impl DeletedSecret {
    /// Returns the date of the deletion, in seconds since 1970.
    pub(crate) fn deleted_date(&self) -> u64 {
        self.deleted_at.as_secs()
    }

    /// Returns the date of the purge, in seconds since 1970. It differs from the other date by whole days, except in a
    /// data file that was edited.
    pub(crate) fn scheduled_purge_date(&self) -> u64 {
        self.deleted_date() + self.purged_at.saturating_sub(self.deleted_at).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_is_never_before_the_deletion() {
        let (deleted_at, purged_at) = (Duration::from_secs(9), Duration::from_secs(5));
        let deleted =
            DeletedSecret { secret: StoredSecret::empty("a"), deleted_at, purged_at, ready_at: Duration::ZERO };
        assert_eq!(deleted.scheduled_purge_date(), 9);
    }
}
