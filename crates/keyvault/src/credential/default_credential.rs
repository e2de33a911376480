//! The credential that tries its steps, and then stays with the one that works.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientOptions;
use futures::stream::{self, StreamExt};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::step::{Attempt, CredentialStep, StepOutcome, sdk_error};
use super::variables::{VARIABLES, Variables};
use super::{entra, managed_identity, tool};
use crate::client::cloud_scope;
use crate::error::{Error, ErrorKind, Result};
use crate::http::BypassTokenCache;
use crate::report::ReferenceStatus;
use crate::secret::Cloud;

/// A credential that finds an identity at the first token and then stays with it.
///
/// It tries its steps in order, logs the first one that serves, once, and uses it from then on. If a step is configured
/// but fails, the credential returns its error and tries no further step. If no step applies, the error says why for
/// each of them, within ten seconds. Callers that wait for a search that fails share its error.
pub struct DefaultCredential {
    steps: Vec<CredentialStep>,
    variables: Variables,
    options: ClientOptions,
    /// One search runs at a time. Its caller holds the lock.
    searches: Mutex<Searches>,
    /// The number of searches that failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct Searches {
    selected: Option<SelectedStep>,
    /// The last failure for each scope since a search succeeded. Only callers that waited for it share it.
    failed: BTreeMap<String, FailedSearch>,
}

struct FailedSearch {
    /// The number of searches that had failed after this one.
    number: u64,
    error: Error,
}

struct SelectedStep {
    step: CredentialStep,
    credential: Arc<dyn TokenCredential>,
}

impl DefaultCredential {
    /// The environment variables that describe the identity of a step, some of them secret. A program that starts
    /// others may remove them from the environment that these inherit.
    pub const VARIABLES: &'static [&'static str] = &VARIABLES;

    /// Creates the credential. The tools come last: each takes seconds to fail.
    pub(super) fn new(mut steps: Vec<CredentialStep>, variables: Variables, options: ClientOptions) -> Self {
        steps.sort_by_key(|step| step.is_tool());
        Self { steps, variables, options, searches: Mutex::default(), failures: AtomicU64::new(0) }
    }

    /// Returns the step that serves. `None` before the first token.
    pub async fn step(&self) -> Option<CredentialStep> {
        self.searches.lock().await.selected.as_ref().map(|selected| selected.step)
    }

    /// Tries each step for a token for the vaults of `cloud` and returns the outcomes. Discards the token and does not
    /// change which step serves.
    ///
    /// Takes as long as the first token, at most nine seconds.
    pub async fn diagnose(&self, cloud: Cloud) -> Vec<(CredentialStep, StepOutcome)> {
        self.search(&self.steps, &cloud_scope(cloud)).await.1
    }

    /// Selects the step that serves, while holding the lock, and returns its token.
    async fn select_locked(&self, searches: &mut Searches, scope: &str) -> Result<AccessToken> {
        // To bypass the cache, the selected step is created anew: its credential caches tokens.
        let again = searches.selected.as_ref().map(|selected| [selected.step]);
        let steps = again.as_ref().map_or(&*self.steps, |step| step);
        match self.select(steps, scope).await {
            Ok((found, token)) => {
                if again.is_none_or(|[before]| before != found.step) {
                    tracing::info!(step = %found.step, "credential found");
                }
                *searches = Searches { selected: Some(found), failed: BTreeMap::new() };
                Ok(token)
            }
            Err(error) => {
                let number = self.failures.fetch_add(1, Ordering::Release) + 1;
                searches.failed.insert(scope.to_owned(), FailedSearch { number, error: error.clone() });
                Err(error)
            }
        }
    }

    /// Selects the first of `steps` that serves, and returns it with its token.
    async fn select(&self, steps: &[CredentialStep], scope: &str) -> Result<(SelectedStep, AccessToken)> {
        let (found, outcomes) = self.search(steps, scope).await;
        found.ok_or_else(|| search_error(outcomes))
    }

    /// Tries the steps in order, until one serves or fails, and returns the outcomes of all.
    async fn search(&self, steps: &[CredentialStep], scope: &str) -> (Option<(SelectedStep, AccessToken)>, Outcomes) {
        let (found, mut outcomes) = self.try_in_order(steps, scope).await;
        let not_tried = steps[outcomes.len()..].iter();
        outcomes.extend(not_tried.map(|step| (*step, self.unusable(*step).unwrap_or(StepOutcome::NotTried))));
        (found, outcomes)
    }

    /// Tries the steps in order, until one serves or fails, and returns the outcomes of those.
    async fn try_in_order(
        &self,
        steps: &[CredentialStep],
        scope: &str,
    ) -> (Option<(SelectedStep, AccessToken)>, Outcomes) {
        if let Err(error) = Error::unless_on_runtime() {
            return (None, steps.first().map(|step| (*step, StepOutcome::Fails(error))).into_iter().collect());
        }
        let deadline = Instant::now() + LONGEST_SEARCH;
        let attempt = |step| self.attempt(step, scope);
        let (others, tools) = steps.split_at(steps.partition_point(|step| !step.is_tool()));
        // The tools run concurrently. Their results are used in order.
        let tools = stream::iter(tools.to_vec()).map(attempt).buffered(tools.len().max(1));
        let mut attempts = pin!(stream::iter(others.to_vec()).then(attempt).chain(tools));
        let mut outcomes = Vec::new();
        for step in steps {
            let outcome = match timeout_at(deadline, attempts.next()).await {
                Ok(Some(Ok((credential, token)))) => {
                    outcomes.push((*step, StepOutcome::Serves));
                    return (Some((SelectedStep { step: *step, credential }, token)), outcomes);
                }
                Ok(Some(Err(outcome))) => outcome,
                Ok(None) => break,
                Err(_) => {
                    let late = Error::new(ErrorKind::Unavailable, "no credential returned a token in time");
                    StepOutcome::Fails(late.with_status(ReferenceStatus::MsiNotEnabled))
                }
            };
            let has_failed = matches!(outcome, StepOutcome::Fails(_));
            outcomes.push((*step, outcome));
            if has_failed {
                break;
            }
        }
        (None, outcomes)
    }

    /// Returns why a step that was not tried could not serve, as far as its variables show.
    fn unusable(&self, step: CredentialStep) -> Option<StepOutcome> {
        let outcome = match step {
            CredentialStep::Environment => self.variables.secret().err(),
            CredentialStep::WorkloadIdentity => self.variables.token_file().err(),
            CredentialStep::ManagedIdentity => {
                managed_identity::unsupported(&self.variables).map(|reason| StepOutcome::Unusable(reason.to_owned()))
            }
            CredentialStep::AzureCli | CredentialStep::AzureDeveloperCli => None,
        };
        outcome.filter(|outcome| matches!(outcome, StepOutcome::Unusable(_)))
    }

    async fn attempt(&self, step: CredentialStep, scope: &str) -> Attempt {
        match step {
            CredentialStep::Environment => entra::with_secret(&self.variables, &self.options, scope).await,
            CredentialStep::WorkloadIdentity => {
                entra::with_federated_token(&self.variables, &self.options, scope).await
            }
            CredentialStep::ManagedIdentity => managed_identity::attempt(&self.variables, scope).await,
            CredentialStep::AzureCli | CredentialStep::AzureDeveloperCli => {
                tool::attempt(step, &self.variables, scope).await
            }
        }
    }
}

