//! The request pipeline of one vault: token, rate limit, deadline, retries.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Uuid;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CLIENT_REQUEST_ID, CONTENT_TYPE};
use azure_core::http::{
    ClientOptions, Context, Pipeline as SdkPipeline, PipelineStreamOptions, Request as SdkRequest, RetryOptions,
};
use azure_core::tracing::PublicApiInstrumentationInformation;
use futures::FutureExt;
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{Instrument, field};
use url::Url;

use super::authorizer::Authorizer;
use super::challenge;
use super::connection_gate::ConnectionGate;
use super::connector::Protocol;
use super::operation::Idempotency;
use super::rate_limit::RateLimit;
use super::request::Request;
use super::response::{FailedAttempt, Response};
use super::retry::{self, RetryReason};
use super::sanitize::Sanitizer;
use super::service_error::unauthorized;
use super::stats::StatsCounters;
use super::transport::{self, POOL_IDLE_TIMEOUT};
use super::transport_failure::transport_failure;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Cloud, NEAR_MISS, Vault};
use crate::time::instant_after;

/// Sends requests to one vault.
pub(super) struct Pipeline {
    pub(super) vault: Vault,
    /// The URL of `vault`, parsed once.
    base_url: Url,
    settings: PipelineSettings,
    sdk: SdkPipeline,
    connection_gate: Arc<ConnectionGate>,
    authorizer: Authorizer,
    rate_limit: Arc<RateLimit>,
    pub(super) stats: Arc<StatsCounters>,
}

/// The settings that a client shares with its copies for other vaults.
#[derive(Clone)]
pub(super) struct PipelineSettings {
    pub(super) cloud: Option<Cloud>,
    pub(super) api_version: String,
    pub(super) timeout: Duration,
    pub(super) requests_per_second: u32,
    pub(super) options: ClientOptions,
    /// `None` if the program brought the transport, in the options. It may lead anywhere, so it shares no rate limit
    /// with other clients.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl PipelineSettings {
    /// Checks that the settings are in range and fit the vault.
    pub(super) fn check(&self, vault: &Vault) -> Result<()> {
        if self.timeout < Duration::from_millis(1) {
            return Err(Error::invalid("timeout of a secret client is below 1 millisecond"));
        }
        if !is_api_version(&self.api_version) {
            return Err(Error::invalid("api-version is malformed").with_help("write it like 2026-04-01 or 7.4"));
        }
        if let (Some(cloud), Some(of_host)) = (self.cloud, vault.cloud())
            && cloud != of_host
        {
            return Err(Error::invalid("vault belongs to another cloud than the client is set to"));
        }
        if self.requests_per_second == 0 {
            return Err(Error::invalid("requests per second of a secret client must be at least 1"));
        }
        Ok(())
    }

    /// Returns the cloud whose tokens `vault` accepts.
    fn cloud_of(&self, vault: &Vault) -> Cloud {
        vault.cloud().or(self.cloud).unwrap_or_default()
    }
}

impl Pipeline {
    pub(super) fn new(vault: Vault, credential: Arc<dyn TokenCredential>, settings: PipelineSettings) -> Result<Self> {
        let stats = Arc::<StatsCounters>::default();
        let mut options = settings.options.clone();
        let (rate_limit, connection_gate) = match &settings.tls {
            Some(tls) => {
                let rate_limit = RateLimit::of(&vault, settings.requests_per_second);
                let gate = Arc::new(ConnectionGate::new(POOL_IDLE_TIMEOUT));
                let shared = (Arc::clone(&gate), Arc::clone(&rate_limit), Arc::clone(&stats));
                let on_connect = Arc::new(move |protocol| {
                    let (gate, rate_limit, stats) = &shared;
                    stats.count(|stats| stats.connections += 1);
                    if protocol == Protocol::Http2 {
                        rate_limit.allow_http2();
                    }
                    gate.connected(protocol);
                });
                options.transport = Some(transport::new(tls, on_connect));
                (rate_limit, gate)
            }
            None => {
                let rate_limit = RateLimit::new(settings.requests_per_second);
                rate_limit.allow_http2();
                (rate_limit, Arc::new(ConnectionGate::open()))
            }
        };
        let authorizer = Authorizer::new(credential, challenge::cloud_scope(settings.cloud_of(&vault)));
        let (base_url, sdk) = (vault.url()?, sdk_pipeline(options));
        Ok(Self { vault, base_url, settings, sdk, connection_gate, authorizer, rate_limit, stats })
    }

