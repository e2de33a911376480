//! The credential that tries its steps, and then stays with the one that works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientOptions;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::step::{CredentialStep, StepAttempt, StepOutcome, sdk_error};
use super::variables::Variables;
use super::{entra, managed_identity, tool};
use crate::client::{BypassTokenCache, cloud_scope};
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::Cloud;

/// A credential that finds an identity at the first token and then stays with it.
///
/// It tries its steps in order, logs the first one that serves, once, and uses it from then on. If a step is configured
/// but fails, the credential returns its error and tries no further step. If no step applies, the error says why for
/// each of them, within ten seconds.
pub struct DefaultCredential {
    steps: Vec<CredentialStep>,
    variables: Variables,
    options: ClientOptions,
    selected: Mutex<Option<SelectedStep>>,
}

struct SelectedStep {
    step: CredentialStep,
    credential: Arc<dyn TokenCredential>,
}

impl DefaultCredential {
    pub(super) fn new(steps: Vec<CredentialStep>, variables: Variables, options: ClientOptions) -> Self {
        Self { steps, variables, options, selected: Mutex::new(None) }
    }

    /// Returns the step that serves. `None` before the first token.
    pub async fn step(&self) -> Option<CredentialStep> {
        self.selected.lock().await.as_ref().map(|selected| selected.step)
    }

    /// Tries each step for a token for the vaults of `cloud` and returns the outcomes. Discards the token and does not
    /// change which step serves.
    ///
    /// Takes as long as the first token, at most nine seconds for each step.
    pub async fn diagnose(&self, cloud: Cloud) -> Vec<(CredentialStep, StepOutcome)> {
        let scope = cloud_scope(cloud);
        let mut outcomes = Vec::with_capacity(self.steps.len());
        let mut is_decided = false;
        for step in &self.steps {
            if is_decided {
                outcomes.push((*step, StepOutcome::NotTried));
                continue;
            }
            let late = |_| StepAttempt::DoesNotApply("it returned no token in time".to_owned());
            let outcome = match timeout(LONGEST_SEARCH, self.attempt(*step, &scope)).await.unwrap_or_else(late) {
                StepAttempt::Token(..) => StepOutcome::Serves,
                StepAttempt::DoesNotApply(reason) => StepOutcome::DoesNotApply(reason),
                StepAttempt::Failed(error) => StepOutcome::Fails(error),
            };
            is_decided = !matches!(outcome, StepOutcome::DoesNotApply(_));
            outcomes.push((*step, outcome));
        }
        outcomes
    }

    /// Tries the steps in order and selects the first that serves.
    async fn select(&self, steps: &[CredentialStep], scope: &str) -> Result<(SelectedStep, AccessToken)> {
        let mut reasons = Vec::new();
        let (tools, others): (Vec<_>, Vec<_>) = steps.iter().copied().partition(|step| step.is_tool());
        for step in others {
            match self.attempt(step, scope).await {
                StepAttempt::Token(credential, token) => return Ok((SelectedStep { step, credential }, token)),
                StepAttempt::Failed(error) => return Err(error),
                StepAttempt::DoesNotApply(reason) => reasons.push((step, reason)),
            }
        }
        // A tool takes seconds to fail, so the tools run concurrently; their results are used in order.
        let mut attempts: FuturesOrdered<_> =
            tools.into_iter().map(|step| async move { (step, self.attempt(step, scope).await) }).collect();
        while let Some((step, attempt)) = attempts.next().await {
            match attempt {
                StepAttempt::Token(credential, token) => return Ok((SelectedStep { step, credential }, token)),
                StepAttempt::Failed(error) => return Err(error),
                StepAttempt::DoesNotApply(reason) => reasons.push((step, reason)),
            }
        }
        Err(no_step_applies(&reasons))
    }

    async fn attempt(&self, step: CredentialStep, scope: &str) -> StepAttempt {
        match step {
            CredentialStep::Environment => entra::with_secret(&self.variables, &self.options, scope).await,
            CredentialStep::WorkloadIdentity => entra::with_token_file(&self.variables, &self.options, scope).await,
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
        let mut selected = self.selected.lock().await;
        if let Some(SelectedStep { credential, .. }) = &*selected
            && !bypass_cache
        {
            let credential = Arc::clone(credential);
            drop(selected);
            return credential.get_token(scopes, options).await;
        }
        // To bypass the cache, the selected step is created anew: its credential caches tokens.
        let found = timeout(LONGEST_SEARCH, async {
            match selected.as_ref().map(|selected| selected.step) {
                Some(step) => self.select(&[step], scope).await,
                None => self.select(&self.steps, scope).await,
            }
        });
        let late = |_| {
            Err(Error::new(ErrorKind::Unavailable, "no credential returned a token in time")
                .with_status(ReferenceStatus::MsiNotEnabled))
        };
        let (found, token) = found.await.unwrap_or_else(late).map_err(sdk_error)?;
        if selected.as_ref().is_none_or(|before| before.step != found.step) {
            tracing::info!(step = %found.step, "credential found");
        }
        *selected = Some(found);
        Ok(token)
    }
}

/// The error of a search without a result: one reason for each step.
fn no_step_applies(reasons: &[(CredentialStep, String)]) -> Error {
    let lines: Vec<String> = reasons.iter().map(|(step, reason)| format!("{step}: {reason}")).collect();
    Error::new(ErrorKind::Denied, "no credential was found")
        .with_status(ReferenceStatus::MsiNotEnabled)
        .caused_by(lines.join("; "))
}

/// Short enough that a program outside of Azure fails before its user gives up.
const LONGEST_SEARCH: Duration = Duration::from_secs(9);

impl fmt::Debug for DefaultCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredential").field("steps", &self.steps).finish_non_exhaustive()
    }
}
