//! From vaults and layers to valid settings: the same for the first settings and for all later ones.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use futures::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::publication::Publication;
use super::target::{Draft, ExtractedSettings, Replaced, SettingsTarget};
use crate::error::{Error, ErrorKind, Result};
use crate::names::NameMap;
use crate::report::ReferenceStatus;
use crate::resolver::{Facts, FetchPlan, Loaded, ResolveContext, Resolver, Snapshot, load};
use crate::settings::{Key, Origins, Policies};

/// Loads settings.
pub(super) struct SettingsLoader {
    pub(super) resolver: Resolver,
    pub(super) names: Option<NameMap>,
    pub(super) policies: Policies,
    pub(super) target: Arc<dyn SettingsTarget>,
}

/// Settings that passed every check and are not published yet.
pub(super) struct ValidSettings {
    candidate: Box<dyn ExtractedSettings>,
    facts: Facts,
}

impl SettingsLoader {
    /// Merges the layers and resolves every reference, by `deadline`. `last` are the secrets of the current settings.
    pub(super) async fn load(
        &self,
        resolver: &Resolver,
        plan: &FetchPlan,
        last: Option<&Snapshot>,
        deadline: Instant,
    ) -> Result<Loaded<Box<dyn Draft>>> {
        let find_key = |key: &Key| self.target.find_key(key);
        let (policies, find_key) = (Some(&self.policies), Some(&find_key as _));
        let rules = ResolveContext { policies, last, find_key, ..ResolveContext::default() };
        let merge = |mapped: &_| Arc::clone(&self.target).merge(mapped);
        contained(deadline, panicked, timed_out, load(resolver, self.names.as_ref(), plan, rules, merge)).await
    }

    /// Extracts typed settings and runs the application's own check, by `deadline`.
    pub(super) async fn validate(&self, loaded: Loaded<Box<dyn Draft>>, deadline: Instant) -> Result<ValidSettings> {
        contained(deadline, panicked, timed_out, async {
            let (candidate, facts) = loaded.convert(Draft::extract)?;
            match candidate.validate().await {
                Ok(()) => Ok(ValidSettings { candidate, facts }),
                Err(error) => {
                    let error = error.into_error(ErrorKind::InvalidSettings, REFUSED, REFUSED, &facts.origins);
                    Err(error.with_load_report(facts.report))
                }
            }
        })
        .await
    }
}

impl ValidSettings {
    /// Returns the origin of each value.
    pub(super) fn origins(&self) -> &Origins {
        &self.facts.origins
    }

    /// Returns why settings keep earlier versions of secrets; `None` if each has the latest.
    pub(super) fn lapse(&self) -> Option<Error> {
        Error::join(self.facts.lapses.clone())
    }

    /// Publishes the settings. Returns their publication and the settings that they replace.
    pub(super) fn publish(self, generation: u64, at: SystemTime, changed: Vec<String>) -> (Arc<Publication>, Replaced) {
        let Facts { origins, snapshot, report, .. } = self.facts;
        let (origins, snapshot) = (Arc::new(origins), Arc::new(snapshot));
        let publication = Arc::new(Publication { generation, at, changed, origins, snapshot, report });
        let replaced = self.candidate.publish(Arc::clone(&publication));
        (publication, replaced)
    }
}

/// Runs a step that contains the application's code until `deadline`. A panic, which ends nothing but the step, is the
/// error `panicked`.
pub(crate) async fn contained<T>(
    deadline: Instant,
    panicked: impl FnOnce() -> Error,
    late: impl FnOnce() -> Error,
    step: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout_at(deadline, AssertUnwindSafe(step).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(panicked()),
        Err(_elapsed) => Err(late()),
    }
}

const REFUSED: &str = "refused by the application";

fn panicked() -> Error {
    Error::new(ErrorKind::InvalidSettings, "application's code panicked while settings were loaded")
}

/// Returns the error of a load that did not end in time.
pub(super) fn timed_out() -> Error {
    Error::new(ErrorKind::Unavailable, "settings were not loaded in time").with_status(ReferenceStatus::FetchTimedOut)
}
