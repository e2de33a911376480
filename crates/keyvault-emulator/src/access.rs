//! Who may do what: refusals that a test sets, each with the body of the service.

use std::fmt;

use crate::emulator::Emulator;
use crate::error::{REGION, WireError};
use crate::fault::{Pattern, RequestHead};
use crate::operations::Call;
use crate::route::Operation;
use crate::service::Service;

/// Why a vault refuses a caller whose token is good: always 403, each with an inner code of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Denial {
    /// Public access is off, and the caller comes through no private link: `ForbiddenByConnection`.
    PrivateLink,
    /// The firewall does not know the caller's address: `ForbiddenByFirewall`.
    Firewall,
    /// No access policy gives the permission: `AccessDenied`.
    AccessPolicy,
    /// No role gives the permission: `ForbiddenByRbac`.
    Rbac,
}

/// The refusals that are set.
#[derive(Default)]
pub(crate) struct Access(Vec<(Denial, Pattern)>);

impl Access {
    /// Adds a refusal.
    pub(crate) fn deny(&mut self, denial: Denial, pattern: Pattern) {
        self.0.push((denial, pattern));
    }

    /// Removes all refusals.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the refusals, oldest first.
    pub(crate) fn denials(&self) -> impl Iterator<Item = Denial> {
        self.0.iter().map(|(denial, _)| *denial)
    }

    /// Finds what refuses a request: the network asks before the permissions do.
    pub(crate) fn refusal(&self, head: &RequestHead) -> Option<Denial> {
        self.0.iter().filter(|(_, pattern)| pattern(head)).map(|(denial, _)| *denial).min()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.denials()).finish()
    }
}

impl Denial {
    /// Names the refusal as the control endpoint does.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PrivateLink => "private-link",
            Self::Firewall => "firewall",
            Self::AccessPolicy => "access-policy",
            Self::Rbac => "rbac",
        }
    }

    /// Writes the refusal as the service does.
    pub(crate) fn error(self, service: &Service, call: &Call<'_>) -> WireError {
        let vault = if call.vault.is_empty() { "emulator" } else { call.vault.as_str() };
        let (client, tenant) = (&service.identity.client_id, &service.identity.tenant_id);
        let issuer = format!("https://sts.windows.net/{tenant}/");
        let caller = format!("appid={client};oid={client};iss={issuer}");
        let operation = call.route.operation;
        let (inner, message) = match self {
            Self::PrivateLink => (
                "ForbiddenByConnection",
                format!(
                    "Public network access is disabled and request is not from a trusted service nor via an approved \
                     private link.\r\nCaller: {caller}\r\nVault: {vault};location={REGION}"
                ),
            ),
            Self::Firewall => (
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\nClient address: \
                     127.0.0.1\r\nCaller: {caller}\r\nVault: {vault};location={REGION}"
                ),
            ),
            Self::AccessPolicy => (
                "AccessDenied",
                format!(
                    "The user, group or application 'appid={client};oid={client};numgroups=2;iss={issuer}' does not \
                     have secrets {} permission on key vault '{vault};location={REGION}'. For help resolving this \
                     issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
                    permission(operation)
                ),
            ),
            Self::Rbac => (
                "ForbiddenByRbac",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments \
                     or role definitions were changed recently, please observe propagation time.\r\nCaller: \
                     {caller}\r\nAction: 'Microsoft.KeyVault/vaults/secrets/{}'\r\nResource: '{}'\r\nAssignment: (not \
                     found)\r\nDenyAssignmentId: null\r\nDecisionReason: null\r\nVault: {vault};location={REGION}\r\n",
                    action(operation),
                    resource(service, vault, &call.route.name),
                ),
            ),
        };
        WireError::new(403, "Forbidden", message).inner(inner)
    }
}

/// What a caller may do, for tests of what happens when it may not. A refusal holds for every vault, and for requests
/// whose token is good; what a test does from Rust is never refused.
impl Emulator {
    /// Refuses everything that is asked of a vault.
    pub fn deny_all(&self, denial: Denial) {
        self.deny_matching(denial, |_| true);
    }

    /// Refuses some operations.
    ///
    /// ```
    /// # use keyvault_emulator::{Denial, Emulator, Operation};
    /// # fn example(emulator: &Emulator) {
    /// emulator.deny(Denial::Rbac, &[Operation::List, Operation::ListVersions]);
    /// # }
    /// ```
    pub fn deny(&self, denial: Denial, operations: &[Operation]) {
        let operations = operations.to_vec();
        self.deny_matching(denial, move |head| operations.contains(&head.operation));
    }

    /// Refuses the requests that match.
    ///
    /// The pattern is called while the emulator is locked: it must not call the emulator itself.
    pub fn deny_matching(&self, denial: Denial, pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) {
        self.engine.service.state().access.deny(denial, Box::new(pattern));
    }

    /// Removes all refusals.
    pub fn clear_denials(&self) {
        self.engine.service.state().access.clear();
    }
}

/// Names the permission of an access policy that an operation needs.
fn permission(operation: Operation) -> &'static str {
    match operation {
        Operation::List | Operation::ListVersions | Operation::ListDeleted => "list",
        Operation::Set | Operation::Update => "set",
        Operation::Delete => "delete",
        Operation::Backup => "backup",
        Operation::Restore => "restore",
        Operation::Recover => "recover",
        Operation::Purge => "purge",
        _ => "get",
    }
}

/// Names the data action that an operation needs, as
/// [the roles](https://learn.microsoft.com/azure/role-based-access-control/permissions/security#microsoftkeyvault)
/// list them.
fn action(operation: Operation) -> &'static str {
    match operation {
        Operation::List | Operation::ListVersions | Operation::ListDeleted | Operation::GetDeleted => {
            "readMetadata/action"
        }
        Operation::Set => "setSecret/action",
        Operation::Update => "update/action",
        Operation::Delete => "delete",
        Operation::Backup => "backup/action",
        Operation::Restore => "restore/action",
        Operation::Recover => "recover/action",
        Operation::Purge => "purge/action",
        _ => "getSecret/action",
    }
}

fn resource(service: &Service, vault: &str, name: &str) -> String {
    // There is no subscription; the tenant's identifier has the right shape.
    let vault = format!(
        "/subscriptions/{}/resourcegroups/emulator/providers/microsoft.keyvault/vaults/{vault}",
        service.identity.tenant_id
    );
    if name.is_empty() { vault } else { format!("{vault}/secrets/{name}") }
}
