//! The request pipeline of one vault or store: token or signature, rate limit, deadline, retries.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Uuid;
use azure_core::credentials::AccessToken;
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CLIENT_REQUEST_ID, CONTENT_TYPE};
use azure_core::http::{
    ClientOptions, Context, Pipeline as SdkPipeline, PipelineStreamOptions, Request as SdkRequest, RetryOptions,
};
use azure_core::tracing::PublicApiInstrumentationInformation;
use futures::FutureExt;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{Instrument, field};
use url::Url;

use super::api_version::is_api_version;
use super::authorizer::Authorizer;
use super::connection_gate::ConnectionGate;
use super::connector::Protocol;
use super::operation::Idempotency;
use super::origin::has_origin_of;
use super::pipeline_settings::PipelineSettings;
use super::rate_limit::RateLimit;
use super::refusal::unauthorized;
use super::request::Request;
use super::response::{FailedAttempt, Response};
use super::retry::{self, RetryReason};
use super::sanitize::Sanitizer;
use super::service::Service;
use super::stats::{ClientStats, StatsCounters};
use super::transport::{self, POOL_IDLE_TIMEOUT};
use super::transport_failure::transport_failure;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::Vault;
use crate::time::instant_after;

/// Sends requests to one vault, or to one store of another service.
pub struct Pipeline {
    origin: Vault,
    /// The URL of `origin`, parsed once.
    base_url: Url,
    service: Arc<dyn Service>,
    settings: PipelineSettings,
    sdk: SdkPipeline,
    connection_gate: Arc<ConnectionGate>,
    /// `None` if the service signs its requests.
    authorizer: Option<Authorizer>,
    rate_limit: Arc<RateLimit>,
    stats: Arc<StatsCounters>,
}

impl Pipeline {
    /// Creates a pipeline to `origin`. Without an authorizer, [`Service::sign`] authorizes each request.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the version of the API is malformed.
    pub fn new(
        origin: Vault,
        service: Arc<dyn Service>,
        authorizer: Option<Authorizer>,
        settings: PipelineSettings,
    ) -> Result<Self> {
        if !is_api_version(&settings.api_version) {
            return Err(Error::invalid("api-version is malformed").with_help("write it like 2026-04-01 or 7.4"));
        }
        let stats = Arc::<StatsCounters>::default();
        let mut options = settings.options.clone();
        let (rate_limit, connection_gate) = match &settings.tls {
            Some(tls) => {
                let rate_limit = RateLimit::of(&origin, settings.requests_per_second);
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
        let (base_url, sdk) = (origin.url()?, sdk_pipeline(options));
        Ok(Self { origin, base_url, service, settings, sdk, connection_gate, authorizer, rate_limit, stats })
    }

    /// Creates the pipeline to another origin, with the same credential and settings, and tokens for `scope`.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Pipeline::new).
    pub fn with_origin(&self, origin: Vault, service: Arc<dyn Service>, scope: String) -> Result<Self> {
        let authorizer = self.authorizer.as_ref().map(|known| Authorizer::new(Arc::clone(&known.credential), scope));
        Self::new(origin, service, authorizer, self.settings.clone())
    }

    /// Returns the only origin that requests go to.
    pub fn origin(&self) -> &Vault {
        &self.origin
    }

    /// Builds a URL of the origin from checked segments. They are pushed as segments, never spliced into text.
    ///
    /// # Errors
    ///
    /// None for an origin that was parsed.
    pub fn url(&self, segments: &[&str]) -> Result<Url> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().map_err(|()| Error::invalid("URL of the origin has no path"))?.extend(segments);
        url.query_pairs_mut().append_pair("api-version", &self.settings.api_version);
        Ok(url)
    }

    /// Returns the timeout of an operation.
    pub fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    /// Returns what was sent so far.
    pub fn stats(&self) -> ClientStats {
        self.stats.read()
    }

    /// Sends a request, with retries, and returns a successful response within the timeout of an operation. A 304 is
    /// one if the request asks for changes only.
    ///
    /// # Errors
    ///
    /// [`Denied`](ErrorKind::Denied) without a token, [`Throttled`](ErrorKind::Throttled) if the rate limit is
    /// exhausted, [`Unavailable`](ErrorKind::Unavailable) if there is no response in time, or the
    /// [error](super::Operation::error) of the operation.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The service may still carry it out.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        let span = self.service.span(request.operation);
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
        span.in_scope(|| self.service.log(request.subject.as_ref()));
        result.map_err(|error| request.annotate(self.service.explain(error)))
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
                Err(_) => {
                    FailedAttempt { error: self.timed_out(before.as_ref()), retry: None, may_have_succeeded: true }
                }
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
        let Some(authorizer) = &self.authorizer else {
            return self.send_once(request, None, deadline).await?.check(request);
        };
        let token = authorizer.token().await?;
        let response = self.send_once(request, Some(&token), deadline).await?;
        if response.status != 401 {
            return response.check(request);
        }
        let scope = match &response.challenge {
            Some(challenge) => self.service.scope(challenge)?,
            None => None,
        };
        match authorizer.replace(&token, scope).await? {
            Some(token) => self.send_once(request, Some(&token), deadline).await?.check(request),
            None => response.check(request),
        }
    }

