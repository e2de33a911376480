//! The methods of an emulator that read and move its clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::emulator::Emulator;

/// The clock dates secrets, certificates and tokens, triggers purges and renewals, and measures the throttling window.
/// It affects neither latencies nor the validity of the listener's certificate.
impl Emulator {
    /// Returns the current time of the vaults.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.service().now()
    }

    /// Moves the clock forward. Everything due by then happens, such as a purge, a renewal or the expiry of a token.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = keyvault_emulator::Emulator::start().await?;
    /// emulator.set("a", "1");
    /// emulator.delete("a");
    /// emulator.advance_clock(Duration::from_secs(90 * 86_400));
    /// emulator.set("a", "2"); // the deleted secret is purged, so the name is free
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance_clock(&self, by: Duration) {
        self.service().clock.advance(by);
    }

    /// Moves the clock back. This does not undo a purge.
    pub fn rewind_clock(&self, by: Duration) {
        self.service().clock.rewind(by);
    }

    /// Freezes the clock at the current time. It can still be moved.
    pub fn freeze_clock(&self) {
        self.service().clock.freeze();
    }

    /// Lets a frozen clock run again, from the time it shows.
    pub fn resume_clock(&self) {
        self.service().clock.resume();
    }

    /// Undoes every adjustment of the clock since the start.
    pub fn reset_clock(&self) {
        self.service().clock.reset();
    }
}
