//! One refresh, from loading to publication.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::debounce::{Debounce, PendingChanges};
use super::health_state::Failure;
use super::planned_refresh::PlannedRefresh;
use super::publication::{Change, Publication};
use super::revocation::{Revocation, takes_away};
use super::settings_loader::{SettingsLoader, ValidSettings};
use super::shared_state::{SharedState, Signal};
use super::target::Replaced;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::resolver::{Facts, FetchPlan};
use crate::secret::SecretId;
use crate::time::instant_after;

/// Runs refreshes, one at a time.
pub(super) struct RefreshCycle {
    pub(super) loader: SettingsLoader,
    pub(super) state: Arc<SharedState>,
    /// Watchers end when it is dropped.
    pub(super) waker: watch::Sender<Signal>,
    pub(super) options: CycleOptions,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct CycleOptions {
    /// The longest time that one refresh may take, validation included.
    pub(super) deadline: Duration,
    pub(super) debounce: Option<Debounce>,
    pub(super) revocation: Revocation,
}

/// The result of a refresh that did not fail.
pub(super) enum Outcome {
    Unchanged,
    Changed(Change),
    /// The settings changed and wait for further changes.
    Debounced(PendingChanges),
}

impl RefreshCycle {
    /// Runs one refresh. `pending` are the changes that wait to be published.
    pub(super) async fn run(&self, refresh: &PlannedRefresh, pending: Option<&PendingChanges>) -> Result<Outcome> {
        let published = self.state.publication.load_full();
        let outcome = self.refresh(&published, refresh, pending).await;
        outcome.inspect_err(|error| self.fail(&published, error, &refresh.plan))
    }

    async fn refresh(
        &self,
        published: &Publication,
        refresh: &PlannedRefresh,
        pending: Option<&PendingChanges>,
    ) -> Result<Outcome> {
        let (plan, deadline) = (&refresh.plan, instant_after(Instant::now(), self.options.deadline));
        let loader = &self.loader;
        let loaded = loader.load(&loader.resolver, plan, Some(&published.snapshot), deadline).await?;
        let lapse = lapse(&loaded.facts);
        let changed = published.origins.changed(&loaded.facts.origins);
        if changed.is_empty() {
            self.keep(published, &loaded.facts.report);
            self.record_match(published.generation, plan, lapse);
            self.state.seal(false);
            return Ok(Outcome::Unchanged);
        }
        let debounce = self.options.debounce.filter(|_| !refresh.is_requested);
        if let Some(pending) = debounce.and_then(|d| d.observe(pending, &loaded.facts.origins, Instant::now())) {
            tracing::debug!(generation = published.generation, "settings change and wait for further changes");
            self.record_answer(published.generation, plan, lapse);
            return Ok(Outcome::Debounced(pending));
        }
        let settings = loader.validate(loaded, deadline).await?;
        let change = self.publish(published.generation, settings, changed, plan, lapse);
        self.state.seal(true);
        Ok(Outcome::Changed(change))
    }

    /// Keeps the settings, with the report of the refresh that found them unchanged.
    fn keep(&self, published: &Publication, report: &Arc<Report>) {
        tracing::debug!(generation = published.generation, "settings are unchanged");
        if *published.report != **report {
            let publication = Arc::new(published.with_report(Arc::clone(report)));
            self.loader.target.republish(Arc::clone(&publication));
            self.state.publication.store(publication);
        }
    }

    fn publish(
        &self,
        last: u64,
        settings: ValidSettings,
        changed: Vec<String>,
        plan: &FetchPlan,
        lapse: Option<Error>,
    ) -> Change {
        let (publication, replaced) = settings.publish(last + 1, self.state.clock.now(), changed);
        let change = publication.change();
        self.state.publication.store(publication);
        // A watcher that learns of the change finds it in the health already.
        self.record_match(last, plan, lapse);
        self.waker.send_modify(|_| {});
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        release(replaced);
        change
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
            self.waker.send_modify(|signal| signal.failures += 1);
        }
    }

    fn fail(&self, published: &Publication, error: &Error, plan: &FetchPlan) {
        let is_used = |id: &SecretId| published.snapshot.get(id).is_some();
        let is_revocation = self.options.revocation == Revocation::Revoke
            && (takes_away(error, is_used) || plan.has_lost_mapped_secret());
        let generation = published.generation;
        tracing::warn!(%error, is_revocation, generation, "settings could not be refreshed and stay");
        self.state.health_state().record_failure(plan, Failure { error: error.clone(), is_revocation });
        self.waker.send_modify(|signal| signal.failures += 1);
    }
}

/// Returns why settings keep earlier versions of secrets; `None` if each has the latest.
fn lapse(facts: &Facts) -> Option<Error> {
    Error::join(facts.lapses.clone())
}

/// Drops replaced settings. This may be the last reference to them, and their destructor is the application's code.
fn release(replaced: Replaced) {
    if catch_unwind(AssertUnwindSafe(move || drop(replaced))).is_err() {
        tracing::warn!("the destructor of replaced settings panicked");
    }
}
