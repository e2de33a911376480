//! One refresh, from loading to publication.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::debounce::PendingChanges;
use super::health_state::Failure;
use super::planned_refresh::PlannedRefresh;
use super::publication::{Change, Publication};
use super::revocation::{Revocation, takes_away};
use super::settings_loader::SettingsLoader;
use super::shared_state::SharedState;
use super::target::Replaced;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::resolver::FetchPlan;
use crate::secret::SecretId;
use crate::time::instant_after;

/// Runs refreshes, one at a time.
pub(super) struct RefreshCycle {
    pub(super) loader: SettingsLoader,
    pub(super) state: Arc<SharedState>,
    /// Counts failures and wakes watchers, which end when it is dropped.
    pub(super) waker: watch::Sender<u64>,
    /// The changes that wait to be published.
    pub(super) pending: Option<PendingChanges>,
}

/// The result of a refresh that did not fail.
pub(super) enum Outcome {
    Unchanged,
    Changed(Change),
    /// The settings changed and wait for further changes, until this time.
    Debounced(Instant),
}

impl RefreshCycle {
    /// Runs one refresh.
    pub(super) async fn run(&mut self, refresh: &PlannedRefresh) -> Result<Outcome> {
        let published = self.state.publication.load_full();
        let outcome = self.refresh(&published, refresh).await;
        outcome.inspect_err(|error| self.fail(&published, error, &refresh.plan))
    }

    async fn refresh(&mut self, published: &Publication, refresh: &PlannedRefresh) -> Result<Outcome> {
        let (state, plan, generation) = (&self.state, &refresh.plan, published.generation);
        let deadline = instant_after(Instant::now(), state.options.refresh_deadline);
        let loaded = self.loader.load(&self.loader.resolver, plan, Some(&published.snapshot), deadline).await?;
        // Why settings keep earlier versions of secrets; `None` if each has the latest.
        let lapse = Error::join(loaded.facts.lapses.clone());
        let keys = published.origins.changed(&loaded.facts.origins);
        if keys.is_empty() {
            self.keep(published, &loaded.facts.report);
            self.record_match(generation, plan, lapse);
            state.seal(false);
            self.pending = None;
            return Ok(Outcome::Unchanged);
        }
        if let Some(debounce) = state.options.debounce.filter(|_| !refresh.is_requested) {
            let pending = debounce.observe(self.pending.as_ref(), &loaded.facts.origins, Instant::now());
            if let Some((pending, end)) = pending {
                tracing::debug!(generation, "settings change and wait for further changes");
                self.record_answer(generation, plan, lapse);
                self.pending = Some(pending);
                return Ok(Outcome::Debounced(end));
            }
        }
        let settings = self.loader.validate(loaded, deadline).await?;
        let (publication, replaced) = settings.publish(generation + 1, state.clock.now(), keys);
        let change = publication.change();
        state.publication.store(publication);
        // A watcher that learns of the change finds it in the health already.
        self.record_match(generation, plan, lapse);
        self.waker.send_modify(|_| {});
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        release(replaced);
        state.seal(true);
        self.pending = None;
        Ok(Outcome::Changed(change))
    }

    /// Keeps the settings, with the report of the refresh that found them unchanged.
    fn keep(&self, published: &Publication, report: &Arc<Report>) {
        tracing::debug!(generation = published.generation, "settings are unchanged");
        if *published.report != **report {
            let publication = Arc::new(Publication { report: Arc::clone(report), ..published.clone() });
            self.loader.target.republish(Arc::clone(&publication));
            self.state.publication.store(publication);
        }
    }

    /// Records a refresh that found the published settings. If it read everything, they are fresh.
    fn record_match(&self, generation: u64, plan: &FetchPlan, lapse: Option<Error>) {
        if plan.is_full && lapse.is_none() {
            self.state.health_state().record_match(self.state.now());
        }
        self.record_answer(generation, plan, lapse);
    }

    /// Records the vaults' answers. A setting that keeps an earlier version of a secret counts as a failure.
    fn record_answer(&self, generation: u64, plan: &FetchPlan, lapse: Option<Error>) {
        for error in lapse.iter().flat_map(Error::failures) {
            tracing::warn!(%error, generation, "a secret could not be read, and its last good version stays in use");
        }
        let is_complete = lapse.is_none();
        self.state.health_state().record_answer(plan, lapse);
        if !is_complete {
            self.waker.send_modify(|failures| *failures += 1);
        }
    }

    fn fail(&self, published: &Publication, error: &Error, plan: &FetchPlan) {
        let is_used = |id: &SecretId| published.snapshot.get(id).is_some();
        let is_revocation = self.state.options.revocation == Revocation::Revoke
            && (takes_away(error, is_used) || plan.has_lost_mapped_secret());
        let generation = published.generation;
        tracing::warn!(%error, is_revocation, generation, "settings could not be refreshed and stay");
        self.state.health_state().record_failure(plan, Failure { error: error.clone(), is_revocation });
        self.waker.send_modify(|failures| *failures += 1);
    }
}

/// Drops replaced settings. This may be the last reference to them, and their destructor is the application's code.
fn release(replaced: Replaced) {
    if catch_unwind(AssertUnwindSafe(move || drop(replaced))).is_err() {
        tracing::warn!("the destructor of replaced settings panicked");
    }
}
