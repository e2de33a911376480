//! The methods of an emulator that set its limits.

use super::emulator::Emulator;
use crate::faults::Throttle;

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
