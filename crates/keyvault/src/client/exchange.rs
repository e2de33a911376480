//! One request and its answer: authorised, bounded in time, retried.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::headers::{ACCEPT, AUTHORIZATION};
use azure_core::http::{ClientOptions, Context, Method, Pipeline, PipelineStreamOptions, Request, RetryOptions};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::answer::{Answer, Failure, unauthorized};
use super::authorizer::{Authorizer, Token};
use super::builder::Settings;
use super::challenge;
use super::retry::{self, Reason};
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::status::ReferenceStatus;
use crate::vault::Vault;

/// The way to one vault.
pub(super) struct Exchange {
    vault: Vault,
    settings: Settings,
    pipeline: Pipeline,
    authorizer: Authorizer,
}

impl Exchange {
    pub(super) fn new(
        vault: Vault,
        credential: Arc<dyn TokenCredential>,
        options: ClientOptions,
        settings: Settings,
    ) -> Self {
        let options = ClientOptions { retry: RetryOptions::none(), ..options };
        let scope = challenge::cloud_scope(cloud(&vault, &settings));
        Self {
            pipeline: Pipeline::new(
                option_env!("CARGO_PKG_NAME"),
                option_env!("CARGO_PKG_VERSION"),
                options,
                Vec::new(),
                Vec::new(),
                None,
            ),
            authorizer: Authorizer::new(credential, scope),
            settings,
            vault,
        }
    }

    pub(super) fn with_vault(&self, vault: Vault) -> Result<Self> {
        let scope = challenge::cloud_scope(cloud(&vault, &self.settings));
        Ok(Self {
            authorizer: self.authorizer.for_scope(scope),
            pipeline: self.pipeline.clone(),
            settings: self.settings.clone(),
            vault,
        })
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(super) fn api_version(&self) -> &str {
        &self.settings.api_version
    }

    /// Sends a GET and gives the answer of a success, within the timeout of an operation.
    pub(super) async fn get(&self, operation: &'static str, url: Url) -> Result<Answer> {
        let started = Instant::now();
        let deadline = started + self.settings.timeout;
        let mut attempts = Attempts::default();
        let outcome = timeout_at(deadline, self.retried(&url, deadline, &mut attempts)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(attempts.timed_out()));
        tracing::debug!(
            vault = %self.vault,
            operation,
            attempts = attempts.made,
            elapsed = ?started.elapsed(),
            status = match &outcome {
                Ok(answer) => Some(answer.status),
                Err(error) => error.http_status(),
            },
            "asked the vault"
        );
        outcome
    }

    async fn retried(&self, url: &Url, deadline: Instant, attempts: &mut Attempts) -> Result<Answer> {
        loop {
            attempts.made += 1;
            let failure = match self.attempt(url).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = failure.retry.and_then(|reason| retry::pause(attempts.made + 1, reason, fastrand::f64()));
            match pause {
                // A pause that outlasts the deadline would only hide the reason behind a timeout.
                Some(pause) if Instant::now() + pause < deadline => {
                    attempts.last = Some(failure.error);
                    sleep(pause).await;
                }
                _ => return Err(failure.error),
            }
        }
    }

    /// Sends once; a second time with another token if the vault does not accept the first.
    async fn attempt(&self, url: &Url) -> Result<Answer, Failure> {
        let token = self.authorizer.token().await?;
        let answer = self.send(url, &token).await?;
        if answer.status != 401 {
            return answer.check();
        }
        let wished = match &answer.challenge {
            Some(header) => challenge::scope(header, &self.vault, cloud(&self.vault, &self.settings))?,
            None => None,
        };
        match self.authorizer.replace(&token, wished).await? {
            Some(token) => self.send(url, &token).await?.check(),
            None => answer.check(),
        }
    }

    async fn send(&self, url: &Url, token: &Token) -> Result<Answer, Failure> {
        let late = |_| Err(Failure { error: timed_out(), retry: Some(Reason::Connection) });
        timeout(LONGEST_ANSWER, self.send_patiently(url, token)).await.unwrap_or_else(late)
    }

    async fn send_patiently(&self, url: &Url, token: &Token) -> Result<Answer, Failure> {
        // Every URL was made of this vault's or checked against it. This is the last place where a slip could be caught
        // before the token is out.
        if url.origin().ascii_serialization() != self.vault.origin() {
            return Err(unauthorized().into());
        }
        let mut request = Request::new(url.clone(), Method::Get);
        request.insert_header(ACCEPT, "application/json");
        request.insert_header(AUTHORIZATION, format!("Bearer {}", token.secret()));
        let options = PipelineStreamOptions { skip_checks: true, ..Default::default() };
        let broken = |error| broken(&error, token);
        let response = self.pipeline.stream(&Context::new(), &mut request, Some(options)).await.map_err(broken)?;
        let (status, headers, body) = response.deconstruct();
        Answer::read(status.into(), &headers, body, broken).await
    }
}

fn cloud(vault: &Vault, settings: &Settings) -> Cloud {
    vault.cloud().or(settings.cloud).unwrap_or_default()
}

/// How often it was tried, and what came of the last time.
#[derive(Default)]
struct Attempts {
    made: u32,
    last: Option<Error>,
}

impl Attempts {
    fn timed_out(&self) -> Error {
        match &self.last {
            Some(last) => timed_out().caused_by(format!("before that: {last}")),
            None => timed_out(),
        }
    }
}

fn timed_out() -> Error {
    Error::new(ErrorKind::Unavailable, "vault did not answer in time").with_status(ReferenceStatus::FetchTimedOut)
}

/// A hanging connection leaves time for another within the default timeout.
const LONGEST_ANSWER: Duration = Duration::from_secs(12);

/// Says why no answer came. The texts of the transport name hosts, addresses and certificates; should one ever name the
/// token, it is cut out.
fn broken(error: &azure_core::Error, token: &Token) -> Failure {
    let mut texts: Vec<String> = Vec::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = without(token.secret(), error.to_string());
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    let chain = texts.join(": ");
    let error = if chain.contains("dns error") || chain.contains("failed to lookup address") {
        Error::new(ErrorKind::Unavailable, "vault's host name cannot be resolved")
            .with_status(ReferenceStatus::VaultNotFound)
    } else {
        Error::new(ErrorKind::Unavailable, "vault could not be reached")
    };
    Failure { error: error.caused_by(chain), retry: Some(Reason::Connection) }
}

/// A token is long; what is as short as a word is a test's, and stands in every other one.
fn without(token: &str, text: String) -> String {
    if token.len() < 8 { text } else { text.replace(token, "…") }
}
