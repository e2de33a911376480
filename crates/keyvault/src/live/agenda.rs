//! What is to be asked for, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Moment;
use super::expiry::next_look;
use super::schedule::jittered;
use crate::resolver::{KnownSecrets, Want};
use crate::secret::SecretId;

/// When everything is asked for next, and which secrets are due before.
#[derive(Debug)]
pub(super) struct Agenda {
    complete: Instant,
    due: BTreeMap<SecretId, Due>,
    /// When secrets are looked at because of their own interval or dates.
    looks: BTreeMap<SecretId, Instant>,
    /// The secrets that have an interval of their own.
    intervals: BTreeMap<SecretId, Duration>,
}

/// A secret that is due by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Due {
    pub(super) at: Instant,
    pub(super) wanted: Want,
    /// How often it was tried for the sake of a version that the vault did not have.
    pub(super) tries: u8,
}

impl Due {
    /// Makes what is wanted due at a time.
    pub(super) fn new(at: Instant, wanted: Want) -> Self {
        Self { at, wanted, tries: 0 }
    }
}

impl Agenda {
    pub(super) fn new(complete: Instant) -> Self {
        Self { complete, due: BTreeMap::new(), looks: BTreeMap::new(), intervals: BTreeMap::new() }
    }

    /// Tells when something is due next.
    pub(super) fn next(&self) -> Instant {
        let due = self.due.values().map(|due| due.at);
        due.chain(self.looks.values().copied()).fold(self.complete, Instant::min)
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

    /// Gives secrets intervals of their own; of several the shortest counts.
    pub(super) fn set_intervals(&mut self, intervals: impl Iterator<Item = (SecretId, Duration)>) {
        self.intervals.clear();
        for (id, interval) in intervals {
            let known = self.intervals.entry(id).or_insert(interval);
            *known = interval.min(*known);
        }
    }

    /// Plans when single secrets are looked at, by their own interval and their own dates: those that the vault was just
    /// `asked` for, and those that are new. `random` gives numbers in 0..1.
    pub(super) fn plan(
        &mut self,
        held: &KnownSecrets,
        asked: &BTreeSet<SecretId>,
        now: Moment,
        random: impl Fn() -> f64,
    ) {
        self.looks.retain(|id, _| held.get(id).is_some());
        for (id, holding) in held.iter().filter(|(id, _)| id.version().is_none()) {
            if !asked.contains(id) && self.looks.contains_key(id) {
                continue;
            }
            let own = self.intervals.get(id).map(|interval| jittered(*interval, random()));
            let dates = next_look(holding.secret().properties(), now.time, random());
            match own.into_iter().chain(dates).min() {
                Some(look) => _ = self.looks.insert(id.clone(), now.instant + look),
                None => _ = self.looks.remove(id),
            }
        }
    }

    /// Tells the secrets whose own interval has not passed yet: they are left out when everything is asked for.
    pub(super) fn spared(&self, now: Instant) -> BTreeSet<SecretId> {
        let is_spared = |id: &&SecretId| self.looks.get(*id).is_some_and(|look| *look > now);
        self.intervals.keys().filter(is_spared).cloned().collect()
    }

    /// Brings everything forward by the time that the host slept. What has become due is due once, however long it slept.
    pub(super) fn advance(&mut self, slept: Duration, now: Instant) {
        let due = self.due.values_mut().map(|due| &mut due.at);
        for at in due.chain(self.looks.values_mut()).chain([&mut self.complete]) {
            *at = at.checked_sub(slept).unwrap_or(now);
        }
    }

    /// Takes the secrets that are due; all of them if everything is asked for anyway.
    pub(super) fn take(&mut self, now: Instant, is_complete: bool) -> BTreeMap<SecretId, Due> {
        let looks: Vec<SecretId> = self.looks.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in looks {
            self.looks.remove(&id);
            self.add(id, Due::new(now, Want::latest()));
        }
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
        agenda.add(id("a"), Due::new(later(20), Want::latest()));
        agenda.add(id("a"), Due::new(later(10), Want::latest()));
        agenda.add(id("b"), Due::new(later(30), Want::latest()));
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

    #[tokio::test(start_paused = true)]
    async fn after_a_sleep_everything_is_due_once() {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut agenda = Agenda::new(later(300));
        agenda.looks.insert(id("a"), later(100));
        agenda.add(id("b"), Due::new(later(200), Want::latest()));
        agenda.advance(Duration::from_secs(150), now);
        assert!(!agenda.is_complete_due(now) && agenda.is_complete_due(later(150)));
        assert_eq!(agenda.take(now, false).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(agenda.take(now, false).is_empty());
        agenda.advance(Duration::from_secs(86_400), now);
        assert!(agenda.is_complete_due(now));
        assert_eq!(agenda.take(now, true).len(), 1);
    }
}