    /// Creates the pipeline of another vault, with the same credential and settings.
    pub(super) fn with_vault(&self, vault: Vault) -> Result<Self> {
        Self::new(vault, Arc::clone(&self.authorizer.credential), self.settings.clone())
    }

    /// Returns the cloud whose tokens the vault accepts.
    pub(super) fn cloud(&self) -> Cloud {
        self.settings.cloud_of(&self.vault)
    }

    /// Builds a URL of the vault from checked segments. They are pushed as segments, never spliced into text.
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().map_err(|()| Error::invalid("vault URL has no path"))?.extend(segments);
        url.query_pairs_mut().append_pair("api-version", &self.settings.api_version);
        Ok(url)
    }

    /// Returns the timeout of an operation.
    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Sends a request, with retries, and returns a successful response within the timeout of an operation.
    pub(super) async fn send(&self, request: &Request) -> Result<Response> {
        let span = tracing::info_span!(
            "keyvault",
            vault = %self.vault,
            operation = request.operation.names().0,
            status = field::Empty,
            attempts = field::Empty,
            duration = field::Empty,
            request_id = field::Empty,
        );
        Error::unless_on_runtime()?;
        let started = Instant::now();
        let mut attempts = 0;
        let deadline = instant_after(started, request.time_limit.unwrap_or(self.settings.timeout));
        let sent = self.send_with_retries(request, deadline, &mut attempts);
        let result = sent.instrument(span.clone()).await;
        let (status, request_id) = match &result {
            Ok(response) => (Some(response.status), response.request_id.as_deref()),
            Err(error) => (error.http_status(), error.request_id()),
        };
        span.record("attempts", attempts)
            .record("duration", field::debug(started.elapsed()))
            .record("status", status)
            .record("request_id", request_id);
        let secret = request.secret.as_ref().map(|id| field::display(id.name()));
        span.in_scope(|| tracing::debug!(secret, "asked the vault"));
        result.map_err(|error| {
            let is_misspelt = error.kind() == ErrorKind::Unavailable && self.vault.is_near_miss();
            request.annotate(if is_misspelt { error.with_help(NEAR_MISS) } else { error })
        })
    }

    async fn send_with_retries(&self, request: &Request, deadline: Instant, attempts: &mut u32) -> Result<Response> {
        let idempotency = request.operation.idempotency();
        let (mut before, mut may_have_succeeded) = (None, false);
        loop {
            *attempts += 1;
            // Tokio panics in a runtime without I/O, and a credential or transport is foreign code.
            let attempt = AssertUnwindSafe(self.attempt(request, deadline)).catch_unwind();
            let failed = match timeout_at(deadline, attempt).await {
                Ok(Ok(Ok(response))) => return Ok(response),
                Ok(Ok(Err(failed))) => failed,
                Ok(Err(_panic)) => FailedAttempt { error: panicked(), retry: None, may_have_succeeded: true },
                Err(_) => FailedAttempt { error: timed_out(before.as_ref()), retry: None, may_have_succeeded: true },
            };
            // A repeated removal that finds nothing to remove is the echo of a success.
            let is_echo = may_have_succeeded
                && idempotency == Idempotency::NotFoundOnRepeat
                && (failed.error.http_status(), failed.error.kind()) == (Some(404), ErrorKind::NotFound);
            may_have_succeeded |= failed.may_have_succeeded;
            match self.retry_at(request, &failed, *attempts) {
                // A pause beyond the deadline would only replace the reason by a timeout.
                Some(time) if time < deadline => {
                    before = Some(failed.error);
                    sleep_until(time).await;
                }
                _ => {
                    let error = before.filter(|_| is_echo).unwrap_or(failed.error);
                    let is_repeatable = idempotency == Idempotency::Idempotent || !may_have_succeeded;
                    return Err(if is_repeatable { error } else { error.with_help(MAY_HAVE_SUCCEEDED) });
                }
            }
        }
    }

    /// Returns when to retry, or `None` if the failure is final.
    fn retry_at(&self, request: &Request, failed: &FailedAttempt, attempts: u32) -> Option<Instant> {
        let is_repeatable = request.operation.idempotency() != Idempotency::NotIdempotent;
        let reason = failed.retry.filter(|_| is_repeatable || !failed.may_have_succeeded)?;
        let pause = retry::pause(attempts + 1, reason, fastrand::f64())?;
        // A 429 stops all requests to the vault, so the next permit comes after the cool-off.
        let is_throttled = failed.error.http_status() == Some(429);
        let cool_off = self.rate_limit.cool_off_end().filter(|_| is_throttled);
        Some(cool_off.unwrap_or_else(|| Instant::now() + pause))
    }

    /// Sends the request once, and again with another token if the vault rejects the first one.
    async fn attempt(&self, request: &Request, deadline: Instant) -> Result<Response, FailedAttempt> {
        let token = self.authorizer.token().await?;
        let response = self.send_once(request, &token, deadline).await?;
        if response.status != 401 {
            return response.check(request.operation);
        }
        let scope = match &response.challenge {
            Some(header) => challenge::scope(header, &self.vault, self.settings.cloud_of(&self.vault))?,
            None => None,
        };
        match self.authorizer.replace(&token, scope).await? {
            Some(token) => self.send_once(request, &token, deadline).await?.check(request.operation),
            None => response.check(request.operation),
        }
    }

    /// Sends the request with `token`, as soon as a connection and the rate limit permit.
    async fn send_once(
        &self,
        request: &Request,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Response, FailedAttempt> {
        let lead = self.connection_gate.pass().await;
        let permit = self.rate_limit.acquire(deadline).await?;
        let longest = if request.operation.has_one_long_attempt() { self.settings.timeout } else { ATTEMPT_TIMEOUT };
        let result = self.connection_gate.run(timeout(longest, self.transmit(request, token))).await;
        let result = result.unwrap_or_else(|_| {
            let retry = Some(RetryReason::Connection);
            Err(FailedAttempt { error: timed_out(None), retry, may_have_succeeded: true })
        });
        match &result {
            Ok(_) => self.connection_gate.answered(lead),
            Err(failed) if failed.retry == Some(RetryReason::Connection) => self.connection_gate.disconnected(),
            Err(_) => {}
        }
        let response = result?;
        if response.status == 429 {
            self.stats.count(|stats| stats.refusals += 1);
            permit.throttled(response.retry_after);
        } else {
            permit.succeeded();
        }
        Ok(response)
    }

    async fn transmit(&self, request: &Request, token: &AccessToken) -> Result<Response, FailedAttempt> {
        // Every URL is built from the vault's or checked against it. This is the last place to catch a mistake before
        // the token leaves.
        if !has_origin_of(&self.vault, &request.url) {
            return Err(unauthorized().into());
        }
        let mut sdk_request = SdkRequest::new(request.url.clone(), request.operation.method());
        sdk_request.insert_header(ACCEPT, "application/json");
        // The SDK would add the header, but first construct an error for its absence, with a backtrace if those are on.
        sdk_request.insert_header(CLIENT_REQUEST_ID, Uuid::new_v4().to_string());
        sdk_request.insert_header(AUTHORIZATION, format!("Bearer {}", token.token.secret()));
        if let Some(body) = &request.body {
            sdk_request.insert_header(CONTENT_TYPE, "application/json");
            sdk_request.set_body(body.clone());
        }
        let options = PipelineStreamOptions { skip_checks: true, ..Default::default() };
        // The name of the span of an OpenTelemetry provider in the client options.
        let mut context = Context::new();
        context.insert(PublicApiInstrumentationInformation::new(request.operation.names().1, Vec::new()));
        let failed = |error| transport_failure(&error, token);
        self.stats.count(|stats| stats.requests += 1);
        let response = self.sdk.stream(&context, &mut sdk_request, Some(options)).await.map_err(failed)?;
        let (status, headers, body) = response.deconstruct();
        Response::read(status.into(), &headers, body, request.operation.max_response_size(), failed).await
    }
}

