//! The soft-delete settings of a vault.

use std::time::Duration;

/// The retention of deleted secrets, and whether they can be purged earlier.
///
/// See [soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecoveryPolicy {
    pub(crate) retention_days: u8,
    pub(crate) purge_protection: bool,
    /// The duration of a deletion, a recovery or a purge.
    pub(crate) transition: Duration,
}

impl RecoveryPolicy {
    /// Returns the value of the attribute `recoveryLevel`.
    pub(crate) fn recovery_level(&self) -> &'static str {
        match (self.retention_days, self.purge_protection) {
            (90, false) => "Recoverable+Purgeable",
            (90, true) => "Recoverable",
            (_, false) => "CustomizedRecoverable+Purgeable",
            (_, true) => "CustomizedRecoverable",
        }
    }

    /// Returns the time between a deletion and the automatic purge.
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_days) * 86_400)
    }
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { retention_days: 90, purge_protection: false, transition: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recovery_level_names_retention_and_purge_protection() {
        for (retention_days, purge_protection, level) in [
            (90, false, "Recoverable+Purgeable"),
            (90, true, "Recoverable"),
            (7, false, "CustomizedRecoverable+Purgeable"),
            (89, true, "CustomizedRecoverable"),
        ] {
            let policy = RecoveryPolicy { retention_days, purge_protection, ..RecoveryPolicy::default() };
            assert_eq!(policy.recovery_level(), level, "{policy:?}");
        }
    }
}
