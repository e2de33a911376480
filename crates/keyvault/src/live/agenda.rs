//! What is to be asked for, and when.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::errand::Wanted;
use crate::secret::SecretId;

/// When everything is asked for next, and which secrets are due before.
#[derive(Debug)]
pub(super) struct Agenda {
    complete: Instant,
    due: BTreeMap<SecretId, Due>,
}

/// A secret that is due by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Due {
    pub(super) at: Instant,
    pub(super) wanted: Wanted,
    /// How often it was tried for the sake of a version that the vault did not have.
    pub(super) tries: u8,
}

impl Due {
    /// Makes what is wanted due at a time.
    pub(super) fn new(at: Instant, wanted: Wanted) -> Self {
        Self { at, wanted, tries: 0 }
    }
}

impl Agenda {
    pub(super) fn new(complete: Instant) -> Self {
        Self { complete, due: BTreeMap::new() }
    }

    /// Tells when something is due next.
    pub(super) fn next(&self) -> Instant {
        self.due.values().map(|due| due.at).fold(self.complete, Instant::min)
    }

    /// Tells whether everything is due.
    pub(super) fn is_complete_due(&self, now: Instant) -> bool {
        self.complete <= now
    }

    /// Puts off everything until `at`.
    pub(super) fn complete_at(&mut self, at: Instant) {
        self.complete = at;
    }

    /// Brings everything forward to `at`.
    pub(super) fn complete_by(&mut self, at: Instant) {
        self.complete = self.complete.min(at);
    }

    /// Adds a secret; of one that is due already, the earlier time counts.
    pub(super) fn add(&mut self, id: SecretId, due: Due) {
        match self.due.get_mut(&id) {
            Some(known) => {
                known.at = known.at.min(due.at);
                known.tries = known.tries.max(due.tries);
                known.wanted.join(due.wanted);
            }
            None => _ = self.due.insert(id, due),
        }
    }

    /// Takes the secrets that are due; all of them if everything is asked for anyway.
    pub(super) fn take(&mut self, now: Instant, is_complete: bool) -> BTreeMap<SecretId, Due> {
        let all = std::mem::take(&mut self.due);
        let (due, later) = all.into_iter().partition(|(_, due)| is_complete || due.at <= now);
        self.due = later;
        due
    }

    /// Takes back what was not done, to be tried again at `at`.
    pub(super) fn put_back(&mut self, undone: BTreeMap<SecretId, Due>, at: Instant) {
        for (id, due) in undone {
            self.add(id, Due { at, ..due });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(name: &str) -> SecretId {
        SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_taken_once_and_the_rest_stays() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut agenda = Agenda::new(later(300));
        assert_eq!(agenda.next(), later(300));
        agenda.add(id("a"), Due::new(later(20), Wanted::latest()));
        agenda.add(id("a"), Due::new(later(10), Wanted::latest()));
        agenda.add(id("b"), Due::new(later(30), Wanted::latest()));
        assert_eq!(agenda.next(), later(10), "the earlier time counts");
        assert!(agenda.take(later(9), false).is_empty());
        assert_eq!(agenda.take(later(10), false).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(!agenda.is_complete_due(later(299)) && agenda.is_complete_due(later(300)));
        let undone = agenda.take(later(10), true);
        assert_eq!(undone.keys().collect::<Vec<_>>(), [&id("b")], "a complete pass takes what is not due yet, too");
        agenda.put_back(undone, later(40));
        assert_eq!(agenda.next(), later(40));
        agenda.complete_by(later(35));
        agenda.complete_by(later(90));
        assert_eq!(agenda.next(), later(35));
    }
}
