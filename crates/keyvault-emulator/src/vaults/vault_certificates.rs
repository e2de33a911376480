//! The certificates of a vault. Each is a secret whose versions have a certificate behind them, so both are deleted,
//! recovered and backed up as one.

use std::time::Duration;

use serde_json::Value;

use super::certificate_body::{CancellationBody, CertificateRequestBody, parse};
use super::certificate_issuance::{IssuanceTarget, NextKey};
use super::certificate_operation::{CertificateOperation, CertificateState, OperationStatus};
use super::certificate_preparation::PreparedCertificate;
use super::secret_version::SecretVersion;
use super::set_secret::SetSecret;
use super::stored_secret::StoredSecret;
use super::update_secret::UpdateSecret;
use super::vault::{Vault, key};
use crate::certificates::Certificate;
use crate::protocol::{ErrorResponse, ObjectName};
use crate::random;

impl Vault {
    /// Starts the creation of a version. Without a prepared key, because the creation was not possible before, it takes
    /// longer.
    pub(crate) fn create_certificate(
        &mut self,
        name: &str,
        body: &CertificateRequestBody,
        prepared: Option<&PreparedCertificate>,
        (now, ready_at): (Duration, Duration),
    ) -> Result<(&StoredSecret, &CertificateOperation), ErrorResponse> {
        self.check_free_for_certificate(name, now)?;
        let existing = self.certificate(name, now).ok();
        let policy = body.policy(existing.map(StoredSecret::policy), now)?.checked()?;
        let enabled = body.attributes.enabled.unwrap_or(true);
        let key_of_policy = || NextKey::of(existing, &policy).map(NextKey::into_key);
        let operation = prepared
            .and_then(PreparedCertificate::key)
            .or_else(key_of_policy)
            .and_then(|key| CertificateOperation::start(&policy, &key, body.tags.clone(), enabled, ready_at));
        let operation = operation.ok_or_else(|| ErrorResponse::bad_parameter("The key does not fit the policy."))?;
        let stored = self.live.entry(key(name)).or_insert_with(|| StoredSecret {
            versions: vec![SecretVersion::not_issued(&operation, &policy, now)],
            ..StoredSecret::empty(name)
        });
        stored.certificate = Some(CertificateState { policy, operation: Some(operation) });
        self.operation(name, now)
    }

    /// Imports a certificate with its key as a new version. Without a prepared certificate, because the import was not
    /// possible before, it takes longer.
    pub(crate) fn import_certificate(
        &mut self,
        name: &str,
        body: &CertificateRequestBody,
        prepared: Option<&PreparedCertificate>,
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        self.check_free_for_certificate(name, now)?;
        let prepared = prepared.and_then(PreparedCertificate::certificate);
        let certificate = prepared.map_or_else(|| body.certificate(), Ok)?;
        let secret = SetSecret {
            tags: body.tags.clone(),
            enabled: body.attributes.enabled.unwrap_or(true),
            ..SetSecret::certificate(certificate)
        };
        secret.check()?;
        // The policy is checked before anything is stored.
        let previous = self.live.get(&key(name)).map(StoredSecret::latest).filter(|latest| latest.is_issued());
        let previous = previous.map(|latest| latest.id.clone());
        let version = SecretVersion::new(random::hex(), secret, previous, now);
        let draft = StoredSecret { versions: vec![version.clone()], ..StoredSecret::empty(name) };
        let policy = body.import_policy(draft.policy(), now)?;
        let stored = self.live.entry(key(name)).or_insert_with(|| StoredSecret::empty(name));
        stored.push_issued(version);
        stored.certificate = Some(CertificateState { policy, operation: None });
        Ok(stored)
    }

    /// Completes a creation with the certificate of another issuer. An issuer of the emulator must have been cancelled.
    pub(crate) fn merge_certificate(
        &mut self,
        name: &str,
        body: &CertificateRequestBody,
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        let (stored, operation) = self.operation(name, now)?;
        match operation.status {
            OperationStatus::InProgress if !operation.needs_merge() => {
                return Err(ErrorResponse::merge_forbidden(operation.issuer.name.as_deref().unwrap_or_default()));
            }
            OperationStatus::InProgress | OperationStatus::Cancelled => {}
            OperationStatus::Completed => {
                return Err(ErrorResponse::new(409, "Conflict", "The creation of the certificate is completed."));
            }
        }
        let private = operation.key().ok_or_else(|| ErrorResponse::bad_parameter("The creation has no key."))?;
        let certificate = Certificate::import(private, body.chain()?).map_err(ErrorResponse::bad_parameter)?;
        let mut target = IssuanceTarget::of_operation(stored, operation);
        target.tags = body.tags.clone().or(target.tags);
        target.enabled = body.attributes.enabled.unwrap_or(target.enabled);
        let issued = target.issued(&stored.policy(), certificate, now);
        let stored = self.live.get_mut(&key(name)).ok_or_else(|| ErrorResponse::pending_not_found(name))?;
        issued.store(stored);
        Ok(stored)
    }

