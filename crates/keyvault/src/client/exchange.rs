//! One request and its answer: authorised, bounded in time, retried.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CLIENT_REQUEST_ID, CONTENT_TYPE};
use azure_core::http::{ClientOptions, Context, Pipeline, PipelineStreamOptions, Request, RetryOptions};
use azure_core::tracing::PublicApiInstrumentationInformation;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{Instrument, Span, field};
use url::Url;

use super::answer::{Answer, Failure, unauthorized};
use super::authorizer::{Authorizer, Token};
use super::builder::Settings;
use super::call::Call;
use super::challenge;
use super::heard::{self, Heard};
use super::opening::Opening;
use super::pace::Pace;
use super::retry::{self, Reason};
use super::traffic::{ClientStats, Counters};
use super::transport::transport;
use super::verb::{Repeat, Verb};
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Cloud, Vault};

/// The way to one vault.
pub(super) struct Exchange {
    vault: Vault,
    /// The same, parsed once.
    base: Url,
    settings: Settings,
    way: Way,
    pipeline: Pipeline,
    /// None if somebody else makes the connections.
    opening: Option<Arc<Opening>>,
    authorizer: Authorizer,
    pace: Arc<Pace>,
    counters: Arc<Counters>,
}

/// What carries requests to any vault.
#[derive(Clone)]
pub(super) enum Way {
    /// Connections of our own.
    Ours(ClientOptions, Arc<ClientConfig>),
    /// A transport that the program brought. Where it leads to is its business, so nobody shares a pace with it.
    Given(ClientOptions),
}

impl Exchange {
    pub(super) fn new(
        vault: Vault,
        credential: Arc<dyn TokenCredential>,
        way: Way,
        settings: Settings,
    ) -> Result<Self> {
        let scope = challenge::cloud_scope(cloud(&vault, &settings));
        Self::on_the_way(vault, Authorizer::new(credential, scope), way, settings)
    }

    pub(super) fn with_vault(&self, vault: Vault) -> Result<Self> {
        let scope = challenge::cloud_scope(cloud(&vault, &self.settings));
        Self::on_the_way(vault, self.authorizer.for_scope(scope), self.way.clone(), self.settings.clone())
    }

