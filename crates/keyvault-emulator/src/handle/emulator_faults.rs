//! The methods of an emulator that set faults and latency.

use std::time::Duration;

use super::emulator::Emulator;
use crate::faults::{Fault, RequestMatcher};
use crate::operations::RequestHead;

/// Faults: failures between a client and a vault.
impl Emulator {
    /// Applies a fault to every request to a vault until [`clear_faults`](Self::clear_faults). The newest such fault
    /// has precedence.
    pub fn fault(&self, fault: Fault) {
        self.fault_matching(None, |_| true, fault);
    }

    /// Applies a fault to the next `count` requests to a vault, with precedence over faults without a count. Several
    /// calls make a sequence.
    pub fn fault_next(&self, count: u64, fault: Fault) {
        self.fault_matching(Some(count), |_| true, fault);
    }

    /// Applies a fault to the next `count` matching requests to a vault. `None` means every matching request.
    ///
    /// The emulator is locked while it calls `pattern`, which must not call the emulator.
    ///
    /// ```
    /// # use keyvault_emulator::{Emulator, Fault};
    /// # fn example(emulator: &Emulator) {
    /// emulator.fault_matching(Some(2), |head| head.path_and_query.contains("/db-password"), Fault::status(503));
    /// # }
    /// ```
    pub fn fault_matching(
        &self,
        count: Option<u64>,
        pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) {
        let matcher = Box::new(move |head: &RequestHead| head.operation.is_vault() && pattern(head));
        self.add_fault(count, matcher, fault);
    }

    /// Applies a fault to the next `count` requests for one secret of the default vault: gets, versions and changes of
    /// it. `None` means every such request. [`VaultHandle::fault_secret`] does the same in another vault.
    ///
    /// ```
    /// # use keyvault_emulator::{Emulator, Fault};
    /// # fn example(emulator: &Emulator) {
    /// emulator.fault_secret("db-password", None, Fault::status(503));
    /// # }
    /// ```
    ///
    /// [`VaultHandle::fault_secret`]: crate::VaultHandle::fault_secret
    pub fn fault_secret(&self, name: &str, count: Option<u64>, fault: Fault) {
        self.vault("").fault_secret(name, count, fault);
    }

    /// Applies a fault to the next `count` requests to the token endpoints. `None` means every request.
    pub fn fault_tokens(&self, count: Option<u64>, fault: Fault) {
        self.add_fault(count, Box::new(|head: &RequestHead| head.operation.is_identity()), fault);
    }

    /// Removes all faults, even those with applications left. The latency stays.
    pub fn clear_faults(&self) {
        self.service().state().faults.clear();
    }

    /// Sets the latency of each request to a vault or an App Configuration store.
    pub fn set_latency(&self, latency: Duration) {
        self.service().state().latency = latency;
    }

    fn add_fault(&self, count: Option<u64>, matcher: RequestMatcher, fault: Fault) {
        self.service().state().faults.add(count, matcher, fault);
    }
}