/// Returns whether text has the form of a version: `7.4`, `2026-04-01`, or one of them with `-preview` and a number.
fn is_api_version(text: &str) -> bool {
    let (number, preview) = text.split_once("-preview").unwrap_or((text, ""));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let dotted = |text: &str| text.split('.').all(are_digits);
    let is_date = number.split('-').map(str::len).eq([4, 2, 2]) && number.split('-').all(are_digits);
    let is_number = number.split('.').count() == 2 && dotted(number) && number.len() <= 8;
    (is_date || is_number) && (preview.is_empty() || preview.strip_prefix('.').is_some_and(are_digits))
}

/// Creates the SDK's pipeline, which neither retries nor sees text from the other side.
fn sdk_pipeline(options: ClientOptions) -> SdkPipeline {
    let transport = Some(Sanitizer::wrap(options.transport.clone().unwrap_or_default()));
    let options = ClientOptions { retry: RetryOptions::none(), transport, ..options };
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    SdkPipeline::new(name, version, options, Vec::new(), Vec::new(), None)
}

/// Returns whether a URL starts with exactly the vault's origin. A parsed URL has no default port and a lower-case
/// host, and user information would follow the scheme.
fn has_origin_of(vault: &Vault, url: &Url) -> bool {
    url.as_str().strip_prefix(vault.origin()).is_some_and(|rest| rest.starts_with('/'))
}

