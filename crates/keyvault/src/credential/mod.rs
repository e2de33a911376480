//! The credential of a service that runs in Azure and of the laptop it is written on.

mod builder;
mod entra;
mod managed_identity;
mod step;
mod tool;
mod variables;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::ClientOptions;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use self::builder::DefaultCredentialBuilder;
use self::step::Outcome;
pub use self::step::{CredentialStep, StepOutcome};
use self::variables::Variables;
use crate::client::{AnotherToken, cloud_scope};
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::Cloud;

/// Makes the credential that most programs want: whatever identity the place where they run has.
///
/// The steps of [`CredentialStep::ALL`], in that order; [`DefaultCredential::builder`] chooses among them. The variables
/// are read here, and nothing else happens before the first token.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) if the variables of a step are set in part; the error names those that are missing.
///
/// # Examples
///
/// ```no_run
/// # fn example() -> keyvault::Result<()> {
/// let client = keyvault::SecretClient::builder("https://contoso.vault.azure.net")
///     .credential(keyvault::default_credential()?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub fn default_credential() -> Result<Arc<DefaultCredential>> {
    DefaultCredential::builder().build()
}

/// A credential that finds out which identity there is, and then stays with it.
///
/// At the first token it tries its steps; the first that serves is logged, once, and serves from then on. A step whose
/// variables are set is meant: when it fails, its failure is told and no other step is tried. When no step serves, the
/// error tells of each why it does not apply, within ten seconds.
pub struct DefaultCredential {
    steps: Vec<CredentialStep>,
    variables: Variables,
    options: ClientOptions,
    chosen: Mutex<Option<Chosen>>,
}

struct Chosen {
    step: CredentialStep,
    credential: Arc<dyn TokenCredential>,
}

impl DefaultCredential {
    /// Begins a credential of chosen steps, variables or transport.
    pub fn builder() -> DefaultCredentialBuilder {
        DefaultCredentialBuilder::new()
    }

    /// Tells which step serves; none before the first token.
    pub async fn step(&self) -> Option<CredentialStep> {
        self.chosen.lock().await.as_ref().map(|chosen| chosen.step)
    }

    /// Tries the steps for a token of `cloud`'s vaults, one after the other, and tells what became of each. The token is
    /// thrown away, and what was found out before is left as it is.
    ///
    /// For a person who asks why; takes as long as the first token does, at most nine seconds for each step.
    pub async fn diagnose(&self, cloud: Cloud) -> Vec<(CredentialStep, StepOutcome)> {
        let scope = cloud_scope(cloud);
        let mut outcomes = Vec::with_capacity(self.steps.len());
        let mut is_decided = false;
        for step in &self.steps {
            if is_decided {
                outcomes.push((*step, StepOutcome::NotTried));
                continue;
            }
            let late = |_| Outcome::DoesNotApply("it gave no token in time".to_owned());
            let outcome = match timeout(LONGEST_SEARCH, self.attempt(*step, &scope)).await.unwrap_or_else(late) {
                Outcome::Serves(..) => StepOutcome::Serves,
                Outcome::DoesNotApply(reason) => StepOutcome::DoesNotApply(reason),
                Outcome::Fails(error) => StepOutcome::Fails(error),
            };
            is_decided = !matches!(outcome, StepOutcome::DoesNotApply(_));
            outcomes.push((*step, outcome));
        }
        outcomes
    }

    /// Tries the steps until one serves.
    async fn choose(&self, steps: &[CredentialStep], scope: &str) -> Result<(Chosen, AccessToken)> {
        let mut tried = Vec::new();
        let (tools, others): (Vec<_>, Vec<_>) = steps.iter().copied().partition(|step| step.is_tool());
        for step in others {
            match self.attempt(step, scope).await {
                Outcome::Serves(credential, token) => return Ok((Chosen { step, credential }, token)),
                Outcome::Fails(error) => return Err(error),
                Outcome::DoesNotApply(reason) => tried.push((step, reason)),
            }
        }
        // A tool takes seconds to say no: they are asked at the same time, and heard in order.
        let mut asked: FuturesOrdered<_> =
            tools.into_iter().map(|step| async move { (step, self.attempt(step, scope).await) }).collect();
        while let Some((step, outcome)) = asked.next().await {
            match outcome {
                Outcome::Serves(credential, token) => return Ok((Chosen { step, credential }, token)),
                Outcome::Fails(error) => return Err(error),
                Outcome::DoesNotApply(reason) => tried.push((step, reason)),
            }
        }
        Err(none_applies(&tried))
    }

    async fn attempt(&self, step: CredentialStep, scope: &str) -> Outcome {
        match step {
            CredentialStep::Environment => entra::with_secret(&self.variables, &self.options, scope).await,
            CredentialStep::WorkloadIdentity => entra::with_file(&self.variables, &self.options, scope).await,
            CredentialStep::ManagedIdentity => managed_identity::attempt(&self.variables, scope).await,
            CredentialStep::AzureCli | CredentialStep::AzureDeveloperCli => {
                tool::attempt(step, &self.variables, scope).await
            }
        }
    }
}

/// The report of a search that found nothing.
fn none_applies(tried: &[(CredentialStep, String)]) -> Error {
    let lines: Vec<String> = tried.iter().map(|(step, reason)| format!("{step}: {reason}")).collect();
    Error::new(ErrorKind::Denied, "no credential was found")
        .with_status(ReferenceStatus::MsiNotEnabled)
        .caused_by(lines.join("; "))
}

#[async_trait::async_trait]
impl TokenCredential for DefaultCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let [scope] = scopes else {
            return Err(wrapped(Error::invalid("token is for one scope")));
        };
        let context = options.as_ref().map(|options| &options.method_options.context);
        let is_refused = context.is_some_and(|context| context.value::<AnotherToken>().is_some());
        let mut chosen = self.chosen.lock().await;
        if let Some(Chosen { credential, .. }) = &*chosen
            && !is_refused
        {
            let credential = Arc::clone(credential);
            drop(chosen);
            return credential.get_token(scopes, options).await;
        }
        // Made anew, the step that serves has no token in a cache of its own.
        let found = timeout(LONGEST_SEARCH, async {
            match chosen.as_ref().map(|chosen| chosen.step) {
                Some(step) => self.choose(&[step], scope).await,
                None => self.choose(&self.steps, scope).await,
            }
        });
        let late = |_| {
            Err(Error::new(ErrorKind::Unavailable, "no credential gave a token in time")
                .with_status(ReferenceStatus::MsiNotEnabled))
        };
        let (found, token) = found.await.unwrap_or_else(late).map_err(wrapped)?;
        if chosen.as_ref().is_none_or(|before| before.step != found.step) {
            tracing::info!(step = %found.step, "credential found");
        }
        *chosen = Some(found);
        Ok(token)
    }
}

/// A program off Azure is told so before its user gives up.
const LONGEST_SEARCH: Duration = Duration::from_secs(9);

/// Puts an error of ours into one of the SDK's, where [`SecretClient`](crate::SecretClient) finds it again.
fn wrapped(error: Error) -> azure_core::Error {
    let text = error.to_string();
    azure_core::Error::with_error(azure_core::error::ErrorKind::Credential, error, text)
}

impl fmt::Debug for DefaultCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredential").field("steps", &self.steps).finish_non_exhaustive()
    }
}
