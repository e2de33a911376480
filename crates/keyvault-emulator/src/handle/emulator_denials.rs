//! The methods of an emulator that deny access.

use super::emulator::Emulator;
use crate::faults::Denial;
use crate::operations::{Operation, RequestHead};

/// Denials: a caller with a valid token lacks access. They never apply to the methods of this type.
impl Emulator {
    /// Denies every request to a vault.
    pub fn deny_all(&self, denial: Denial) {
        self.deny_matching(denial, |_| true);
    }

    /// Denies some operations in every vault.
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

    /// Denies the requests for one secret of the default vault: gets, versions and changes of it, but no lists.
    /// [`VaultHandle::deny_secret`] does the same in another vault.
    ///
    /// ```
    /// # use keyvault_emulator::{Denial, Emulator};
    /// # fn example(emulator: &Emulator) {
    /// emulator.deny_secret("db-password", Denial::Rbac);
    /// # }
    /// ```
    ///
    /// [`VaultHandle::deny_secret`]: crate::VaultHandle::deny_secret
    pub fn deny_secret(&self, name: &str, denial: Denial) {
        self.vault("").deny_secret(name, denial);
    }

    /// Denies the matching requests to a vault.
    ///
    /// The emulator is locked while it calls `pattern`, which must not call the emulator.
    pub fn deny_matching(&self, denial: Denial, pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) {
        let matcher = Box::new(move |head: &RequestHead| head.operation.is_vault() && pattern(head));
        self.service().state().denials.add(denial, matcher);
    }

    /// Removes all denials.
    pub fn clear_denials(&self) {
        self.service().state().denials.clear();
    }
}