    /// Updates a version, or the latest, and the policy.
    pub(crate) fn update_certificate(
        &mut self,
        name: &str,
        version: Option<&str>,
        body: &CertificateRequestBody,
        now: Duration,
    ) -> Result<(&StoredSecret, &SecretVersion), ErrorResponse> {
        let object = ObjectName::certificate(name);
        self.find(object, version, now)?;
        if let Some(changes) = &body.policy {
            self.change_policy(name, changes, now)?;
        }
        let update =
            UpdateSecret { tags: body.tags.clone(), enabled: body.attributes.enabled, ..UpdateSecret::default() };
        self.update(object, version, update, now)
    }

    /// Changes some properties of the policy.
    pub(crate) fn update_policy(
        &mut self,
        name: &str,
        body: &[u8],
        now: Duration,
    ) -> Result<&StoredSecret, ErrorResponse> {
        self.change_policy(name, &parse(body)?, now)?;
        self.certificate(name, now)
    }

    /// Cancels a creation in progress.
    pub(crate) fn cancel_operation(
        &mut self,
        name: &str,
        body: &[u8],
        now: Duration,
    ) -> Result<(&StoredSecret, &CertificateOperation), ErrorResponse> {
        let CancellationBody { cancellation_requested } = parse(body)?;
        if !self.operation(name, now)?.1.is_in_progress() {
            return Err(ErrorResponse::creation_has_ended());
        }
        if let Some(operation) = self.operation_mut(name).filter(|_| cancellation_requested) {
            operation.cancel();
        }
        self.operation(name, now)
    }

    /// Forgets the latest creation. One in progress never ends then.
    pub(crate) fn delete_operation(
        &mut self,
        name: &str,
        now: Duration,
    ) -> Result<CertificateOperation, ErrorResponse> {
        self.operation(name, now)?;
        let state = self.live.get_mut(&key(name)).and_then(|stored| stored.certificate.as_mut());
        let operation = state.and_then(|state| state.operation.take());
        operation.ok_or_else(|| ErrorResponse::pending_not_found(name))
    }

    /// Returns a certificate. Fails if there is none, or a secret without a certificate has the name.
    pub(crate) fn certificate(&self, name: &str, now: Duration) -> Result<&StoredSecret, ErrorResponse> {
        self.find(ObjectName::certificate(name), None, now).map(|(stored, _)| stored)
    }

    /// Returns the latest creation of a version.
    pub(crate) fn operation(
        &self,
        name: &str,
        now: Duration,
    ) -> Result<(&StoredSecret, &CertificateOperation), ErrorResponse> {
        let missing = || ErrorResponse::pending_not_found(name);
        let stored = self.certificate(name, now).map_err(|_| missing())?;
        Ok((stored, stored.operation().ok_or_else(missing)?))
    }

    /// Fails if a deleted object, or a secret without a certificate, has the name, or a creation is in progress.
    pub(super) fn check_free_for_certificate(&self, name: &str, now: Duration) -> Result<(), ErrorResponse> {
        self.check_free(ObjectName::certificate(name), now)?;
        let Some(stored) = self.live.get(&key(name)) else { return Ok(()) };
        if !stored.is_certificate() {
            let message = format!("A secret with the name {name} exists already.");
            return Err(ErrorResponse::new(409, "Conflict", message));
        }
        if stored.operation().is_some_and(CertificateOperation::is_in_progress) {
            return Err(ErrorResponse::creation_in_progress());
        }
        Ok(())
    }

    fn change_policy(&mut self, name: &str, changes: &Value, now: Duration) -> Result<(), ErrorResponse> {
        self.certificate(name, now)?;
        let missing = || ErrorResponse::not_found(ObjectName::certificate(name), None);
        self.live.get_mut(&key(name)).ok_or_else(missing)?.change_policy(changes, now)
    }

    fn operation_mut(&mut self, name: &str) -> Option<&mut CertificateOperation> {
        self.live.get_mut(&key(name))?.certificate.as_mut()?.operation.as_mut()
    }
}
