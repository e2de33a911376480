//! How a vault treats what is deleted.

use std::time::Duration;

/// Says for how long, and whether it can be purged before.
///
/// See [soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) retention_days: u8,
    pub(crate) purge_protection: bool,
    /// How long a deletion or a recovery takes.
    pub(crate) transition: Duration,
}

impl Policy {
    /// Names the policy as the attribute `recoveryLevel` does.
    pub(crate) fn recovery_level(&self) -> &'static str {
        match (self.retention_days, self.purge_protection) {
            (90, false) => "Recoverable+Purgeable",
            (90, true) => "Recoverable",
            (_, false) => "CustomizedRecoverable+Purgeable",
            (_, true) => "CustomizedRecoverable",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { retention_days: 90, purge_protection: false, transition: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_names_retention_and_purge_protection() {
        for (retention_days, purge_protection, level) in [
            (90, false, "Recoverable+Purgeable"),
            (90, true, "Recoverable"),
            (7, false, "CustomizedRecoverable+Purgeable"),
            (89, true, "CustomizedRecoverable"),
        ] {
            let policy = Policy { retention_days, purge_protection, ..Policy::default() };
            assert_eq!(policy.recovery_level(), level, "{policy:?}");
        }
    }
}
