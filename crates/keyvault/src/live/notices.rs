//! Failures, and facts about secrets in use that watchers and the log report once for each version.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::health::{SecretHealth, SecretStatus};
use super::publication::Change;
use crate::error::Error;
use crate::metrics;
use crate::resolver::KnownSecrets;
use crate::secret::SecretId;

/// An item of a [`Watcher`](super::Watcher).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Notice {
    /// New settings were published.
    Changed(Change),
    /// A refresh failed, or the background task ended by itself. The last good settings stay.
    Failed(Error),
    /// The vault took away a secret in use, where that [counts](super::Revocation::Revoke): health is red.
    Revoked(Error),
    /// A secret in use expires soon, has expired, is not valid yet, or is not the vault's latest version. Each fact is
    /// reported once for each version.
    Secret(SecretHealth),
    /// The watcher was read too slowly and lost this number of the oldest `Failed`, `Revoked` and `Secret` notices.
    /// [`Live::health`](super::Live::health) shows what still holds.
    Missed(u64),
}

/// The last failures and facts about secrets, numbered. A watcher that falls far behind misses the oldest, and learns
/// how many.
#[derive(Default)]
pub(super) struct Notices {
    count: u64,
    last: VecDeque<Notice>,
    /// The facts about the versions in use that were announced already.
    announced: BTreeSet<(SecretId, SecretStatus)>,
}

const MOST_NOTICES: usize = 64;

impl Notices {
    /// Announces new facts about secrets in use, to watchers and the log. Returns whether there were any.
    pub(super) fn announce(&mut self, known: &KnownSecrets, now: SystemTime, notice: Duration) -> bool {
        let before = self.count;
        let mut current = BTreeSet::new();
        for (id, entry) in known.iter() {
            let (secret, dates) = (entry.secret().id(), entry.dates());
            metrics::expires(secret, dates.expires);
            let status = SecretStatus::of(dates, Some(entry.state()), now, notice);
            if status == SecretStatus::Current {
                continue;
            }
            let fact = (secret.clone(), status);
            if !self.announced.contains(&fact) {
                // The name map logs the dates of the secrets that it maps.
                let is_logged = known.is_mapped(id) && status.is_outside_dates();
                if !is_logged {
                    tracing::warn!(%secret, %status, "a secret in use is not a valid latest version");
                }
                self.push(Notice::Secret(SecretHealth::new(secret, status, dates)));
            }
            current.insert(fact);
        }
        self.announced = current;
        self.count != before
    }

    /// Adds a notice for every watcher.
    pub(super) fn push(&mut self, notice: Notice) {
        if self.last.len() == MOST_NOTICES {
            self.last.pop_front();
        }
        self.last.push_back(notice);
        self.count += 1;
    }

    /// Returns the number of notices so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the first notice after the first `seen`, and how many are seen with it.
    pub(super) fn after(&self, seen: u64) -> Option<(u64, Notice)> {
        let oldest = self.count - self.last.len() as u64;
        if seen < oldest {
            return Some((oldest, Notice::Missed(oldest - seen)));
        }
        let notice = self.last.get(usize::try_from(seen - oldest).ok()?)?;
        Some((seen + 1, notice.clone()))
    }
}
