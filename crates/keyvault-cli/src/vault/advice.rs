//! Details and advice of a report that depend on the command line.

use std::collections::BTreeSet;

use keyvault::report::ReportRow;
use keyvault::{Cloud, ReferenceStatus, Vault};

/// Replaces the detail and advice of each reference to a vault that `--vault` does not allow.
///
/// The resolver's own advice is to change the program, but for the name of a private endpoint, where it names the
/// vault's own host.
pub(super) fn advise(rows: &mut [ReportRow], allowed: &[Vault], referenced: &BTreeSet<Vault>) {
    for row in rows {
        let Some(name) = row.vault.as_deref().filter(|_| row.is_failed()) else { continue };
        if allowed.iter().any(|vault| vault.name() == name) {
            continue;
        }
        let vault = referenced.iter().find(|vault| vault.name() == name);
        if vault.is_some_and(|vault| vault.private_endpoint_of().is_some()) {
            continue;
        }
        row.detail = Some("vault was not named on the command line".to_owned());
        row.advice = vault.map(|vault| match vault.cloud() {
            Some(Cloud::Public) => format!("allow it with --vault {name}"),
            Some(_) => format!("allow it with --vault {}", vault.origin()),
            None => format!("this is not a Key Vault host; if it is yours, allow it with --vault {}", vault.origin()),
        });
    }
}

/// The status of a reference that needs the default vault when no vault was given.
pub(super) const NO_VAULT: ReferenceStatus = ReferenceStatus::VaultNotFound;

/// Fails a reference that needs the default vault when no vault was given.
pub(super) fn require_vault(row: &mut ReportRow) {
    row.vault = None;
    row.status = NO_VAULT;
    row.detail = Some("the reference names no vault, and there is no --vault".to_owned());
    row.advice = Some("name the vault with --vault NAME or KEYVAULT_VAULT=NAME".to_owned());
}
