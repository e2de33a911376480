//! One refresh, and what is told of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Published;
use super::engine::{Build, Built, Made};
use super::job::Job;
use super::pulse::Failure;
use super::revocation::{Revocation, takes_away};
use super::settle::Settling;
use super::task::Task;
use super::validate::Validate;
use super::watcher::Change;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::resolver::FetchPlan;
use crate::secret::SecretId;
use crate::settings::Layers;

/// What a step came to.
pub(super) enum Outcome {
    Unchanged,
    Changed(Change),
    Settling(Settling),
}

impl<L, V, T> Task<L, V, T>
where
    L: Layers,
    V: Validate<T>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    /// One refresh.
    pub(super) async fn step(&self, job: &Job) -> Result<Outcome> {
        let published = self.shared.published.load_full();
        let outcome = self.step_from(&published, job).await;
        // If they were replaced, this may have been the last who had them, and their destructor is the application's code.
        if catch_unwind(AssertUnwindSafe(move || drop(published))).is_err() {
            tracing::warn!("the destructor of settings that were replaced panicked");
        }
        outcome
    }

    async fn step_from(&self, published: &Published<T>, job: &Job) -> Result<Outcome> {
        let settle = self.engine.timing.settle.filter(|_| !job.is_asked);
        let settling = |origins: &_| settle?.see(self.settling.as_ref(), origins, Instant::now());
        let deadline = self.engine.timing.refresh_deadline;
        let Build { made, report, lapse } =
            match self.engine.build(deadline, Some(published), &job.errand, settling).await {
                Ok(build) => build,
                Err(error) => {
                    self.fail(published, &error, &job.errand);
                    return Err(error);
                }
            };
        Ok(match made {
            Made::Settling(settling) => {
                tracing::debug!(generation = published.generation, "settings change and are left to settle");
                self.answered(published.generation, &job.errand, lapse);
                Outcome::Settling(settling)
            }
            Made::Same => {
                self.report_anew(published, report);
                self.write_down(published.generation, &job.errand, lapse);
                self.shared.seal(false);
                Outcome::Unchanged
            }
            Made::New(built) => {
                let change = self.publish(published, built, &job.errand, lapse);
                self.shared.seal(true);
                Outcome::Changed(change)
            }
        })
    }

    /// Writes down a refresh after which the settings are what was read. Where everything was, they are fresh.
    fn write_down(&self, generation: u64, errand: &FetchPlan, lapse: Option<Error>) {
        if errand.is_full() && lapse.is_none() {
            self.shared.pulse().refreshed(self.engine.now());
        }
        self.answered(generation, errand, lapse);
    }

    /// Writes down what the vaults answered. Where an earlier version of a secret stays in use, not all was well.
    fn answered(&self, generation: u64, errand: &FetchPlan, lapse: Option<Error>) {
        for error in lapse.iter().flat_map(Error::failures) {
            tracing::warn!(%error, generation, "a secret could not be read anew, and its last good version stays");
        }
        let is_well = lapse.is_none();
        self.shared.pulse().answered(errand, lapse);
        if !is_well {
            self.waker.send_modify(|signal| signal.failures += 1);
        }
    }

    /// Replaces the report of settings that are the same.
    fn report_anew(&self, published: &Published<T>, report: Arc<Report>) {
        tracing::debug!(generation = published.generation, "settings are unchanged");
        if *published.report != *report {
            self.shared.published.store(Arc::new(published.with_report(report)));
        }
    }

    fn publish(&self, old: &Published<T>, built: Built<T>, errand: &FetchPlan, lapse: Option<Error>) -> Change {
        let new = built.publish(old.generation + 1, self.engine.now().time);
        let change = Change { generation: new.generation, at: new.at, keys: new.changed.to_vec() };
        self.shared.published.store(Arc::new(new));
        self.shared.generation.store(change.generation, Ordering::Release);
        // Whoever is told of the change finds it in the health.
        self.write_down(old.generation, errand, lapse);
        self.waker.send_modify(|_| {});
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        change
    }

    fn fail(&self, published: &Published<T>, error: &Error, errand: &FetchPlan) {
        let is_used = |id: &SecretId| published.snapshot.get(id).is_some();
        let is_revocation = self.engine.choices.revocation == Revocation::Revoke
            && (takes_away(error, is_used) || errand.has_lost_mapped_secret());
        tracing::warn!(%error, is_revocation, generation = published.generation, "settings could not be refreshed and stay");
        self.shared.pulse().failed(errand, Failure { error: error.clone(), is_revocation });
        self.waker.send_modify(|signal| signal.failures += 1);
    }
}
