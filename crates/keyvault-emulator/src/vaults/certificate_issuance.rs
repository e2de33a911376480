//! The issuing of versions: those that clients asked for, and renewals.
//!
//! A version is issued in three steps, because generating its key takes up to seconds: the vault says what is due, the
//! caller issues it without the vault, and the vault stores it unless something else happened in the meantime.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::certificate_issuer::Issuer;
use super::certificate_operation::{CertificateOperation, CertificateState};
use super::certificate_policy::CertificatePolicy;
use super::secret_version::{CertificateBacking, SecretVersion};
use super::set_secret::SetSecret;
use super::stored_secret::StoredSecret;
use super::vault::{Vault, key};
use crate::certificates::{Certificate, CertificateAuthority, KeyKind, PEM, PrivateKey};
use crate::random;

/// A version that an issuer of the emulator has to issue now.
pub(crate) struct DueIssuance {
    target: IssuanceTarget,
    policy: CertificatePolicy,
    issuer: Issuer,
    key: NextKey,
}

/// The place of a new version.
pub(super) struct IssuanceTarget {
    name: String,
    /// The version that a client's operation creates. `None` for a renewal.
    operation: Option<String>,
    /// The latest version so far, and whether it is issued.
    latest: (String, bool),
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) enabled: bool,
}

/// A version to store.
pub(crate) struct IssuedVersion {
    name: String,
    operation: Option<String>,
    latest: String,
    version: SecretVersion,
}

/// The key of a new version.
pub(crate) enum NextKey {
    New(KeyKind),
    Existing(PrivateKey),
}

impl NextKey {
    /// Returns the key that a policy asks for. `None` if it can create none.
    pub(super) fn of(existing: Option<&StoredSecret>, policy: &CertificatePolicy) -> Option<Self> {
        let kind = policy.key_kind().ok()?;
        let existing = existing.filter(|_| policy.key_props.reuse_key);
        let key = existing.and_then(|stored| stored.latest().backing.as_ref()).and_then(CertificateBacking::key);
        let key = key.filter(|key| key.kind().is_ok_and(|existing| existing == kind));
        Some(key.map_or(Self::New(kind), Self::Existing))
    }

    /// Returns the key. Generating an RSA key takes up to some seconds.
    pub(crate) fn into_key(self) -> PrivateKey {
        match self {
            Self::New(kind) => PrivateKey::generate(kind),
            Self::Existing(key) => key,
        }
    }
}

impl DueIssuance {
    /// Issues the version. `None` if its certificate cannot be created.
    pub(crate) fn issue(self, authority: &CertificateAuthority, now: Duration) -> Option<IssuedVersion> {
        let key = self.key.into_key();
        let authority = (self.issuer == Issuer::Emulator).then_some(authority);
        let chain = self.policy.x509_props.issue(&key, authority, now)?;
        let certificate = Certificate::new(key, chain).ok()?;
        Some(self.target.issued(&self.policy, certificate, now))
    }
}

impl IssuanceTarget {
    /// Returns the place of the version that a client asked for.
    pub(super) fn of_operation(stored: &StoredSecret, operation: &CertificateOperation) -> Self {
        Self {
            operation: Some(operation.version.clone()),
            tags: operation.tags.clone(),
            enabled: operation.enabled,
            ..Self::of_renewal(stored)
        }
    }

    fn of_renewal(stored: &StoredSecret) -> Self {
        let latest = stored.latest();
        let is_issued = latest.backing.as_ref().is_some_and(CertificateBacking::is_issued);
        Self {
            name: stored.name.clone(),
            operation: None,
            latest: (latest.id.clone(), is_issued),
            tags: latest.tags.clone(),
            enabled: true,
        }
    }

    /// Creates the version, in the form of the policy.
    pub(super) fn issued(self, policy: &CertificatePolicy, certificate: Certificate, now: Duration) -> IssuedVersion {
        let certificate = if policy.secret_props.content_type == PEM { certificate.as_pem() } else { certificate };
        let certificate = if policy.key_props.exportable { certificate } else { certificate.not_exportable() };
        let (latest, is_issued) = self.latest;
        let id = self.operation.clone().unwrap_or_else(random::hex);
        let secret = SetSecret { tags: self.tags, enabled: self.enabled, ..SetSecret::certificate(certificate) };
        let version = SecretVersion::new(id, secret, is_issued.then(|| latest.clone()), now);
        IssuedVersion { name: self.name, operation: self.operation, latest, version }
    }
}

