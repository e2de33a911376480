//! The timetable: when each secret and the next full refresh are due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::live::expiry::next_check;
use crate::resolver::{KnownSecrets, Want};
use crate::secret::SecretId;
use crate::time::{Moment, instant_after, jittered};

/// When the next full refresh is due, and which secrets are due before it.
pub(in crate::live) struct Timetable {
    full: Instant,
    /// Whether an event brought the full refresh forward.
    full_by_event: bool,
    /// Secrets that are due because of an event, a retry or a report.
    due: BTreeMap<SecretId, Due>,
    /// When secrets are due because of their own interval or their dates.
    checks: BTreeMap<SecretId, Instant>,
    /// The secrets with an interval of their own.
    intervals: BTreeMap<SecretId, Duration>,
}

/// A secret that is due by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::live) struct Due {
    pub(in crate::live) at: Instant,
    pub(in crate::live) want: Want,
    /// How many attempts found that the vault does not have the announced version yet.
    pub(in crate::live) attempts: u8,
    /// Whether an event made it due, so that further events join it.
    pub(in crate::live) is_by_event: bool,
}

impl Due {
    /// Makes `want` due at a time.
    pub(in crate::live) fn new(at: Instant, want: Want) -> Self {
        Self { at, want, attempts: 0, is_by_event: false }
    }
}

impl Timetable {
    pub(super) fn new(full: Instant) -> Self {
        Self { full, full_by_event: false, due: BTreeMap::new(), checks: BTreeMap::new(), intervals: BTreeMap::new() }
    }

    /// Returns when the next refresh is due.
    pub(in crate::live) fn next(&self) -> Instant {
        let due = self.due.values().map(|due| due.at);
        due.chain(self.checks.values().copied()).fold(self.full, Instant::min)
    }

    /// Returns whether a full refresh is due.
    pub(in crate::live) fn is_full_due(&self, now: Instant) -> bool {
        self.full <= now
    }

    /// Sets when the next full refresh is due.
    pub(in crate::live) fn set_full(&mut self, at: Instant) {
        (self.full, self.full_by_event) = (at, false);
    }

    /// Brings the next full refresh forward to `at`.
    pub(in crate::live) fn bring_full_forward(&mut self, at: Instant) {
        self.full = self.full.min(at);
    }

    /// Brings the next full refresh forward because of an event. A second event joins the first; `pause` is not called
    /// for it.
    pub(super) fn full_by_event(&mut self, now: Instant, pause: impl FnOnce() -> Duration) {
        if !self.full_by_event {
            self.bring_full_forward(instant_after(now, pause()));
            self.full_by_event = true;
        }
    }

    /// Makes a secret due because of an event. A second event for the same secret joins the first; `pause` is not
    /// called for it.
    pub(super) fn add_event(&mut self, id: SecretId, want: Want, now: Instant, pause: impl FnOnce() -> Duration) {
        match self.due.get_mut(&id) {
            Some(due) if due.is_by_event => due.want.join(want),
            _ => self.add(id, Due { is_by_event: true, ..Due::new(instant_after(now, pause()), want) }),
        }
    }

    /// Makes a secret due. If it is due already, the earlier time counts.
    pub(in crate::live) fn add(&mut self, id: SecretId, due: Due) {
        match self.due.get_mut(&id) {
            Some(known) => {
                known.at = known.at.min(due.at);
                known.attempts = known.attempts.max(due.attempts);
                known.is_by_event |= due.is_by_event;
                known.want.join(due.want);
            }
            None => _ = self.due.insert(id, due),
        }
    }

    /// Sets the secrets with an interval of their own. If one has several, the shortest counts.
    pub(in crate::live) fn set_intervals(&mut self, intervals: impl Iterator<Item = (SecretId, Duration)>) {
        self.intervals.clear();
        for (id, interval) in intervals {
            let known = self.intervals.entry(id).or_insert(interval);
            *known = interval.min(*known);
        }
    }

    /// Schedules the next check of single secrets, by their own interval and their dates: of those that were just
    /// `fetched`, and of new ones. `random` returns numbers in 0..1.
    pub(in crate::live) fn schedule_checks(
        &mut self,
        known: &KnownSecrets,
        fetched: &BTreeSet<SecretId>,
        now: Moment,
        random: impl Fn() -> f64,
    ) {
        self.checks.retain(|id, _| known.get(id).is_some());
        for (id, secret) in known.iter().filter(|(id, _)| id.version().is_none()) {
            if !fetched.contains(id) && self.checks.contains_key(id) {
                continue;
            }
            let own = self.intervals.get(id).map(|interval| jittered(*interval, random()));
            let dates = next_check(secret.secret().properties(), now.time, random());
            match own.into_iter().chain(dates).min() {
                Some(check) => _ = self.checks.insert(id.clone(), instant_after(now.instant, check)),
                None => _ = self.checks.remove(id),
            }
        }
    }