/// The error of a request that the vault did not answer in time, after the error `before`.
fn timed_out(before: Option<&Error>) -> Error {
    let error =
        Error::new(ErrorKind::Unavailable, "vault did not answer in time").with_status(ReferenceStatus::FetchTimedOut);
    match before {
        Some(before) => error.caused_by(format!("before that: {before}")),
        None => error,
    }
}

/// The error of a request whose credential or transport panicked.
fn panicked() -> Error {
    Error::invalid("credential or transport panicked")
        .with_help("build the tokio runtime with enable_all, because a connection needs I/O and timers")
}

const MAY_HAVE_SUCCEEDED: &str = "the vault may have carried it out: check before you repeat it";

/// The time limit of one attempt. A connection that hangs leaves time for another one within the default timeout.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use azure_core::credentials::TokenRequestOptions;
    use azure_core::http::{AsyncRawResponse, HttpClient, Transport};
    use azure_core::time::OffsetDateTime;

    use super::super::operation::Operation;
    use super::*;

    /// A transport that counts requests and answers each with an empty object, and its credential.
    #[derive(Debug, Default)]
    struct Recorder(AtomicUsize);

    #[async_trait::async_trait]
    impl HttpClient for Recorder {
        async fn execute_request(&self, _: &SdkRequest) -> azure_core::Result<AsyncRawResponse> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(AsyncRawResponse::from_bytes(200.into(), Default::default(), "{}"))
        }
    }

    #[async_trait::async_trait]
    impl TokenCredential for Recorder {
        async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
            Ok(AccessToken::new("token", OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
        }
    }

    #[tokio::test]
    async fn a_request_to_another_origin_is_stopped_before_the_transport() {
        let recorder = Arc::new(Recorder::default());
        let transport = Some(Transport::new(Arc::clone(&recorder) as _));
        let settings = PipelineSettings {
            cloud: None,
            api_version: "7.4".to_owned(),
            timeout: Duration::from_secs(1),
            requests_per_second: 1,
            options: ClientOptions { transport, ..ClientOptions::default() },
            tls: None,
        };
        let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
        let pipeline = Pipeline::new(vault, Arc::clone(&recorder) as _, settings).unwrap();
        let send = |url: &str| {
            let request = Request::new(Operation::Get, Url::parse(url).unwrap());
            let pipeline = &pipeline;
            async move { pipeline.send(&request).await.map(drop).map_err(|error| error.kind()) }
        };
        assert_eq!(send("https://fabrikam.vault.azure.net/secrets/a").await, Err(ErrorKind::Denied));
        assert_eq!(recorder.0.load(Ordering::Relaxed), 0);
        assert_eq!(send("https://contoso.vault.azure.net/secrets/a").await, Ok(()));
        assert_eq!(recorder.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_version_of_the_api_has_one_of_two_forms() {
        for (text, expected) in [
            ("7.4", true),
            ("7.6-preview.1", true),
            ("2016-10-01", true),
            ("2026-04-01", true),
            ("2025-06-01-preview", true),
            ("", false),
            ("latest", false),
            ("7", false),
            ("7.4.1", false),
            ("v7.4", false),
            ("7.4&x=1", false),
            ("2026-4-1", false),
            ("2026-04-01-canary", false),
            ("2026/04/01", false),
            (" 7.4", false),
        ] {
            assert_eq!(is_api_version(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_url_of_the_vaults_own_origin_is_sent_a_token() {
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
            assert_eq!(has_origin_of(&Vault::parse(vault).unwrap(), &url), passes, "{vault}: {url}");
            let origins_are_equal = url.origin().ascii_serialization() == vault;
            assert!(!passes || origins_are_equal, "{vault}: {url}");
        }
    }
}
