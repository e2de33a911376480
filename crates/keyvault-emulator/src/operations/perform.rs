//! Runs an operation on a vault and writes its response.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use serde::{Deserialize, Serialize};

use super::api_version::ApiVersion;
use super::bundle::{Bundle, BundlePage, BundleWriter};
use super::operation::Operation;
use super::page::{self, PageRequest};
use super::perform_certificate::{list_certificates, perform_on_certificate};
use super::route::Route;
use crate::protocol::uri::{query, with_port};
use crate::protocol::{ErrorResponse, JSON, ObjectKind, ObjectName, response, to_json};
use crate::vaults::{PreparedCertificate, RecoveryPolicy, SetSecret, UpdateSecret, Vault, VaultMap};

/// A request to a vault with a valid token, and the settings that shape its response.
pub(crate) struct VaultRequest<'a> {
    pub(crate) request: &'a Request<Bytes>,
    pub(crate) route: Route,
    /// The vault's URL as the client wrote it.
    pub(crate) base: &'a str,
    /// The vault's name. Empty for the default vault.
    pub(crate) vault: String,
    pub(crate) policy: RecoveryPolicy,
    /// The maximum number of items in a page.
    pub(crate) page_size: usize,
    pub(crate) now: Duration,
    /// The part of a creation or an import of a certificate that was done in advance.
    pub(crate) prepared: Option<PreparedCertificate>,
}

impl VaultRequest<'_> {
    /// Returns whether a list of certificates has those that are not issued yet.
    pub(super) fn includes_pending(&self) -> bool {
        self.parameter("includePending").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = query(self.request.uri()).into_iter();
        parameters.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Performs the operation of a request.
pub(crate) fn perform(vaults: &mut VaultMap, request: &VaultRequest<'_>) -> Result<Response<Bytes>, ErrorResponse> {
    let query = query(request.request.uri());
    let parameter = |name: &str| {
        let found = query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let api = ApiVersion::parse(parameter("api-version"))?;
    let writer = BundleWriter { base: request.base, api, policy: request.policy };
    let vault = vaults.open(&request.vault, request.now);

    if request.route.operation.is_list() {
        let max_results = parameter("maxresults");
        let page = PageRequest::parse(max_results, parameter("$skiptoken"), request.page_size)?;
        let link = |key: &String| next_link(request, api, max_results, key);
        if request.route.operation.is_certificate() {
            return ok(&list_certificates(vault, request, writer, &page, link));
        }
        return ok(&list(vault, request, writer, &page, link));
    }
    if request.route.operation.is_certificate() {
        return perform_on_certificate(vault, request, writer);
    }
    let content_type = parameter("outContentType").filter(|_| request.route.operation == Operation::Get);
    if let Some(content_type) = content_type.filter(|_| api.has_out_content_type()) {
        // A missing secret has precedence over an unsupported conversion.
        let (secret, version) = vault.get(&request.route.name, request.route.version.as_deref(), request.now)?;
        return ok(&writer.converted(secret, version, content_type)?);
    }
    perform_on_secret(vault, request, writer)
}

/// Performs an operation on one secret.
fn perform_on_secret(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (name, version) = (request.route.name.as_str(), request.route.version.as_deref());
    let (object, body) = (ObjectName::secret(name), request.request.body());
    let (policy, now) = (request.policy, request.now);
    match request.route.operation {
        Operation::Set => {
            let new = SetSecret::parse(body)?;
            vault.check_not_managed(name, "set")?;
            let secret = vault.set(name, new, now)?;
            ok(&writer.secret(secret, secret.latest()))
        }
        Operation::Get => {
            let (secret, version) = vault.get(name, version, now)?;
            ok(&writer.secret(secret, version))
        }
        Operation::Update => {
            let (secret, version) = vault.update(object, version, UpdateSecret::parse(body)?, now)?;
            ok(&writer.properties(secret, version))
        }
        Operation::Delete => {
            vault.check_not_managed(name, "delete")?;
            ok(&writer.deleted(vault.delete(object, policy, now)?))
        }
        Operation::Backup => ok(&BackupBody { value: vault.backup(object, now)? }),
        Operation::Restore => {
            let secret = vault.restore(ObjectKind::Secret, &BackupBody::parse(body)?.value, request.base, now)?;
            ok(&writer.properties(secret, secret.latest()))
        }
        _ => perform_on_deleted(vault, request, writer),
    }
}

/// Performs an operation on one deleted secret.
fn perform_on_deleted(
    vault: &mut Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'_>,
) -> Result<Response<Bytes>, ErrorResponse> {
    let (name, policy, now) = (request.route.name.as_str(), request.policy, request.now);
    match request.route.operation {
        Operation::GetDeleted => ok(&writer.deleted(vault.get_deleted(name, now)?)),
        Operation::Recover => {
            let secret = vault.recover(ObjectName::secret(name), policy, now)?;
            ok(&writer.properties(secret, secret.latest()))
        }
        Operation::Purge => {
            vault.purge(ObjectName::secret(name), policy, now)?;
            Ok(no_content())
        }
        // A route contains no other operation.
        other => Err(ErrorResponse::new(404, "NotFound", format!("{other:?} is not an operation on one secret."))),
    }
}

/// Returns a page of secrets, of versions, or of deleted secrets.
fn list<'a>(
    vault: &'a Vault,
    request: &VaultRequest<'_>,
    writer: BundleWriter<'a>,
    page: &PageRequest,
    link: impl Fn(&String) -> String,
) -> BundlePage<Bundle<'a>> {
    let now = request.now;
    match request.route.operation {
        Operation::ListVersions => {
            // An unknown secret has an empty list of versions, which is not an error.
            let Some((secret, versions)) = vault.versions(&request.route.name, now) else { return BundlePage::empty() };
            BundlePage::of(page.take(&versions, |_| true), |version| writer.list_version(secret, version), link)
        }
        Operation::ListDeleted => {
            let deleted = page.take(vault.deleted(), |deleted| deleted.ready_at <= now);
            BundlePage::of(deleted, |deleted| writer.list_deleted(deleted), link)
        }
        _ => {
            let secrets = page.take(vault.live(), |secret| secret.visible_at <= now);
            BundlePage::of(secrets, |secret| writer.list_secret(secret), link)
        }
    }
}

