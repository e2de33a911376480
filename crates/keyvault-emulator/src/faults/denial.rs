//! Denials: a caller with a valid token lacks access. Each has the error of the service.

use std::fmt;

use super::request_matcher::RequestMatcher;
use crate::identity::AppRegistration;
use crate::operations::{Operation, RequestHead, VaultRequest};
use crate::protocol::{ErrorResponse, REGION};

/// The reason why a vault denies access to a caller with a valid token. The response is a 403 with an inner code.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Denial {
    /// Public access is off, and the caller does not use a private link: `ForbiddenByConnection`.
    PrivateLink,
    /// The firewall does not allow the caller's address: `ForbiddenByFirewall`.
    Firewall,
    /// No access policy grants the permission: `AccessDenied`.
    AccessPolicy,
    /// No role grants the permission: `ForbiddenByRbac`.
    Rbac,
}

/// The active denials.
#[derive(Default)]
pub(crate) struct DenialList(Vec<(Denial, RequestMatcher)>);

impl DenialList {
    /// Adds a denial.
    pub(crate) fn add(&mut self, denial: Denial, matcher: RequestMatcher) {
        self.0.push((denial, matcher));
    }

    /// Removes all denials.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the denials, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Denial> {
        self.0.iter().map(|(denial, _)| *denial)
    }

    /// Returns the denial of a request. The network has precedence over permissions.
    pub(crate) fn find(&self, head: &RequestHead) -> Option<Denial> {
        self.0.iter().filter(|(_, matcher)| matcher(head)).map(|(denial, _)| *denial).min()
    }
}

impl fmt::Debug for DenialList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Denial {
    /// Returns the name that the control endpoint uses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PrivateLink => "private-link",
            Self::Firewall => "firewall",
            Self::AccessPolicy => "access-policy",
            Self::Rbac => "rbac",
        }
    }

    /// Creates the service's error for a denied request.
    pub(crate) fn error(self, registration: &AppRegistration, request: &VaultRequest<'_>) -> ErrorResponse {
        let inner_code = match self {
            Self::PrivateLink => "ForbiddenByConnection",
            Self::Firewall => "ForbiddenByFirewall",
            Self::AccessPolicy => "AccessDenied",
            Self::Rbac => "ForbiddenByRbac",
        };
        ErrorResponse::new(403, "Forbidden", self.message(registration, request)).inner_code(inner_code)
    }

    fn message(self, registration: &AppRegistration, request: &VaultRequest<'_>) -> String {
        let vault = if request.vault.is_empty() { "emulator" } else { request.vault.as_str() };
        let (client, tenant) = (&registration.client_id, &registration.tenant_id);
        let issuer = format!("https://sts.windows.net/{tenant}/");
        let caller = format!("appid={client};oid={client};iss={issuer}");
        let operation = request.route.operation;
        match self {
            Self::PrivateLink => format!(
                "Public network access is disabled and request is not from a trusted service nor via an approved \
                 private link.\r\nCaller: {caller}\r\nVault: {vault};location={REGION}"
            ),
            Self::Firewall => format!(
                "Client address is not authorized and caller is not a trusted service.\r\nClient address: \
                 127.0.0.1\r\nCaller: {caller}\r\nVault: {vault};location={REGION}"
            ),
            Self::AccessPolicy => format!(
                "The user, group or application 'appid={client};oid={client};numgroups=2;iss={issuer}' does not \
                 have {} {} permission on key vault '{vault};location={REGION}'. For help resolving this \
                 issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
                objects(operation),
                permission(operation)
            ),
            Self::Rbac => format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments \
                 or role definitions were changed recently, please observe propagation time.\r\nCaller: \
                 {caller}\r\nAction: 'Microsoft.KeyVault/vaults/{}/{}'\r\nResource: '{}'\r\nAssignment: (not \
                 found)\r\nDenyAssignmentId: null\r\nDecisionReason: null\r\nVault: {vault};location={REGION}\r\n",
                objects(operation),
                action(operation),
                resource(tenant, vault, objects(operation), &request.route.name),
            ),
        }
    }
}

/// Returns the kind of the objects that an operation is for.
fn objects(operation: Operation) -> &'static str {
    if operation.is_certificate() { "certificates" } else { "secrets" }
}

/// Returns the permission of an access policy that an operation needs.
fn permission(operation: Operation) -> &'static str {
    use Operation::*;
    match operation {
        List | ListVersions | ListDeleted | ListCertificates | ListCertificateVersions | ListDeletedCertificates => {
            "list"
        }
        Set | Update => "set",
        Delete | DeleteCertificate => "delete",
        Backup | BackupCertificate => "backup",
        Restore | RestoreCertificate => "restore",
        Recover | RecoverCertificate => "recover",
        Purge | PurgeCertificate => "purge",
        CreateCertificate | MergeCertificate => "create",
        ImportCertificate => "import",
        UpdateCertificate | UpdateCertificatePolicy | UpdateCertificateOperation | DeleteCertificateOperation => {
            "update"
        }
        _ => "get",
    }
}

/// Returns the data action that an operation needs, as
/// [the roles](https://learn.microsoft.com/azure/role-based-access-control/permissions/security#microsoftkeyvault)
/// list them.
fn action(operation: Operation) -> &'static str {
    use Operation::*;
    match operation {
        List | ListVersions | ListDeleted | GetDeleted => "readMetadata/action",
        Set => "setSecret/action",
        Delete | DeleteCertificate => "delete",
        Backup | BackupCertificate => "backup/action",
        Restore | RestoreCertificate => "restore/action",
        Recover | RecoverCertificate => "recover/action",
        Purge | PurgeCertificate => "purge/action",
        CreateCertificate | MergeCertificate => "create/action",
        ImportCertificate => "import/action",
        Update
        | UpdateCertificate
        | UpdateCertificatePolicy
        | UpdateCertificateOperation
        | DeleteCertificateOperation => "update/action",
        certificate if certificate.is_certificate() => "read",
        _ => "getSecret/action",
    }
}

fn resource(tenant: &str, vault: &str, objects: &str, name: &str) -> String {
    // There is no subscription, so the tenant's identifier, which has the same form, replaces it.
    let vault = format!("/subscriptions/{tenant}/resourcegroups/emulator/providers/microsoft.keyvault/vaults/{vault}");
    if name.is_empty() { vault } else { format!("{vault}/{objects}/{name}") }
}
