//! Vaults by name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::vault::Vault;

/// The vaults by lower-case name. The default vault has the empty name.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct VaultMap(BTreeMap<String, Vault>);

impl VaultMap {
    /// Returns a vault, created on first use, after purging the deleted secrets whose retention has ended.
    pub(crate) fn open(&mut self, name: &str, now: Duration) -> &mut Vault {
        let vault = self.0.entry(name.to_owned()).or_default();
        vault.purge_expired(now);
        vault
    }

    /// Returns the time of the next issue of a certificate. `None` if none is due at any time.
    pub(crate) fn next_issuance(&self) -> Option<Duration> {
        self.0.values().filter_map(Vault::next_issuance).min()
    }

    /// Removes every vault.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns whether every vault is one that this program could have written.
    pub(crate) fn is_valid(&self) -> bool {
        self.0.values().all(Vault::is_valid)
    }
}
