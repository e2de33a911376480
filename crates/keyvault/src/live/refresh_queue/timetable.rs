//! The timetable: when each secret and the next full refresh are due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::live::expiry::next_check;
use crate::resolver::{KnownSecrets, Want};
use crate::secret::{SecretId, Vault};
use crate::time::{Moment, instant_after, jittered};

/// When the next full refresh is due, and which secrets are due before it.
pub(in crate::live) struct Timetable {
    /// `None` while a full refresh runs.
    full: Option<Instant>,
    /// Whether an event brought the full refresh forward, or changes that wait to be published.
    is_brought_forward: bool,
    /// The vaults that failed while others answered: full refreshes leave them out until they are due. `None` while a
    /// refresh retries one.
    resting: BTreeMap<Vault, Option<Instant>>,
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
        Self {
            full: Some(full),
            is_brought_forward: false,
            resting: BTreeMap::new(),
            due: BTreeMap::new(),
            checks: BTreeMap::new(),
            intervals: BTreeMap::new(),
        }
    }

    /// Returns when the next refresh is due; `None` if nothing is due before a running refresh ends.
    pub(in crate::live) fn next(&self) -> Option<Instant> {
        let due = self.due.values().map(|due| due.at).chain(self.checks.values().copied());
        due.chain(self.full).chain(self.resting.values().copied().flatten()).min()
    }

    /// Returns whether a full refresh is due.
    pub(in crate::live) fn is_full_due(&self, now: Instant) -> bool {
        self.full.is_some_and(|full| full <= now)
    }

    /// Takes the full refresh out, because it begins.
    pub(in crate::live) fn take_full(&mut self) {
        (self.full, self.is_brought_forward) = (None, false);
    }

    /// Sets when the next full refresh is due, after one ended. An event that arrived meanwhile may have brought it
    /// forward.
    pub(in crate::live) fn set_full(&mut self, at: Instant) {
        let brought_forward = self.full.filter(|_| self.is_brought_forward);
        self.full = Some(brought_forward.map_or(at, |forward| forward.min(at)));
    }

    /// Brings the next full refresh forward to `at`. One that runs may have missed the reason, so another follows it.
    pub(in crate::live) fn bring_full_forward(&mut self, at: Instant) {
        self.is_brought_forward |= self.full.is_none();
        self.full = Some(self.full.map_or(at, |full| full.min(at)));
    }

    /// Returns the vaults that rest at `now`.
    pub(in crate::live) fn resting(&self, now: Instant) -> BTreeSet<Vault> {
        let is_resting = |at: &Option<Instant>| at.is_none_or(|at| at > now);
        self.resting.iter().filter(|(_, at)| is_resting(at)).map(|(vault, _)| vault.clone()).collect()
    }

    /// Returns whether a vault that rested is due.
    pub(in crate::live) fn is_rested(&self, now: Instant) -> bool {
        self.resting.values().flatten().any(|at| *at <= now)
    }

    /// Leaves `vault` out of full refreshes until `at`.
    pub(in crate::live) fn rest(&mut self, vault: Vault, at: Instant) {
        self.resting.insert(vault, Some(at));
    }

    /// Begins to retry the vaults that rested, except those that are `left_out`, and returns them.
    pub(in crate::live) fn retry(&mut self, left_out: &BTreeSet<Vault>) -> BTreeSet<Vault> {
        let retried = self.resting.iter_mut().filter(|(vault, _)| !left_out.contains(*vault));
        retried
            .map(|(vault, at)| {
                *at = None;
                vault.clone()
            })
            .collect()
    }

    /// Returns the vaults that refreshes retry.
    pub(in crate::live) fn retried(&self) -> BTreeSet<Vault> {
        self.resting.iter().filter(|(_, at)| at.is_none()).map(|(vault, _)| vault.clone()).collect()
    }

    /// Includes the vaults that answered in full refreshes again.
    pub(in crate::live) fn recover(&mut self, has_answered: impl Fn(&Vault) -> bool) {
        self.resting.retain(|vault, _| !has_answered(vault));
    }

    /// Brings the next full refresh forward because of an event. A second event joins the first; `pause` is not called
    /// for it.
    pub(super) fn full_by_event(&mut self, now: Instant, pause: impl FnOnce() -> Duration) {
        if !self.is_brought_forward {
            self.bring_full_forward(instant_after(now, pause()));
            self.is_brought_forward = true;
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
            let dates = next_check(secret.dates(), now.time, random());
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
        let due = self.due.values_mut().map(|due| &mut due.at).chain(self.checks.values_mut());
        for at in due.chain(&mut self.full).chain(self.resting.values_mut().flatten()) {
            *at = at.checked_sub(suspended).unwrap_or(now);
        }
    }

    /// Takes all secrets of the vaults that a full refresh covers, due or not.
    pub(in crate::live) fn take_covered(
        &mut self,
        now: Instant,
        left_out: &BTreeSet<Vault>,
    ) -> BTreeMap<SecretId, Due> {
        self.take(now, |id, _| !left_out.contains(id.vault()))
    }

    /// Returns the secrets that [`take_covered`](Self::take_covered) takes, and leaves them in the timetable. None is
    /// due before `at`.
    pub(in crate::live) fn copy_covered(
        &mut self,
        now: Instant,
        left_out: &BTreeSet<Vault>,
        at: Instant,
    ) -> BTreeMap<SecretId, Due> {
        let mut covered = self.take_covered(now, left_out);
        covered.values_mut().for_each(|due| due.at = due.at.max(at));
        self.due.extend(covered.clone());
        covered
    }

    /// Removes secrets that were copied, unless something changed them since.
    pub(in crate::live) fn forget(&mut self, copied: &BTreeMap<SecretId, Due>) {
        self.due.retain(|id, due| copied.get(id) != Some(due));
    }

    /// Takes the secrets that are due.
    pub(in crate::live) fn take_due(&mut self, now: Instant) -> BTreeMap<SecretId, Due> {
        self.take(now, |_, due| due.at <= now)
    }

    fn take(&mut self, now: Instant, is_taken: impl Fn(&SecretId, &Due) -> bool) -> BTreeMap<SecretId, Due> {
        let checks: Vec<SecretId> =
            self.checks.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone()).collect();
        for id in checks {
            self.checks.remove(&id);
            self.add(id, Due::new(now, Want::latest()));
        }
        let all = std::mem::take(&mut self.due);
        let (due, later) = all.into_iter().partition(|(id, due)| is_taken(id, due));
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
        assert_eq!(timetable.next(), Some(later(300)));
        timetable.add(id("a"), Due::new(later(20), Want::latest()));
        timetable.add(id("a"), Due::new(later(10), Want::latest()));
        timetable.add(id("b"), Due::new(later(30), Want::latest()));
        assert_eq!(timetable.next(), Some(later(10)), "the earlier time counts");
        assert!(timetable.take_due(later(9)).is_empty());
        assert_eq!(timetable.take_due(later(10)).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(!timetable.is_full_due(later(299)) && timetable.is_full_due(later(300)));
        let unfetched = timetable.take_covered(later(10), &BTreeSet::new());
        assert_eq!(unfetched.keys().collect::<Vec<_>>(), [&id("b")], "a full refresh takes what is not due yet, too");
        timetable.put_back(unfetched, later(40));
        assert_eq!(timetable.next(), Some(later(40)));
        timetable.bring_full_forward(later(35));
        timetable.bring_full_forward(later(90));
        assert_eq!(timetable.next(), Some(later(35)));
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
        assert_eq!(timetable.take_due(now).into_keys().collect::<Vec<_>>(), [id("a")]);
        assert!(timetable.take_due(now).is_empty());
        timetable.advance(Duration::from_secs(86_400), now);
        assert!(timetable.is_full_due(now));
        assert_eq!(timetable.take_covered(now, &BTreeSet::new()).len(), 1);
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
        assert_eq!(timetable.next(), Some(later(20)), "the second event joins the first");
        let taken = timetable.take_due(later(20));
        timetable.put_back(taken, later(60));
        add(&mut timetable, 30);
        assert_eq!(timetable.next(), Some(later(30)), "an event brings a retry forward");
        timetable.full_by_event(now, || Duration::from_secs(9));
        timetable.full_by_event(now, || Duration::from_secs(5));
        assert_eq!(timetable.next(), Some(later(9)));
        timetable.take_full();
        timetable.set_full(later(300));
        timetable.full_by_event(now, || Duration::from_secs(5));
        assert_eq!(timetable.next(), Some(later(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_copied_secret_stays_until_it_is_forgotten() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timetable = Timetable::new(later(300));
        timetable.add(id("a"), Due::new(now, Want::latest()));
        let copied = timetable.copy_covered(now, &BTreeSet::new(), later(1));
        assert_eq!((copied.len(), timetable.next()), (1, Some(later(1))));
        timetable.forget(&copied);
        assert_eq!(timetable.next(), Some(later(300)));
        let copied = timetable.copy_covered(now, &BTreeSet::new(), later(1));
        assert!(copied.is_empty());
        timetable.add(id("a"), Due::new(now, Want::latest()));
        let copied = timetable.copy_covered(now, &[id("a").vault().clone()].into(), later(1));
        assert!(copied.is_empty() && timetable.next() == Some(now), "a vault that is left out is not copied");
        let copied = timetable.copy_covered(now, &BTreeSet::new(), later(1));
        timetable.add(id("a"), Due::new(later(2), Want { versions: BTreeSet::new(), latest: true }));
        timetable.put_back(copied.clone(), now);
        timetable.forget(&copied);
        assert_eq!(timetable.next(), Some(now), "what changed since stays");
    }

    #[tokio::test(start_paused = true)]
    async fn a_vault_that_failed_is_left_out_until_it_is_due() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut timetable = Timetable::new(later(300));
        let vault = id("a").vault().clone();
        timetable.rest(vault.clone(), later(10));
        assert_eq!(timetable.resting(later(9)), [vault.clone()].into());
        assert!(!timetable.is_rested(later(9)) && timetable.is_rested(later(10)));
        assert_eq!(timetable.next(), Some(later(10)));
        assert_eq!(timetable.retry(&BTreeSet::new()), [vault.clone()].into());
        assert_eq!(timetable.resting(later(60)), [vault.clone()].into(), "while a refresh retries it");
        assert_eq!(timetable.next(), Some(later(300)));
        timetable.recover(|_| true);
        assert!(timetable.resting(now).is_empty());
    }
}
