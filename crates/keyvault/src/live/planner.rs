//! The plan: what the next refresh fetches, and when the one after it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::credential_report::CredentialReports;
use super::pending_calls::PendingCalls;
use super::planned_refresh::PlannedRefresh;
use super::refresh_cycle::Outcome;
use super::refresh_queue::Due;
use super::schedule::Schedule;
use super::shared_state::SharedState;
use crate::error::{Error, Result};
use crate::resolver::{FetchPlan, KnownSecrets, Want};
use crate::secret::{SecretId, SecretVersion};
use crate::time::{Moment, instant_after};

/// Plans refreshes from the queue, the waiting callers and the results of earlier refreshes.
pub(super) struct Planner {
    state: Arc<SharedState>,
    known: Arc<KnownSecrets>,
    /// The pauses between full refreshes.
    full: Schedule,
    /// The pauses between refreshes of single secrets.
    single: Schedule,
    /// When the loop last read the clocks.
    awake: Moment,
}

impl Planner {
    /// Creates a planner for settings that `plan` loaded. It schedules the next full refresh.
    pub(super) fn new(state: Arc<SharedState>, plan: FetchPlan) -> Self {
        let interval = state.options.interval;
        let (mut full, awake) = (Schedule::new(interval), state.now());
        let pause = match &state.health_state().last_failure {
            // The settings come from a sealed snapshot, and the vaults are retried as after any failure.
            Some(failure) => full.after_failure(&failure.error, fastrand::f64()),
            None => full.after_success(fastrand::f64()),
        };
        state.queue.timetable(|timetable| timetable.set_full(instant_after(awake.instant, pause)));
        let mut planner = Self { state, known: Arc::default(), full, single: Schedule::new(interval), awake };
        planner.commit(plan, &BTreeSet::new());
        planner.state.set_next_refresh(awake);
        planner
    }

    /// Returns the versions that each secret is known to have.
    pub(super) fn known(&self) -> &Arc<KnownSecrets> {
        &self.known
    }

    /// Reads the clocks, and brings everything forward by the time that the host was suspended.
    pub(super) fn wake(&mut self) -> Moment {
        let now = self.state.now();
        let suspended = self.awake.suspended_until(now);
        self.awake = now;
        if suspended >= SHORTEST_SUSPENSION {
            self.state.queue.timetable(|timetable| timetable.advance(suspended, now.instant));
        }
        now
    }

    /// Plans the refresh that is requested or due; `None` if there is none.
    pub(super) fn next(&mut self, calls: &mut PendingCalls) -> Option<PlannedRefresh> {
        if let Some(refresh) = self.for_reports(&mut calls.reports) {
            return Some(refresh);
        }
        let Moment { instant: now, time } = self.awake;
        let is_requested = calls.want_full();
        let (is_full, mut due, not_due) = self.state.queue.timetable(|timetable| {
            let is_full = is_requested || timetable.is_full_due(now);
            (is_full, timetable.take(now, is_full), timetable.not_due(now))
        });
        due.retain(|id, due| self.has_unknown(id, &mut due.want));
        let known = Arc::clone(&self.known);
        if !is_full {
            return (!due.is_empty()).then(|| PlannedRefresh::partial(known, time, due));
        }
        let mut refresh = PlannedRefresh { is_requested, ..PlannedRefresh::full(known, time, due) };
        if !is_requested {
            refresh.plan.excluded = not_due;
        }
        Some(refresh)
    }

    /// Plans the refresh that credential reports wait for. An application that cannot log in waits for nothing else
    /// that is due or broken.
    fn for_reports(&mut self, reports: &mut CredentialReports) -> Option<PlannedRefresh> {
        if !reports.is_waiting() {
            return None;
        }
        let Moment { instant: now, time } = self.awake;
        let reverting = reports.reverting();
        let mut due = BTreeMap::new();
        if reverting.is_empty() {
            let to_fetch = reports.start(Arc::make_mut(&mut self.known), now);
            due.extend(to_fetch.into_iter().map(|id| (id, Due::new(now, Want::latest()))));
            if due.is_empty() {
                return None;
            }
        }
        let mut refresh = PlannedRefresh::partial(Arc::clone(&self.known), time, due);
        (refresh.plan.reverting, refresh.is_requested) = (reverting, true);
        Some(refresh)
    }

    /// Returns whether anything is wanted that was not read since the secret became due.
    fn has_unknown(&self, id: &SecretId, want: &mut Want) -> bool {
        if let Some(known) = self.known.get(id) {
            want.versions.retain(|version: &SecretVersion| !known.has_seen(version));
        }
        want.latest || !want.versions.is_empty()
    }