/// The body of a backup response and of a restore request.
#[derive(Deserialize, Serialize)]
pub(super) struct BackupBody {
    pub(super) value: String,
}

impl BackupBody {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        serde_json::from_slice(body).map_err(|_| ErrorResponse::corrupt_backup())
    }
}

pub(super) fn ok(body: &impl Serialize) -> Result<Response<Bytes>, ErrorResponse> {
    with_status(200, body)
}

pub(super) fn with_status(status: u16, body: &impl Serialize) -> Result<Response<Bytes>, ErrorResponse> {
    Ok(response(status, JSON, to_json(body)))
}

pub(super) fn no_content() -> Response<Bytes> {
    let mut response = response(204, JSON, Bytes::new());
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// Returns the link to the page after `key`. Like the service's links it contains the port, even the default one.
fn next_link(request: &VaultRequest<'_>, api: ApiVersion, max_results: Option<&str>, key: &str) -> String {
    let mut link = with_port(request.base);
    link.push_str(match request.route.operation {
        Operation::ListDeleted => "/deletedsecrets",
        Operation::ListDeletedCertificates => "/deletedcertificates",
        Operation::ListCertificates | Operation::ListCertificateVersions => "/certificates",
        _ => "/secrets",
    });
    if matches!(request.route.operation, Operation::ListVersions | Operation::ListCertificateVersions) {
        link.push_str(&format!("/{}/versions", request.route.name));
    }
    link.push_str(&format!("?api-version={}&$skiptoken={}", api.as_str(), page::encode(key)));
    if let Some(max_results) = max_results {
        link.push_str(&format!("&maxresults={max_results}"));
    }
    if request.includes_pending() {
        link.push_str("&includePending=true");
    }
    link
}
