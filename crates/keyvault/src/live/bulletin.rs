//! What is to be known about secrets in use, told once.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::health::{SecretHealth, SecretStatus};
use super::pulse::Pulse;
use crate::metrics;
use crate::resolver::KnownSecrets;
use crate::secret::SecretId;

/// What was told about the versions in use.
#[derive(Debug, Default)]
pub(super) struct Bulletin {
    told: BTreeSet<(SecretId, SecretStatus)>,
}

impl Bulletin {
    /// Tells watchers and the log, once for each version, what is to be known about secrets. Gives whether there is news.
    pub(super) fn tell(&mut self, held: &KnownSecrets, pulse: &mut Pulse, now: SystemTime, notice: Duration) -> bool {
        let before = pulse.told();
        let mut standing = BTreeSet::new();
        for (id, holding) in held.iter() {
            let secret = holding.secret();
            metrics::expires(secret);
            let status = SecretStatus::of(secret, Some(holding.state()), now, notice);
            if status == SecretStatus::Current {
                continue;
            }
            let fact = (secret.id().clone(), status);
            if !self.told.contains(&fact) {
                // What the name map looks after, it warns of as it was told to.
                let is_warned_of = held.is_mapped(id) && status.is_outside_dates();
                if !is_warned_of {
                    tracing::warn!(secret = %secret.id(), %status, "a secret in use is not as it should be");
                }
                pulse.tell(SecretHealth::new(secret, status));
            }
            standing.insert(fact);
        }
        self.told = standing;
        pulse.told() != before
    }
}
