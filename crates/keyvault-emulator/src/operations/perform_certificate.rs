//! Runs an operation on a certificate and writes its response.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Response};
use serde::Serialize;

use super::bundle::{BundlePage, BundleWriter};
use super::certificate_bundle::CertificateBundle;
use super::operation::Operation;
use super::page::PageRequest;
use super::perform::{BackupBody, VaultRequest, no_content, ok, with_status};
use crate::protocol::{ErrorResponse, ObjectKind, ObjectName};
use crate::vaults::{CertificatePreparation, CertificateRequestBody, DeletedSecret, StoredSecret, Vault, VaultMap};

/// Performs an operation on one certificate.
pub(super) fn perform_on_certificate(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    match request.route.operation {
        Operation::CreateCertificate | Operation::ImportCertificate | Operation::MergeCertificate => {
            add_version(vault, request, writer)
        }
        Operation::GetCertificateOperation
        | Operation::UpdateCertificateOperation
        | Operation::DeleteCertificateOperation => perform_on_operation(vault, request, writer),
        Operation::GetDeletedCertificate | Operation::RecoverCertificate | Operation::PurgeCertificate => {
            perform_on_deleted(vault, request, writer)
        }
        _ => perform_on_existing(vault, request, writer),
    }
}

/// Returns the preparation of a creation or an import. `None` for another request, and for one that fails before it.
pub(crate) fn prepare(vaults: &mut VaultMap, request: &VaultRequest<'_>) -> Option<CertificatePreparation> {
    let (name, body, now) = (request.route.name.as_str(), request.request.body(), request.now);
    let vault = vaults.open(&request.vault, now);
    match request.route.operation {
        Operation::CreateCertificate => vault.prepare_creation(name, body, now),
        Operation::ImportCertificate => vault.prepare_import(name, body, now),
        _ => None,
    }
}

fn add_version(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (name, now) = (request.route.name.as_str(), request.now);
    let body = CertificateRequestBody::parse(request.request.body())?;
    match request.route.operation {
        Operation::CreateCertificate => {
            let times = (now, now + request.policy.transition);
            let (stored, operation) = vault.create_certificate(name, &body, request.prepared.as_ref(), times)?;
            located(202, &writer.operation(stored, operation), &writer.operation_location(stored, operation))
        }
        Operation::ImportCertificate => {
            let stored = vault.import_certificate(name, &body, request.prepared.as_ref(), now)?;
            ok(&writer.certificate(stored, stored.latest()))
        }
        _ => {
            let stored = vault.merge_certificate(name, &body, now)?;
            located(201, &writer.certificate(stored, stored.latest()), &writer.certificate_location(stored))
        }
    }
}

/// Returns a response with the header `Location`.
fn located(status: u16, body: &impl Serialize, location: &str) -> Result<Response<Bytes>, ErrorResponse> {
    let mut response = with_status(status, body)?;
    // A location contains the host that the request had in a header.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn perform_on_existing(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (name, version) = (request.route.name.as_str(), request.route.version.as_deref());
    let (body, policy, now) = (request.request.body(), request.policy, request.now);
    if request.route.operation == Operation::RestoreCertificate {
        let backup = BackupBody::parse(body)?;
        let stored = vault.restore(ObjectKind::Certificate, &backup.value, request.base, now)?;
        return ok(&writer.certificate(stored, stored.latest()));
    }
    let object = ObjectName::certificate(name);
    // A missing certificate has precedence over a wrong body.
    vault.find(object, version, now)?;
    match request.route.operation {
        Operation::UpdateCertificate => {
            let body = CertificateRequestBody::parse(body)?;
            let (stored, version) = vault.update_certificate(name, version, &body, now)?;
            ok(&writer.certificate(stored, version))
        }
        Operation::DeleteCertificate => ok(&writer.deleted_certificate(vault.delete(object, policy, now)?)),
        Operation::BackupCertificate => ok(&BackupBody { value: vault.backup(object, now)? }),
        Operation::GetCertificatePolicy => ok(&writer.policy(vault.certificate(name, now)?)),
        Operation::UpdateCertificatePolicy => ok(&writer.policy(vault.update_policy(name, body, now)?)),
        _ => {
            let (stored, version) = vault.find(object, version, now)?;
            ok(&writer.certificate(stored, version))
        }
    }
}

fn perform_on_operation(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (name, now) = (request.route.name.as_str(), request.now);
    let (_, operation) = vault.operation(name, now)?;
    if request.parameter("request_id").is_some_and(|id| id != operation.request_id) {
        return Err(ErrorResponse::pending_not_found(name));
    }
    match request.route.operation {
        Operation::UpdateCertificateOperation => {
            let (stored, operation) = vault.cancel_operation(name, request.request.body(), now)?;
            ok(&writer.operation(stored, operation))
        }
        Operation::DeleteCertificateOperation => {
            let operation = vault.delete_operation(name, now)?;
            ok(&writer.operation(vault.certificate(name, now)?, &operation))
        }
        _ => {
            let (stored, operation) = vault.operation(name, now)?;
            ok(&writer.operation(stored, operation))
        }
    }
}

fn perform_on_deleted(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (object, policy, now) = (ObjectName::certificate(&request.route.name), request.policy, request.now);
    match request.route.operation {
        Operation::RecoverCertificate => {
            let stored = vault.recover(object, policy, now)?;
            ok(&writer.certificate(stored, stored.latest()))
        }
        Operation::PurgeCertificate => {
            vault.purge(object, policy, now)?;
            Ok(no_content())
        }
        _ => ok(&writer.deleted_certificate(vault.find_deleted(object, now)?)),
    }
}

/// Returns a page of certificates, of versions, or of deleted certificates.
pub(super) fn list_certificates<'a>(
    vault: &'a Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'a>,
    page: &PageRequest,
    link: impl Fn(&String) -> String,
) -> BundlePage<CertificateBundle<'a>> {
    let (now, includes_pending) = (request.now, request.includes_pending());
    let is_listed =
        |stored: &StoredSecret| stored.is_certificate() && (includes_pending || stored.latest().is_issued());
    match request.route.operation {
        Operation::ListCertificateVersions => {
            // An unknown certificate has an empty list of versions, which is not an error.
            let versions = vault.versions(&request.route.name, now).filter(|(stored, _)| stored.is_certificate());
            let Some((stored, versions)) = versions else { return BundlePage::empty() };
            let versions = page.take(&versions, |version| version.is_issued());
            BundlePage::of(versions, |version| writer.list_certificate_version(stored, version), link)
        }
        Operation::ListDeletedCertificates => {
            let is_visible = |deleted: &DeletedSecret| deleted.ready_at <= now && is_listed(&deleted.secret);
            let deleted = page.take(vault.deleted(), is_visible);
            BundlePage::of(deleted, |deleted| writer.list_deleted_certificate(deleted), link)
        }
        _ => {
            let certificates = page.take(vault.live(), |stored| stored.visible_at <= now && is_listed(stored));
            BundlePage::of(certificates, |stored| writer.list_certificate(stored), link)
        }
    }
}