impl IssuedVersion {
    /// Adds the version to its certificate. A renewal leaves the last operation, which has ended, as it is.
    pub(super) fn store(&self, stored: &mut StoredSecret) {
        if self.operation.is_some()
            && let Some(operation) = stored.certificate.as_mut().and_then(|state| state.operation.as_mut())
        {
            operation.complete();
        }
        stored.push_issued(self.version.clone());
    }
}

impl Vault {
    /// Returns the time of the next issue. `None` if none is due at any time.
    pub(crate) fn next_issuance(&self) -> Option<Duration> {
        self.live.values().filter_map(issued_at).min()
    }

    /// Returns whether a version of a certificate, or of any, is due.
    pub(crate) fn has_due_issuances(&self, name: Option<&str>, now: Duration) -> bool {
        self.due(name, now).next().is_some()
    }

    /// Returns the versions of a certificate, or of all, to issue now.
    pub(crate) fn due_issuances(&self, name: Option<&str>, now: Duration) -> Vec<DueIssuance> {
        self.due(name, now).filter_map(due_issuance).collect()
    }

    fn due(&self, name: Option<&str>, now: Duration) -> impl Iterator<Item = &StoredSecret> {
        let keys = match name.map(key) {
            Some(key) => (Bound::Included(key.clone()), Bound::Included(key)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let live = self.live.range(keys).map(|(_, stored)| stored);
        live.filter(move |stored| issued_at(stored).is_some_and(|at| at <= now && can_be_dated(stored, now)))
    }

    /// Stores an issued version. Returns false, and stores nothing, if the operation ended or another version was added
    /// in the meantime.
    pub(crate) fn complete(&mut self, issued: &IssuedVersion) -> bool {
        let Some(stored) = self.live.get_mut(&key(&issued.name)) else { return false };
        let is_expected =
            stored.certificate.as_ref().and_then(CertificateState::creation).map(|operation| &operation.version)
                == issued.operation.as_ref();
        if !is_expected || stored.latest().id != issued.latest {
            return false;
        }
        issued.store(stored);
        true
    }
}

/// Returns the time from which an issuer of the emulator issues the next version. `None` if no certificate can be valid
/// from then.
fn issued_at(stored: &StoredSecret) -> Option<Duration> {
    let state = stored.certificate.as_ref()?;
    next_issuer(state).filter(|issuer| *issuer != Issuer::Unknown)?;
    let at = state.creation().map(|operation| operation.ready_at).or_else(|| {
        let latest = stored.latest();
        // Neither a disabled version nor one that was never issued is renewed.
        let renewed_at = state.policy.renewed_at(latest.nbf?, latest.exp?).filter(|_| latest.enabled)?;
        Some(Duration::from_secs(u64::try_from(renewed_at).unwrap_or(0)))
    })?;
    can_be_dated(stored, at).then_some(at)
}

/// Returns the party that signs the next version: that of the creation in progress, as its response names it, or else
/// that of the policy, which can have changed since.
fn next_issuer(state: &CertificateState) -> Option<Issuer> {
    let issuer = state.creation().map_or(&state.policy.issuer, |operation| &operation.issuer);
    issuer.issuer().ok()
}

/// Returns whether a version that is issued at a time expires before the year 10000.
fn can_be_dated(stored: &StoredSecret, at: Duration) -> bool {
    stored.certificate.as_ref().is_some_and(|state| state.policy.x509_props.validity(at).is_some())
}

fn due_issuance(stored: &StoredSecret) -> Option<DueIssuance> {
    let state = stored.certificate.as_ref()?;
    let policy = state.policy.clone();
    let (target, key) = match state.creation() {
        Some(operation) => (IssuanceTarget::of_operation(stored, operation), NextKey::Existing(operation.key()?)),
        None => (IssuanceTarget::of_renewal(stored), NextKey::of(Some(stored), &policy)?),
    };
    Some(DueIssuance { target, issuer: next_issuer(state)?, policy, key })
}
