//! One refresh, from loading to publication.
//!
//! A refresh has steps that wait, loading and validation, and steps in between that do not. Refreshes wait side by
//! side, so that a vault that hangs holds back no other. The steps in between run one at a time, on the knowledge of
//! that moment: a refresh that another one overtook loads again, without requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use super::debounce::PendingChanges;
use super::health_state::Failure;
use super::planned_refresh::PlannedRefresh;
use super::publication::{Change, Publication};
use super::revocation::{Revocation, takes_away};
use super::settings_loader::{SettingsLoader, ValidSettings};
use super::shared_state::SharedState;
use super::target::{Draft, Replaced};
use crate::error::{Error, Result};
use crate::report::Report;
use crate::resolver::{FetchPlan, KnownSecrets, Loaded};
use crate::secret::SecretId;

/// Runs the steps of refreshes.
pub(super) struct RefreshCycle {
    pub(super) loader: Arc<SettingsLoader>,
    pub(super) state: Arc<SharedState>,
    /// Wakes watchers, which end when it is dropped.
    pub(super) waker: watch::Sender<()>,
    /// The changes that wait to be published.
    pub(super) pending: Option<PendingChanges>,
}

/// A refresh in a step that waits.
pub(super) type RunningRefresh = BoxFuture<'static, (PlannedRefresh, Stage)>;

/// The result of a step that waits.
pub(super) enum Stage {
    Loaded(Result<Loaded<Box<dyn Draft>>>),
    Validated(Result<ValidSettings>),
}

/// What follows such a step.
pub(super) enum Step {
    Run(RunningRefresh),
    End(Box<PlannedRefresh>, Result<Outcome>),
}

/// The result of a refresh that did not fail.
pub(super) enum Outcome {
    Unchanged,
    Changed(Change),
    /// The settings changed and wait for further changes, until this time.
    Debounced(Instant),
}

impl RefreshCycle {
    /// Begins a refresh: loads the settings.
    pub(super) fn load(&self, refresh: PlannedRefresh) -> RunningRefresh {
        let (loader, last) = (Arc::clone(&self.loader), self.state.publication.load_full());
        let span = refresh.span.clone();
        async move {
            let loaded = loader.load(&loader.resolver, &refresh.plan, Some(&last.snapshot), refresh.deadline).await;
            (refresh, Stage::Loaded(loaded))
        }
        .instrument(span)
        .boxed()
    }

    /// Continues a refresh after a step that waited. `known` are the secrets that are known by now.
    pub(super) fn advance(&mut self, refresh: PlannedRefresh, stage: Stage, known: &Arc<KnownSecrets>) -> Step {
        let span = refresh.span.clone();
        let step = span.in_scope(|| self.next_step(refresh, stage, known));
        if let Step::End(_, result) = &step {
            let outcome = match result {
                Ok(Outcome::Unchanged) => "unchanged",
                Ok(Outcome::Changed(_)) => "changed",
                Ok(Outcome::Debounced(_)) => "debounced",
                Err(_) => "failed",
            };
            span.record("outcome", outcome).record("generation", self.state.publication.load().generation);
            if result.is_err() {
                span.record("otel.status_code", "ERROR");
            }
        }
        step
    }

    fn next_step(&mut self, mut refresh: PlannedRefresh, stage: Stage, known: &Arc<KnownSecrets>) -> Step {
        let published = self.state.publication.load_full();
        let result = match stage {
            Stage::Loaded(Err(error)) | Stage::Validated(Err(error)) => Err(error),
            Stage::Loaded(Ok(_)) | Stage::Validated(Ok(_)) if !Arc::ptr_eq(&refresh.plan.known, known) => {
                refresh.plan.rebase(known);
                return Step::Run(self.load(refresh));
            }
            Stage::Loaded(Ok(loaded)) => match self.compare(&published, &refresh, &loaded) {
                Some(outcome) => Ok(outcome),
                None => {
                    let (loader, span) = (Arc::clone(&self.loader), refresh.span.clone());
                    let validated = async move {
                        let settings = loader.validate(loaded, refresh.deadline).await;
                        (refresh, Stage::Validated(settings))
                    };
                    return Step::Run(validated.instrument(span).boxed());
                }
            },
            Stage::Validated(Ok(settings)) => Ok(Outcome::Changed(self.publish(&published, &refresh, settings))),
        };
        let result = result.inspect_err(|error| self.fail(&published, error, &refresh));
        Step::End(Box::new(refresh), result)
    }