    /// Takes over the result of a refresh, and plans the following ones.
    pub(super) fn learn(&mut self, refresh: PlannedRefresh, outcome: &Result<Outcome>) {
        match outcome {
            Ok(Outcome::Changed(_) | Outcome::Unchanged) => self.succeed(refresh),
            Ok(Outcome::Debounced(end)) => self.wait_for_more(refresh, *end),
            Err(error) => self.retry(refresh, error),
        }
    }

    fn schedule(&mut self, refresh: &PlannedRefresh) -> &mut Schedule {
        if refresh.is_full() { &mut self.full } else { &mut self.single }
    }

    /// Plans the retry of a refresh that failed. Secrets that are not at fault do not wait for it.
    fn retry(&mut self, mut refresh: PlannedRefresh, error: &Error) {
        let (now, random) = (Instant::now(), fastrand::f64());
        // A version that is not valid yet is refused today, and worth a retry on its first day.
        let valid = refresh.plan.until_valid().map(|left| left.saturating_add(SHORTEST_SUSPENSION.mul_f64(random)));
        let pause = self.schedule(&refresh).after_failure(error, random).min(valid.unwrap_or(Duration::MAX));
        let unaffected = refresh.take_unaffected(error);
        self.state.queue.timetable(|timetable| {
            if refresh.is_full() {
                timetable.set_full(instant_after(now, pause));
            }
            timetable.put_back(unaffected, now);
            timetable.put_back(refresh.due, instant_after(now, pause));
        });
    }

    /// Plans the next look at changes that wait to be published. The vaults answered, so the back-off starts again.
    fn wait_for_more(&mut self, refresh: PlannedRefresh, end: Instant) {
        self.schedule(&refresh).after_success(fastrand::f64());
        self.state.queue.timetable(|timetable| {
            if refresh.is_full() {
                timetable.set_full(end);
            } else {
                // Refreshes of single secrets each see their own change, and must not put off the full one forever.
                timetable.bring_full_forward(end);
            }
            timetable.put_back(refresh.due, end);
        });
    }

    /// Takes over the secrets of a refresh whose settings are current, and plans the next one.
    fn succeed(&mut self, mut refresh: PlannedRefresh) {
        let (now, random, is_full) = (Instant::now(), fastrand::f64(), refresh.is_full());
        for (id, versions) in refresh.plan.take_awaited() {
            let attempts = refresh.due.get(&id).map_or(0, |due| due.attempts) + 1;
            self.await_version(id, versions, attempts);
        }
        // A secret that keeps its last good version is retried as after a failure.
        let (lapse, kept) = {
            let health = self.state.health_state();
            (health.lapse.clone(), health.kept())
        };
        refresh.due.retain(|id, _| lapse.is_some() && !refresh.plan.has_read(id));
        let pause = match &lapse {
            Some(error) if is_full || !refresh.due.is_empty() => self.schedule(&refresh).after_failure(error, random),
            _ => self.schedule(&refresh).after_success(random),
        };
        if is_full {
            // A full refresh reads the secrets that are due by themselves too.
            self.single.after_success(random);
        }
        self.state.queue.timetable(|timetable| {
            if is_full {
                timetable.set_full(instant_after(now, pause));
            }
            timetable.put_back(refresh.due, instant_after(now, pause));
        });
        self.commit(refresh.plan, &kept);
    }

    /// Plans another look for versions that an event announced and the vault does not have: it copies new versions to
    /// its other machines within seconds.
    fn await_version(&mut self, id: SecretId, versions: BTreeSet<SecretVersion>, attempts: u8) {
        if attempts > MOST_ATTEMPTS {
            tracing::warn!(secret = %id, "an event announced a version that the vault does not have");
            return;
        }
        let at = Instant::now() + FIRST_ATTEMPT * (1 << (attempts - 1));
        let due = Due { attempts, ..Due::new(at, Want { versions, latest: false }) };
        self.state.queue.timetable(|timetable| timetable.add(id, due));
    }

    /// Takes over the secrets that were read for the current settings. Some settings keep the last version of `kept`
    /// secrets.
    fn commit(&mut self, plan: FetchPlan, kept: &BTreeSet<SecretId>) {
        let observed = plan.into_observed();
        let fetched: BTreeSet<SecretId> = observed.states.keys().cloned().collect();
        Arc::make_mut(&mut self.known).commit(observed, kept);
        self.state.queue.learn(Arc::clone(&self.known));
        let (now, publication) = (self.state.now(), self.state.publication.load());
        let intervals = self.state.options.intervals.iter().flat_map(|(selector, interval)| {
            selector.secrets(&publication.origins).into_iter().map(|id| (id.latest(), *interval))
        });
        self.state.queue.timetable(|timetable| {
            timetable.set_intervals(intervals);
            timetable.schedule_checks(&self.known, &fetched, now, fastrand::f64);
        });
    }
}

/// The clocks drift apart by less than this without a suspension.
const SHORTEST_SUSPENSION: Duration = Duration::from_secs(1);

const MOST_ATTEMPTS: u8 = 5;
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