    /// Sends the request, with `token` or signed, as soon as a connection and the rate limit permit.
    async fn send_once(
        &self,
        request: &Request,
        token: Option<&AccessToken>,
        deadline: Instant,
    ) -> Result<Response, FailedAttempt> {
        let lead = self.connection_gate.pass().await;
        let permit = self.rate_limit.acquire(deadline, self.service.noun()).await?;
        let longest = if request.operation.has_one_long_attempt() { self.settings.timeout } else { ATTEMPT_TIMEOUT };
        let result = self.connection_gate.run(timeout(longest, self.transmit(request, token))).await;
        let result = result.unwrap_or_else(|_| {
            let retry = Some(RetryReason::Connection);
            Err(FailedAttempt { error: self.timed_out(None), retry, may_have_succeeded: true })
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

    async fn transmit(&self, request: &Request, token: Option<&AccessToken>) -> Result<Response, FailedAttempt> {
        // Every URL is built from the origin's or checked against it. This is the last place to catch a mistake before
        // the token leaves.
        if !has_origin_of(&self.origin, &request.url) {
            return Err(unauthorized(self.service.noun()).into());
        }
        let mut sdk_request = SdkRequest::new(request.url.clone(), request.operation.method());
        sdk_request.insert_header(ACCEPT, "application/json");
        // The SDK would add the header, but first construct an error for its absence, with a backtrace if those are on.
        sdk_request.insert_header(CLIENT_REQUEST_ID, Uuid::new_v4().to_string());
        if let Some(body) = &request.body {
            sdk_request.insert_header(CONTENT_TYPE, "application/json");
            sdk_request.set_body(body.clone());
        }
        for (name, value) in &request.headers {
            sdk_request.insert_header(name.clone(), value.clone());
        }
        match token {
            Some(token) => sdk_request.insert_header(AUTHORIZATION, format!("Bearer {}", token.token.secret())),
            None => self.service.sign(&mut sdk_request)?,
        }
        let options = PipelineStreamOptions { skip_checks: true, ..Default::default() };
        // The name of the span of an OpenTelemetry provider in the client options.
        let mut context = Context::new();
        context.insert(PublicApiInstrumentationInformation::new(request.operation.sdk_name(), Vec::new()));
        self.stats.count(|stats| stats.requests += 1);
        let response = self.sdk.stream(&context, &mut sdk_request, Some(options)).await;
        let noun = self.service.noun();
        let failed = |error| transport_failure(&error, &sdk_request, noun);
        let response = response.map_err(failed)?;
        let (status, headers, body) = response.deconstruct();
        Response::read(status.into(), &headers, body, request.operation.max_response_size(), noun, failed).await
    }

    /// Returns the error of a request that got no response in time, after the error `before`.
    fn timed_out(&self, before: Option<&Error>) -> Error {
        let noun = self.service.noun();
        let clause = format!("{noun} did not answer in time");
        let error = Error::from_clause(ErrorKind::Unavailable, "vault did not answer in time", clause)
            .with_status(ReferenceStatus::FetchTimedOut);
        match before {
            Some(before) => error.caused_by(format!("before that: {before}")),
            None => error,
        }
    }
}

/// Creates the SDK's pipeline, which neither retries nor sees text from the other side.
fn sdk_pipeline(options: ClientOptions) -> SdkPipeline {
    let transport = Some(Sanitizer::wrap(options.transport.clone().unwrap_or_default()));
    let options = ClientOptions { retry: RetryOptions::none(), transport, ..options };
    let (name, version) = (option_env!("CARGO_PKG_NAME"), option_env!("CARGO_PKG_VERSION"));
    SdkPipeline::new(name, version, options, Vec::new(), Vec::new(), None)
}

/// The error of a request whose credential or transport panicked.
fn panicked() -> Error {
    Error::invalid("credential or transport panicked")
        .with_help("build the tokio runtime with enable_all, because a connection needs I/O and timers")
}

const MAY_HAVE_SUCCEEDED: &str = "the request may have been carried out: check before you repeat it";

/// The time limit of one attempt. A connection that hangs leaves time for another one within the default timeout.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use azure_core::credentials::{TokenCredential, TokenRequestOptions};
    use azure_core::http::{AsyncRawResponse, HttpClient, Transport};
    use azure_core::time::OffsetDateTime;

    use super::super::testing::{GET, Store};
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
        let mut settings = PipelineSettings::new("7.4", 1);
        settings.options = ClientOptions { transport, ..ClientOptions::default() };
        let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
        let authorizer = Authorizer::new(Arc::clone(&recorder) as _, "scope".to_owned());
        let pipeline = Pipeline::new(vault, Arc::new(Store::default()), Some(authorizer), settings).unwrap();
        let send = |url: &str| {
            let request = Request::new(&GET, Url::parse(url).unwrap());
            let pipeline = &pipeline;
            async move { pipeline.send(&request).await.map(drop).map_err(|error| error.kind()) }
        };
        assert_eq!(send("https://fabrikam.vault.azure.net/secrets/a").await, Err(ErrorKind::Denied));
        assert_eq!(recorder.0.load(Ordering::Relaxed), 0);
        assert_eq!(send("https://contoso.vault.azure.net/secrets/a").await, Ok(()));
        assert_eq!(recorder.0.load(Ordering::Relaxed), 1);
    }
}