    /// Compares loaded settings with the published ones. Returns `None` if they are to be published now.
    fn compare(
        &mut self,
        published: &Publication,
        refresh: &PlannedRefresh,
        loaded: &Loaded<Box<dyn Draft>>,
    ) -> Option<Outcome> {
        let (state, plan, generation) = (&self.state, &refresh.plan, published.generation);
        // Why settings keep earlier versions of secrets; `None` if each has the latest.
        let lapse = Error::join(loaded.facts.lapses.clone());
        if published.origins.changed(&loaded.facts.origins).is_empty() {
            self.keep(published, &loaded.facts.report);
            self.record_match(generation, refresh, lapse);
            state.seal(false);
            self.end_debounce(refresh);
            return Some(Outcome::Unchanged);
        }
        let debounce = state.options.debounce.filter(|_| !refresh.is_requested)?;
        let began = refresh.is_full().then_some(refresh.began.instant);
        let (pending, end) = debounce.observe(self.pending.as_ref(), &loaded.facts.origins, began, Instant::now())?;
        tracing::debug!(generation, "settings change and wait for further changes");
        self.record_answer(generation, plan, lapse);
        self.pending = Some(pending);
        Some(Outcome::Debounced(end))
    }

    /// Publishes settings that passed every check.
    fn publish(&mut self, published: &Publication, refresh: &PlannedRefresh, settings: ValidSettings) -> Change {
        let (state, generation) = (&self.state, published.generation);
        let (lapse, keys) = (settings.lapse(), published.origins.changed(settings.origins()));
        let (publication, replaced) = settings.publish(generation + 1, state.clock.now(), keys);
        let change = publication.change();
        state.publication.store(publication);
        // A watcher that learns of the change finds it in the health already.
        self.record_match(generation, refresh, lapse);
        self.waker.send_replace(());
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        release(replaced);
        state.seal(true);
        self.end_debounce(refresh);
        change
    }

    /// Forgets the changes that waited, if a refresh looked at everything since the last of them.
    fn end_debounce(&mut self, refresh: &PlannedRefresh) {
        self.pending.take_if(|pending| refresh.is_full() && pending.is_before(refresh.began.instant));
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
    fn record_match(&self, generation: u64, refresh: &PlannedRefresh, lapse: Option<Error>) {
        if refresh.plan.covers(self.loader.resolver.vault()) && lapse.is_none() {
            self.state.health_state().record_match(refresh);
        }
        self.record_answer(generation, &refresh.plan, lapse);
    }

    /// Records the vaults' answers. A setting that keeps an earlier version of a secret counts as a failure.
    fn record_answer(&self, generation: u64, plan: &FetchPlan, lapse: Option<Error>) {
        for error in lapse.iter().flat_map(Error::failures) {
            tracing::warn!(%error, generation, "a secret could not be read, and its last good version stays in use");
        }
        let is_complete = lapse.is_none();
        self.state.health_state().record_answer(plan, lapse);
        if !is_complete {
            self.waker.send_replace(());
        }
    }

    fn fail(&self, published: &Publication, error: &Error, refresh: &PlannedRefresh) {
        let is_used = |id: &SecretId| published.snapshot.get(id).is_some();
        let is_revocation = self.state.options.revocation == Revocation::Revoke
            && (takes_away(error, is_used) || refresh.plan.has_lost_mapped_secret());
        let generation = published.generation;
        tracing::warn!(%error, is_revocation, generation, "settings could not be refreshed and stay");
        self.state.health_state().record_failure(refresh, Failure { error: error.clone(), is_revocation });
        self.waker.send_replace(());
    }
}

/// Drops replaced settings. This may be the last reference to them, and their destructor is the application's code.
fn release(replaced: Replaced) {
    if catch_unwind(AssertUnwindSafe(move || drop(replaced))).is_err() {
        tracing::warn!("the destructor of replaced settings panicked");
    }
}