    fn on_the_way(vault: Vault, authorizer: Authorizer, way: Way, settings: Settings) -> Result<Self> {
        let counters = Arc::<Counters>::default();
        let (options, pace, opening) = match &way {
            Way::Given(options) => {
                let pace = Pace::new(settings.requests_per_second);
                pace.widen();
                (options.clone(), pace, None)
            }
            Way::Ours(options, tls) => {
                let pace = Pace::of(&vault, settings.requests_per_second);
                let opening = Opening::new(Arc::clone(&counters), Arc::clone(&pace));
                let transport = Some(transport(tls, Arc::clone(&opening))?);
                (ClientOptions { transport, ..options.clone() }, pace, Some(opening))
            }
        };
        let transport = Some(Heard::over(options.transport.unwrap_or_default()));
        let options = ClientOptions { retry: RetryOptions::none(), transport, ..options };
        let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
        let pipeline = Pipeline::new(name, version, options, Vec::new(), Vec::new(), None);
        let base = vault.url()?;
        Ok(Self { vault, base, settings, way, pipeline, opening, authorizer, pace, counters })
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Gives the URL of the vault, to make others of.
    pub(super) fn base(&self) -> Url {
        self.base.clone()
    }

    pub(super) fn api_version(&self) -> &str {
        &self.settings.api_version
    }

    pub(super) fn traffic(&self) -> ClientStats {
        self.counters.traffic()
    }

    /// Sends a request and gives the answer of a success, within the timeout of an operation.
    pub(super) async fn call(&self, call: &Call) -> Result<Answer> {
        let span = tracing::info_span!(
            "keyvault",
            vault = %self.vault,
            operation = call.verb.name(),
            status = field::Empty,
            attempts = field::Empty,
            duration = field::Empty,
            request_id = field::Empty,
        );
        self.recorded(call, &span).instrument(span.clone()).await
    }

    async fn recorded(&self, call: &Call, span: &Span) -> Result<Answer> {
        let started = Instant::now();
        let deadline = started + self.settings.timeout;
        let mut attempts = Attempts::default();
        let outcome = timeout_at(deadline, self.retried(call, deadline, &mut attempts)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(attempts.timed_out(call.verb)));
        let (status, request_id) = match &outcome {
            Ok(answer) => (Some(answer.status), answer.request_id.as_deref()),
            Err(error) => (error.http_status(), error.request_id()),
        };
        span.record("attempts", attempts.made)
            .record("duration", field::debug(started.elapsed()))
            .record("status", status)
            .record("request_id", request_id);
        tracing::debug!(secret = call.secret.as_ref().map(|id| field::display(id.name())), "asked the vault");
        outcome.map_err(|error| match &call.secret {
            Some(secret) => error.about(secret),
            None => error,
        })
    }

    async fn retried(&self, call: &Call, deadline: Instant, attempts: &mut Attempts) -> Result<Answer> {
        loop {
            attempts.made += 1;
            attempts.is_under_way = true;
            let failure = match self.attempt(call, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            attempts.is_under_way = false;
            if let Some(echo) = attempts.echo(call.verb, &failure) {
                return Err(echo);
            }
            attempts.may_be_done |= failure.may_be_done;
            let again = failure.retry.filter(|_| call.verb.repeat() != Repeat::Never || !failure.may_be_done);
            let pause = again.and_then(|reason| retry::pause(attempts.made + 1, reason, fastrand::f64()));
            // After a 429 nobody asks this vault for a while. The next turn is after that while.
            let throttled = failure.error.http_status() == Some(429);
            let until = pause.map(|pause| match self.pace.cool_until().filter(|_| throttled) {
                Some(until) => until,
                None => Instant::now() + pause,
            });
            match until {
                // A pause that outlasts the deadline would only hide the reason behind a timeout.
                Some(until) if until < deadline => {
                    attempts.last = Some(failure.error);
                    sleep_until(until).await;
                }
                _ => return Err(attempts.qualified(call.verb, failure.error)),
            }
        }
    }

    /// Sends once; a second time with another token if the vault does not accept the first.
    async fn attempt(&self, call: &Call, deadline: Instant) -> Result<Answer, Failure> {
        let token = self.authorizer.token().await?;
        let answer = self.send(call, &token, deadline).await?;
        if answer.status != 401 {
            return answer.check(call.verb);
        }
        let wished = match &answer.challenge {
            Some(header) => challenge::scope(header, &self.vault, cloud(&self.vault, &self.settings))?,
            None => None,
        };
        match self.authorizer.replace(&token, wished).await? {
            Some(token) => self.send(call, &token, deadline).await?.check(call.verb),
            None => answer.check(call.verb),
        }
    }

    async fn send(&self, call: &Call, token: &Token, deadline: Instant) -> Result<Answer, Failure> {
        let unanswered = || Failure { error: timed_out(), retry: Some(Reason::Connection), may_be_done: true };
        let patience = if call.verb.is_patient() { self.settings.timeout } else { LONGEST_ANSWER };
        let _first = match &self.opening {
            Some(opening) => opening.follow().await,
            None => None,
        };
        let turn = self.pace.turn(deadline).await?;
        let sent = timeout(patience, self.send_patiently(call, token));
        let answer = sent.await.unwrap_or_else(|_| Err(unanswered()))?;
        if answer.status == 429 {
            self.counters.refused();
            turn.refused(answer.retry_after);
        } else {
            turn.succeeded();
        }
        Ok(answer)
    }

    async fn send_patiently(&self, call: &Call, token: &Token) -> Result<Answer, Failure> {
        // Every URL was made of this vault's or checked against it. This is the last place where a slip could be caught
        // before the token is out.
        if !is_of(&self.vault, &call.url) {
            return Err(unauthorized().into());
        }
        let mut request = Request::new(call.url.clone(), call.verb.method());
        request.insert_header(ACCEPT, "application/json");
        // The pipeline would do it, and would make an error of its absence first, with a backtrace where those are on.
        request.insert_header(CLIENT_REQUEST_ID, request_id(fastrand::u128(..)));
        request.insert_header(AUTHORIZATION, format!("Bearer {}", token.secret()));
        if let Some(body) = &call.body {
            request.insert_header(CONTENT_TYPE, "application/json");
            request.set_body(body.clone());
        }
        let options = PipelineStreamOptions { skip_checks: true, ..Default::default() };
        // What an OpenTelemetry provider in the client options calls its spans.
        let mut context = Context::new();
        context.insert(PublicApiInstrumentationInformation::new(call.verb.api_name(), Vec::new()));
        let broken = |error| broken(&error, token);
        self.counters.sent();
        let response = self.pipeline.stream(&context, &mut request, Some(options)).await.map_err(broken)?;
        let (status, headers, body) = response.deconstruct();
        Answer::read(status.into(), &headers, body, call.verb.largest_answer(), broken).await
    }
}

/// Tells whether a URL begins with exactly the vault's origin. What is parsed has no default port and no capitals in its
/// host, and user information would stand in between.
fn is_of(vault: &Vault, url: &Url) -> bool {
    url.as_str().strip_prefix(vault.origin()).is_some_and(|rest| rest.starts_with('/'))
}

fn cloud(vault: &Vault, settings: &Settings) -> Cloud {
    vault.cloud().or(settings.cloud).unwrap_or_default()
}

/// Writes a random number as [a UUID of version 4](https://www.rfc-editor.org/rfc/rfc9562#section-5.4).
fn request_id(random: u128) -> String {
    let (version, variant) = (0x4 << 76, 0b10 << 62);
    let id = random & !(0xf << 76 | 0b11 << 62) | version | variant;
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// How often it was tried, and what came of it.
#[derive(Default)]
struct Attempts {
    made: u32,
    last: Option<Error>,
    is_under_way: bool,
    /// Whether a failed attempt may have been carried out all the same.
    may_be_done: bool,
}

impl Attempts {
    fn timed_out(&self, verb: Verb) -> Error {
        let error = match &self.last {
            Some(last) => timed_out().caused_by(format!("before that: {last}")),
            None => timed_out(),
        };
        let unsure = self.may_be_done || self.is_under_way;
        if unsure { qualified(verb, error) } else { error }
    }

    fn qualified(&self, verb: Verb, error: Error) -> Error {
        if self.may_be_done { qualified(verb, error) } else { error }
    }

    /// Tells the failure before, if this one is only its echo: a repeated delete that finds nothing to delete.
    fn echo(&self, verb: Verb, failure: &Failure) -> Option<Error> {
        let found_nothing = failure.error.http_status() == Some(404) && failure.error.kind() == ErrorKind::NotFound;
        let is_echo = verb.repeat() == Repeat::UntilNotFound && self.may_be_done && found_nothing;
        let before = self.last.clone().filter(|_| is_echo)?;
        Some(qualified(verb, before))
    }
}

/// Says that the vault may have done what it was asked, where that matters.
fn qualified(verb: Verb, error: Error) -> Error {
    match verb.repeat() {
        Repeat::Always => error,
        _ => error.with_help("the vault may have carried it out all the same: look before you repeat it"),
    }
}

fn timed_out() -> Error {
    Error::new(ErrorKind::Unavailable, "vault did not answer in time").with_status(ReferenceStatus::FetchTimedOut)
}

/// A hanging connection leaves time for another within the default timeout.
const LONGEST_ANSWER: Duration = Duration::from_secs(12);

/// Says why no answer came.
fn broken(error: &azure_core::Error, token: &Token) -> Failure {
    let reason = heard::reason(error, token.secret());
    let kind = error.kind();
    let error = if reason.contains("dns error") || reason.contains("failed to lookup address") {
        Error::new(ErrorKind::Unavailable, "vault's host name cannot be resolved")
            .with_status(ReferenceStatus::VaultNotFound)
    } else {
        Error::new(ErrorKind::Unavailable, "vault could not be reached")
    };
    // Of every other failure of a transport nobody knows how far the request came.
    let may_be_done = !matches!(kind, azure_core::error::ErrorKind::Connection);
    Failure { error: error.caused_by(reason), retry: Some(Reason::Connection), may_be_done }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_the_vaults_own_origin_passes_the_last_gate() {
        for (vault, url, passes) in [
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net/secrets/a", true),
            ("https://contoso.vault.azure.net", "https://CONTOSO.vault.azure.net:443/secrets/a", true),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net", true),
            ("https://contoso.vault.azure.net", "http://contoso.vault.azure.net/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net:8443/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net.evil.example/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net@evil.example/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://user@contoso.vault.azure.net/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net./secrets/a", false),
            ("https://contoso.vault.azure.net", "https://fabrikam.vault.azure.net/secrets/a", false),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443/secrets/a", true),
            ("https://127.0.0.1:844", "https://127.0.0.1:8443/secrets/a", false),
            ("https://127.0.0.1:8443", "https://127.0.0.1/secrets/a", false),
            ("https://[::1]:8443", "https://[::1]:8443/secrets/a", true),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(is_of(&Vault::parse(vault).unwrap(), &url), passes, "{vault}: {url}");
            let origins_are_equal = url.origin().ascii_serialization() == vault;
            assert!(!passes || origins_are_equal, "{vault}: {url}");
        }
    }

    #[test]
    fn a_request_id_is_a_uuid() {
        assert_eq!(request_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(request_id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
