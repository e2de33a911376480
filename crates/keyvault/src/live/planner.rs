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
use crate::secret::{SecretId, SecretVersion, Vault};
use crate::time::{Moment, instant_after};

/// Plans refreshes from the queue, the waiting callers and the results of earlier refreshes.
pub(super) struct Planner {
    state: Arc<SharedState>,
    /// The default vault.
    vault: Vault,
    known: Arc<KnownSecrets>,
    /// The pauses between full refreshes.
    full: Schedule,
    /// The pauses of each vault whose secrets are retried by themselves.
    vaults: BTreeMap<Vault, Schedule>,
    /// How many refreshes run, apart from those for credential reports alone.
    running: usize,
    /// How many of them cover every vault.
    complete: usize,
    /// Until when secrets that become due wait for a refresh that just began, because it may read them anyway.
    due_wait_until: Instant,
    /// When the loop last read the clocks.
    awake: Moment,
}

impl Planner {
    /// Creates a planner for settings that `plan` loaded, in a load that `began` at this time. It schedules the next
    /// full refresh.
    pub(super) fn new(state: Arc<SharedState>, vault: Vault, plan: FetchPlan, began: Moment) -> Self {
        let interval = state.options.interval;
        let (mut full, awake) = (Schedule::new(interval), state.now());
        let pause = match &state.health_state().last_failure {
            // The settings come from a sealed snapshot, and the vaults are retried as after any failure.
            Some(failure) => full.after_failure(&failure.error, fastrand::f64()),
            None => full.after_success(fastrand::f64()),
        };
        state.queue.timetable(|timetable| timetable.set_full(instant_after(awake.instant, pause)));
        let mut planner = Self {
            state,
            vault,
            known: Arc::default(),
            full,
            vaults: BTreeMap::new(),
            running: 0,
            complete: 0,
            due_wait_until: awake.instant,
            awake,
        };
        planner.commit(plan, began, &BTreeSet::new());
        planner.state.set_next_refresh(awake, false);
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

    /// Returns whether a refresh runs, apart from those for credential reports alone.
    pub(super) fn is_refreshing(&self) -> bool {
        self.running > 0
    }

    /// Plans the refreshes that are requested or due.
    ///
    /// They run side by side, and none waits for another: one for everything; one for the secrets of each vault that
    /// are due by themselves; and one for those of each vault that credential reports wait for.
    pub(super) fn next(&mut self, calls: &mut PendingCalls) -> Vec<PlannedRefresh> {
        let mut refreshes = self.for_reports(&mut calls.reports);
        let reports = refreshes.len();
        refreshes.extend(self.full_refresh(calls.want_full() && self.complete == 0));
        let now = self.awake.instant;
        if refreshes.len() == reports && !self.delays_due(now) {
            let mut due = self.state.queue.timetable(|timetable| timetable.take_due(now));
            due.retain(|id, due| self.has_unknown(id, &mut due.want));
            refreshes.extend(by_vault(due).map(|due| self.partial(due)));
        }
        let begun = &refreshes[reports..];
        if self.running == 0 && !begun.is_empty() {
            self.due_wait_until = now + LONGEST_DUE_WAIT;
        }
        self.running += begun.len();
        self.complete += begun.iter().filter(|refresh| refresh.plan.is_complete()).count();
        refreshes
    }

    /// Returns whether secrets that become due wait for a refresh that just began.
    fn delays_due(&self, now: Instant) -> bool {
        self.running > 0 && now < self.due_wait_until
    }

    /// Records when the next refresh begins, unless one runs. Returns when the next one is due.
    pub(super) fn set_next_refresh(&self) -> Option<Instant> {
        let next = self.state.set_next_refresh(self.awake, self.is_refreshing());
        if self.is_refreshing() { next.map(|next| next.max(self.due_wait_until)) } else { next }
    }

    /// Plans a full refresh, if one is requested or due. It leaves out the vaults that rest, unless it is requested.
    fn full_refresh(&mut self, is_requested: bool) -> Option<PlannedRefresh> {
        let now = self.awake;
        let known = self.known.iter().map(|(id, _)| id.vault().clone());
        let vaults: BTreeSet<Vault> = known.chain([self.vault.clone()]).collect();
        let (is_retry, left_out, mut due, not_due) = self.state.queue.timetable(|timetable| {
            let is_retry = !is_requested && !timetable.is_full_due(now.instant);
            if is_retry && !timetable.is_rested(now.instant) {
                return None;
            }
            let resting = if is_requested { BTreeSet::new() } else { timetable.resting(now.instant) };
            let retried = timetable.retry(&resting);
            let left_out = if is_retry { &vaults - &retried } else { resting };
            if !is_retry {
                timetable.take_full();
            }
            // A secret that is due in one vault does not wait for another vault.
            let due = match vaults.len() {
                1 => timetable.take_covered(now.instant, &left_out),
                _ => timetable.copy_covered(now.instant, &left_out, now.instant + LONGEST_DUE_WAIT),
            };
            Some((is_retry, left_out, due, timetable.not_due(now.instant)))
        })?;
        due.retain(|id, due| self.has_unknown(id, &mut due.want));
        let longest = self.state.options.refresh_deadline;
        let mut refresh = PlannedRefresh::full(Arc::clone(&self.known), now, longest, due);
        (refresh.is_requested, refresh.is_retry) = (is_requested, is_retry);
        refresh.plan.left_out = left_out;
        if self.state.options.debounce.is_some() {
            // The version that a late event names does not belong to the latest versions of the others.
            refresh.plan.due.values_mut().for_each(|want| *want = Want::latest());
        }
        if !is_requested {
            refresh.plan.excluded = not_due;
        }
        Some(refresh)
    }

    /// Plans the refreshes that credential reports wait for.
    fn for_reports(&mut self, reports: &mut CredentialReports) -> Vec<PlannedRefresh> {
        let now = self.awake.instant;
        let mut to_fetch = BTreeMap::new();
        if reports.has_new() {
            let ids = reports.start(&mut self.known, now);
            to_fetch.extend(ids.into_iter().map(|id| (id, Due::new(now, Want::latest()))));
        }
        let to_fetch = by_vault(to_fetch).map(|due| PlannedRefresh {
            reported: due.keys().cloned().collect(),
            is_requested: true,
            ..self.partial(due)
        });
        let to_revert = by_vault(reports.revert()).map(|deadlines| {
            let mut refresh = self.partial(BTreeMap::new());
            refresh.deadline = deadlines.values().copied().fold(refresh.deadline, Instant::min);
            refresh.plan.reverting = deadlines.into_keys().collect();
            (refresh.reported, refresh.is_requested) = (refresh.plan.reverting.clone(), true);
            refresh
        });
        to_fetch.chain(to_revert).collect()
    }

    fn partial(&self, due: BTreeMap<SecretId, Due>) -> PlannedRefresh {
        PlannedRefresh::partial(Arc::clone(&self.known), self.awake, self.state.options.refresh_deadline, due)
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
        if refresh.reported.is_empty() {
            self.running -= 1;
            self.complete -= usize::from(refresh.plan.is_complete());
        }
        if refresh.is_full() {
            self.state.queue.timetable(|timetable| timetable.forget(&refresh.due));
        }
        match outcome {
            Ok(Outcome::Changed(_) | Outcome::Unchanged) => self.succeed(refresh),
            Ok(Outcome::Debounced(end)) => self.wait_for_more(refresh, *end),
            Err(error) => self.retry(refresh, error),
        }
    }

    /// Returns the pauses of refreshes of one vault's secrets, or those of full refreshes.
    fn schedule(&mut self, vault: Option<&Vault>) -> &mut Schedule {
        match vault {
            Some(vault) => self.schedule_of(vault),
            None => &mut self.full,
        }
    }

    fn schedule_of(&mut self, vault: &Vault) -> &mut Schedule {
        let interval = self.state.options.interval;
        self.vaults.entry(vault.clone()).or_insert_with(|| Schedule::new(interval))
    }

    /// Plans the retry of a refresh that failed. Secrets that are not at fault do not wait for it.
    fn retry(&mut self, mut refresh: PlannedRefresh, error: &Error) {
        let (now, random) = (Instant::now(), fastrand::f64());
        let failed = refresh.failed_vaults(error);
        // A version that is not valid yet is refused today, and worth a retry on its first day.
        let valid = refresh.plan.until_valid().map(|left| left.saturating_add(SHORTEST_SUSPENSION.mul_f64(random)));
        let is_alone = refresh.is_retry || !failed.is_empty();
        let pause = if is_alone { None } else { Some(self.schedule(refresh.vault()).after_failure(error, random)) };
        let pause = pause.map(|pause| pause.min(valid.unwrap_or(Duration::MAX)));
        let mut latest = pause.map_or(now, |pause| instant_after(now, pause));
        // The others are refreshed at once without the vaults that failed.
        for vault in self.retried(&refresh).into_iter().chain(failed) {
            let at = match pause {
                Some(pause) => instant_after(now, pause),
                None => instant_after(now, self.schedule_of(&vault).after_failure(error, random)),
            };
            latest = latest.max(at);
            self.state.queue.timetable(|timetable| timetable.rest(vault, at));
        }
        let unaffected = refresh.take_unaffected(error);
        self.state.queue.timetable(|timetable| {
            if refresh.is_full() && !refresh.is_retry {
                timetable.set_full(pause.map_or(now, |pause| instant_after(now, pause)));
            }
            timetable.put_back(unaffected, now);
            timetable.put_back(refresh.due, latest);
        });
    }

    /// Returns the resting vaults that a refresh retried.
    fn retried(&self, refresh: &PlannedRefresh) -> BTreeSet<Vault> {
        let retried = self.state.queue.timetable(|timetable| timetable.retried());
        retried.into_iter().filter(|vault| refresh.plan.covers(vault)).collect()
    }

    /// Plans the next look at changes that wait to be published. The vaults answered, so the back-off starts again.
    fn wait_for_more(&mut self, refresh: PlannedRefresh, end: Instant) {
        self.schedule(refresh.vault()).after_success(fastrand::f64());
        self.recover(&refresh);
        let now = Instant::now();
        // Only a full refresh publishes the changes. Once it runs, single secrets begin no other one, and are not
        // compared again and again.
        let due_again = if refresh.is_full() { end } else { end.max(instant_after(now, LONGEST_DUE_WAIT)) };
        self.state.queue.timetable(|timetable| {
            if refresh.is_full() && !refresh.is_retry {
                timetable.set_full(end);
            } else if end > now {
                // Refreshes of single secrets each see their own change, and must not put off the full one forever.
                timetable.bring_full_forward(end);
            }
            timetable.put_back(refresh.due, due_again);
        });
    }

    /// Includes the vaults that a full refresh read again.
    fn recover(&mut self, refresh: &PlannedRefresh) {
        if refresh.is_full() {
            self.vaults.retain(|vault, _| !refresh.plan.covers(vault));
            self.state.queue.timetable(|timetable| timetable.recover(|vault| refresh.plan.covers(vault)));
        }
    }

    /// Takes over the secrets of a refresh whose settings are current, and plans the next one.
    fn succeed(&mut self, mut refresh: PlannedRefresh) {
        let (now, random, is_full) = (Instant::now(), fastrand::f64(), refresh.is_full());
        let vault = refresh.vault().cloned();
        for (id, versions) in refresh.plan.take_awaited() {
            let attempts = refresh.due.get(&id).map_or(0, |due| due.attempts) + 1;
            self.await_version(id, versions, attempts);
        }
        // A secret that keeps its last good version is retried as after a failure.
        let (lapse, kept) = {
            let health = self.state.health_state();
            (health.lapse.clone(), health.kept())
        };
        let lapse = lapse.filter(|_| kept.iter().any(|id| refresh.plan.fetches(id)));
        refresh.due.retain(|id, _| lapse.is_some() && !refresh.plan.has_read(id));
        let failed = lapse.as_ref().map(|error| refresh.failed_vaults(error)).unwrap_or_default();
        let pause = match &lapse {
            Some(error) if failed.is_empty() && (is_full || !refresh.due.is_empty()) => {
                self.schedule(vault.as_ref()).after_failure(error, random)
            }
            _ => self.schedule(vault.as_ref()).after_success(random),
        };
        let retried = self.retried(&refresh);
        if lapse.is_none() || !refresh.is_retry {
            self.recover(&refresh);
        }
        if let Some(error) = &lapse {
            let rest = if refresh.is_retry { retried } else { failed };
            for vault in rest {
                let at = instant_after(now, self.schedule_of(&vault).after_failure(error, random));
                self.state.queue.timetable(|timetable| timetable.rest(vault, at));
            }
        }
        self.state.queue.timetable(|timetable| {
            if is_full && !refresh.is_retry {
                timetable.set_full(instant_after(now, pause));
            }
            timetable.put_back(refresh.due, instant_after(now, pause));
        });
        self.commit(refresh.plan, refresh.began, &kept);
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
    fn commit(&mut self, plan: FetchPlan, began: Moment, kept: &BTreeSet<SecretId>) {
        let observed = plan.into_observed();
        let fetched: BTreeSet<SecretId> = observed.states.keys().cloned().collect();
        Arc::make_mut(&mut self.known).commit(observed, began, kept);
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

/// Longer than a vault in good health takes for a refresh.
const LONGEST_DUE_WAIT: Duration = Duration::from_secs(1);

/// Splits entries by the vaults of their secrets.
fn by_vault<V>(entries: BTreeMap<SecretId, V>) -> impl Iterator<Item = BTreeMap<SecretId, V>> {
    let mut vaults: BTreeMap<Vault, BTreeMap<SecretId, V>> = BTreeMap::new();
    for (id, entry) in entries {
        vaults.entry(id.vault().clone()).or_default().insert(id, entry);
    }
    vaults.into_values()
}

/// The clocks drift apart by less than this without a suspension.
const SHORTEST_SUSPENSION: Duration = Duration::from_secs(1);

const MOST_ATTEMPTS: u8 = 5;
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
