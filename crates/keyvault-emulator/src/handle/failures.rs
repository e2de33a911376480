//! The failures of an emulator: faults, denials, throttling and latency.

use std::time::Duration;

use super::emulator::Emulator;
use crate::faults::{Denial, Fault, RequestMatcher, Throttle};
use crate::operations::{Operation, RequestHead};

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

    /// Applies a fault to the next `count` requests to the token endpoints. `None` means every request.
    pub fn fault_tokens(&self, count: Option<u64>, fault: Fault) {
        self.add_fault(count, Box::new(|head: &RequestHead| !head.operation.is_vault()), fault);
    }

    /// Removes all faults, even those with applications left. The latency stays.
    pub fn clear_faults(&self) {
        self.service().state().faults.clear();
    }

    /// Sets the latency of each request to a vault.
    pub fn set_latency(&self, latency: Duration) {
        self.service().state().latency = latency;
    }

    fn add_fault(&self, count: Option<u64>, matcher: RequestMatcher, fault: Fault) {
        self.service().state().faults.add(count, matcher, fault);
    }
}

/// Denials: a caller with a valid token lacks access. They apply to every vault, and never to the methods of this type.
impl Emulator {
    /// Denies every request to a vault.
    pub fn deny_all(&self, denial: Denial) {
        self.deny_matching(denial, |_| true);
    }

    /// Denies some operations.
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

    /// Denies the matching requests.
    ///
    /// The emulator is locked while it calls `pattern`, which must not call the emulator.
    pub fn deny_matching(&self, denial: Denial, pattern: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) {
        self.service().state().denials.add(denial, Box::new(pattern));
    }

    /// Removes all denials.
    pub fn clear_denials(&self) {
        self.service().state().denials.clear();
    }
}

/// Throttling. A request counts if its token is valid, even if it fails.
impl Emulator {
    /// Sets the limits of each vault.
    pub fn throttle(&self, limits: Throttle) {
        self.service().state().throttler.set(Some(limits));
    }

    /// Removes the limits.
    pub fn unthrottle(&self) {
        self.service().state().throttler.set(None);
    }
}