#[async_trait::async_trait]
impl TokenCredential for DefaultCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let [scope] = scopes else {
            return Err(sdk_error(Error::invalid("a token has exactly one scope")));
        };
        let context = options.as_ref().map(|options| &options.method_options.context);
        let bypass_cache = context.is_some_and(|context| context.value::<BypassTokenCache>().is_some());
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut searches = self.searches.lock().await;
        if let Some(SelectedStep { credential, .. }) = &searches.selected
            && !bypass_cache
        {
            let credential = Arc::clone(credential);
            drop(searches);
            return credential.get_token(scopes, options).await;
        }
        if let Some(failed) = searches.failed.get(*scope).filter(|failed| failed.number > failures_before) {
            return Err(sdk_error(failed.error.clone()));
        }
        self.select_locked(&mut searches, scope).await.map_err(sdk_error)
    }
}

/// The error of a search without a result: that of the step that failed, and each step that is configured but unusable.
/// If no step failed, one reason for each step.
fn search_error(outcomes: Outcomes) -> Error {
    let failure = outcomes.iter().find_map(|(_, outcome)| match outcome {
        StepOutcome::Fails(error) => Some(error.clone()),
        _ => None,
    });
    let reason = |(step, outcome)| match outcome {
        StepOutcome::Unusable(reason) => Some(format!("{step}: {reason}")),
        StepOutcome::DoesNotApply(reason) if failure.is_none() => Some(format!("{step}: {reason}")),
        _ => None,
    };
    let reasons: Vec<String> = outcomes.into_iter().filter_map(reason).collect();
    match failure {
        None => Error::new(ErrorKind::Denied, "no credential was found")
            .with_status(ReferenceStatus::MsiNotEnabled)
            .caused_by(reasons.join("; ")),
        Some(error) if reasons.is_empty() => error,
        Some(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let causes: Vec<String> = cause.into_iter().chain(reasons).collect();
            error.caused_by(causes.join("; "))
        }
    }
}

/// The outcome of each step, in order.
type Outcomes = Vec<(CredentialStep, StepOutcome)>;

/// Short enough that a program outside of Azure fails before its user gives up.
const LONGEST_SEARCH: Duration = Duration::from_secs(9);

impl fmt::Debug for DefaultCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredential").field("steps", &self.steps).finish_non_exhaustive()
    }
}
