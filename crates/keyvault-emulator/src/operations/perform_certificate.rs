//! Runs an operation on a certificate and writes its response.

use bytes::Bytes;
use http::Response;

use super::bundle::{BundlePage, BundleWriter};
use super::certificate_bundle::CertificateBundle;
use super::operation::Operation;
use super::page::PageRequest;
use super::perform::{BackupBody, VaultRequest, no_content, ok, with_status};
use crate::protocol::ErrorResponse;
use crate::vaults::{CertificateRequestBody, DeletedSecret, StoredSecret, Vault};

/// Performs an operation on one certificate.
pub(super) fn perform_on_certificate(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let response = match request.route.operation {
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
    };
    response.map_err(|error| of_certificate(error, request))
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
            let (stored, operation) = vault.create_certificate(name, &body, request.new_key.as_ref(), times)?;
            with_status(202, &writer.operation(stored, operation))
        }
        Operation::ImportCertificate => {
            let stored = vault.import_certificate(name, &body, now)?;
            ok(&writer.certificate(stored, stored.latest()))
        }
        _ => {
            let stored = vault.merge_certificate(name, &body, now)?;
            with_status(201, &writer.certificate(stored, stored.latest()))
        }
    }
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
        Vault::check_certificate_backup(&backup.value)?;
        let stored = vault.restore(&backup.value, request.base, now)?;
        return ok(&writer.certificate(stored, stored.latest()));
    }
    vault.certificate(name, now)?;
    match request.route.operation {
        Operation::UpdateCertificate => {
            let body = CertificateRequestBody::parse(body)?;
            let (stored, version) = vault.update_certificate(name, version, &body, now)?;
            ok(&writer.certificate(stored, version))
        }
        Operation::DeleteCertificate => ok(&writer.deleted_certificate(vault.delete(name, policy, now)?)),
        Operation::BackupCertificate => ok(&BackupBody { value: vault.backup(name, now)? }),
        Operation::GetCertificatePolicy => ok(&writer.policy(vault.certificate(name, now)?)),
        Operation::UpdateCertificatePolicy => ok(&writer.policy(vault.update_policy(name, body, now)?)),
        _ => {
            let (stored, version) = vault.find(name, version, now)?;
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
    let (name, policy, now) = (request.route.name.as_str(), request.policy, request.now);
    vault.deleted_certificate(name)?;
    match request.route.operation {
        Operation::RecoverCertificate => {
            let stored = vault.recover(name, policy, now)?;
            ok(&writer.certificate(stored, stored.latest()))
        }
        Operation::PurgeCertificate => {
            vault.purge(name, policy, now)?;
            Ok(no_content())
        }
        _ => ok(&writer.deleted_certificate(vault.find_deleted(name, now)?)),
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
            let is_visible = |deleted: &DeletedSecret| deleted.ready_at <= now && deleted.secret.is_certificate();
            let deleted = page.take(vault.deleted(), is_visible);
            BundlePage::of(deleted, |deleted| writer.list_deleted_certificate(deleted), link)
        }
        _ => {
            let certificates = page.take(vault.live(), |stored| stored.visible_at <= now && is_listed(stored));
            BundlePage::of(certificates, |stored| writer.list_certificate(stored), link)
        }
    }
}

/// Replaces an error about a secret by that about the certificate.
fn of_certificate(error: ErrorResponse, request: &VaultRequest<'_>) -> ErrorResponse {
    let (name, version) = (request.route.name.as_str(), request.route.version.as_deref());
    match (error.code, error.inner_code) {
        ("SecretNotFound", _) => match request.route.operation {
            Operation::GetDeletedCertificate | Operation::PurgeCertificate => {
                ErrorResponse::deleted_certificate_not_found(name)
            }
            _ => ErrorResponse::certificate_not_found(name, version),
        },
        // The other messages start with the kind of the object, and do not quote its name before.
        (_, Some("ObjectIsDeletedButRecoverable" | "ObjectIsBeingDeleted" | "ObjectIsBeingRecovered")) => {
            ErrorResponse { message: error.message.replacen("Secret", "Certificate", 1), ..error }
        }
        _ => error,
    }
}