    /// Returns the secrets whose own interval has not passed yet. A full refresh leaves them out.
    pub(in crate::live) fn not_due(&self, now: Instant) -> BTreeSet<SecretId> {
        let is_waiting = |id: &&SecretId| self.checks.get(*id).is_some_and(|check| *check > now);
        self.intervals.keys().filter(is_waiting).cloned().collect()
    }

    /// Brings everything forward by the time that the host was suspended. However long that was, each entry becomes due
    /// once.
    pub(in crate::live) fn advance(&mut self, suspended: Duration, now: Instant) {
        let due = self.due.values_mut().map(|due| &mut due.at);
        for at in due.chain(self.checks.values_mut()).chain([&mut self.full]) {
            *at = at.checked_sub(suspended).unwrap_or(now);
        }
    }

    /// Takes the secrets that are due; all of them if the refresh is full.
    pub(in crate::live) fn take(&mut self, now: Instant, is_full: bool) -> BTreeMap<SecretId, Due> {
        let checks: Vec<SecretId> =
            self.checks.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in checks {
            self.checks.remove(&id);
            self.add(id, Due::new(now, Want::latest()));
        }
        self.full_by_event &= !is_full;
        let all = std::mem::take(&mut self.due);
        let (due, later) = all.into_iter().partition(|(_, due)| is_full || due.at <= now);
        self.due = later;
        due
    }

    /// Returns secrets to the timetable that a refresh took and did not fetch. They are due again at `at`.
    pub(in crate::live) fn put_back(&mut self, unfetched: BTreeMap<SecretId, Due>, at: Instant) {
        for (id, due) in unfetched {
            self.add(id, Due { at, is_by_event: false, ..due });
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
    async fn due_secrets_are_taken_once_and_the_rest_stays() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timetable = Timetable::new(later(300));
        assert_eq!(timetable.next(), later(300));
        timetable.add(id("a"), Due::new(later(20), Want::latest()));
        timetable.add(id("a"), Due::new(later(10), Want::latest()));
        timetable.add(id("b"), Due::new(later(30), Want::latest()));
        assert_eq!(timetable.next(), later(10), "the earlier time counts");
        assert!(timetable.take(later(9), false).is_empty());
        assert_eq!(timetable.take(later(10), false).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(!timetable.is_full_due(later(299)) && timetable.is_full_due(later(300)));
        let unfetched = timetable.take(later(10), true);
        assert_eq!(unfetched.keys().collect::<Vec<_>>(), [&id("b")], "a full refresh takes what is not due yet, too");
        timetable.put_back(unfetched, later(40));
        assert_eq!(timetable.next(), later(40));
        timetable.bring_full_forward(later(35));
        timetable.bring_full_forward(later(90));
        assert_eq!(timetable.next(), later(35));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_suspension_each_entry_is_due_once() {
        let now = Instant::now() + Duration::from_secs(1_000_000);
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timetable = Timetable::new(later(300));
        timetable.checks.insert(id("a"), later(100));
        timetable.add(id("b"), Due::new(later(200), Want::latest()));
        timetable.advance(Duration::from_secs(150), now);
        assert!(!timetable.is_full_due(now) && timetable.is_full_due(later(150)));
        assert_eq!(timetable.take(now, false).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(timetable.take(now, false).is_empty());
        timetable.advance(Duration::from_secs(86_400), now);
        assert!(timetable.is_full_due(now));
        assert_eq!(timetable.take(now, true).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn events_for_a_secret_that_is_due_by_an_event_join_it() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timetable = Timetable::new(later(300));
        let add = |timetable: &mut Timetable, pause| {
            timetable.add_event(id("a"), Want::latest(), now, || Duration::from_secs(pause));
        };
        add(&mut timetable, 20);
        add(&mut timetable, 10);
        assert_eq!(timetable.next(), later(20), "the second event joins the first");
        let taken = timetable.take(later(20), false);
        timetable.put_back(taken, later(60));
        add(&mut timetable, 30);
        assert_eq!(timetable.next(), later(30), "an event brings a retry forward");
        timetable.full_by_event(now, || Duration::from_secs(9));
        timetable.full_by_event(now, || Duration::from_secs(5));
        assert_eq!(timetable.next(), later(9));
        timetable.take(later(9), true);
        timetable.set_full(later(300));
        timetable.full_by_event(now, || Duration::from_secs(5));
        assert_eq!(timetable.next(), later(5));
    }
}
