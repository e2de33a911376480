//! The service as a function: a request and the time go in, an answer comes out. No socket, no waiting.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HOST, PRAGMA, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::sync::Notify;

use crate::access::Access;
use crate::auth::{self, Tokens, VAULT_AUDIENCE};
use crate::clock::Clock;
use crate::counters::Ledger;
use crate::error::{REGION, WireError};
use crate::fault::{Faults, RequestHead, Stage};
use crate::identity::{Endpoint, Identity};
use crate::operations::{self, Call};
use crate::outcome::Plan;
use crate::page::LARGEST_PAGE;
use crate::policy::Policy;
use crate::random;
use crate::route::{Operation, Route};
use crate::throttle::Throttling;
use crate::vault::Vault;

/// The service: what never changes, and the state behind one lock.
pub(crate) struct Service {
    pub(crate) identity: Identity,
    /// Where the challenge sends a client for a token.
    pub(crate) authority: String,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    /// Woken when a vault has changed.
    pub(crate) change: Notify,
    state: Mutex<State>,
}

/// A request, and what was made out of it so far.
struct Incoming<'a> {
    request: &'a Request<Bytes>,
    base: &'a str,
    head: RequestHead,
    /// The name of the secret, for a fault to speak of.
    name: Option<String>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) vaults: BTreeMap<String, Vault>,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    pub(crate) access: Access,
    pub(crate) throttling: Throttling,
    pub(crate) ledger: Ledger,
    pub(crate) latency: Duration,
    pub(crate) resource: String,
    pub(crate) page_size: usize,
    /// How often a vault has changed.
    pub(crate) changes: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            vaults: BTreeMap::new(),
            tokens: Tokens::default(),
            faults: Faults::default(),
            access: Access::default(),
            throttling: Throttling::default(),
            ledger: Ledger::default(),
            latency: Duration::ZERO,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: LARGEST_PAGE,
            changes: 0,
        }
    }
}

impl Service {
    /// Makes a service whose tokens come from `authority`.
    pub(crate) fn new(authority: String, identity: Identity, policy: Policy, clock: Clock, state: State) -> Self {
        Self { identity, authority, policy, clock, change: Notify::new(), state: Mutex::new(state) }
    }

    /// Returns the time since 1970.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Notes that a vault is no longer what it was.
    pub(crate) fn changed(&self, state: &mut State) {
        state.changes += 1;
        self.change.notify_one();
    }

    /// Locks the state. A panic elsewhere must not stop the server, so a poisoned lock is taken as it is.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether a request is for a vault rather than for a token.
    pub(crate) fn is_for_vault(request: &Request<Bytes>) -> bool {
        Endpoint::parse(request.uri().path()).is_none()
    }

    /// Decides what becomes of a request, does it, and writes it down.
    pub(crate) fn plan(&self, request: &Request<Bytes>) -> Plan {
        let mut state = self.state();
        let base = self.base(request);
        let mut plan = match Endpoint::parse(request.uri().path()) {
            Some(endpoint) => self.plan_token(&mut state, request, &base, &endpoint),
            None => self.plan_vault(&mut state, request, &base),
        };
        if let Some(response) = plan.outcome.response_mut() {
            dress(request, response);
        }
        plan
    }

    fn plan_token(&self, state: &mut State, request: &Request<Bytes>, base: &str, endpoint: &Endpoint) -> Plan {
        let head = head(request, request.method(), base, endpoint.operation(), false);
        let incoming = Incoming { request, base, head, name: None };
        self.settle(state, incoming, Duration::ZERO, |state| endpoint.answer(self, state, request, base))
    }

    fn plan_vault(&self, state: &mut State, request: &Request<Bytes>, base: &str) -> Plan {
        let method = effective_method(request);
        let route = Route::parse(&method, request.uri().path());
        let operation = route.as_ref().map_or(Operation::Other, |route| route.operation);
        let name = route.as_ref().ok().map(|route| route.name.clone());

        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let access = state.tokens.check(authorization, &state.resource, &self.identity.tenant_id, self.now());
        let head = head(request, &method, base, operation, access.is_ok());

        let denial = state.access.refusal(&head);
        let incoming = Incoming { request, base, head, name };
        let (latency, changes) = (state.latency, state.changes);
        let mut plan = self.settle(state, incoming, latency, |state| {
            let answer = access.and(route).and_then(|route| {
                let call = Call { request, route, base, vault: vault_name(base) };
                state.throttling.admit(&call.vault, operation, self.now())?;
                if let Some(denial) = denial {
                    return Err(denial.error(self, &call));
                }
                let answer = operations::perform(self, state, &call)?;
                if operation.is_change() {
                    self.changed(state);
                }
                Ok(answer)
            });
            answer.unwrap_or_else(|error| self.refuse(state, &error))
        });
        plan.change = Some(state.changes).filter(|now| *now != changes);
        plan
    }

    /// Lets a fault strike or asks for the answer, lets a fault spoil that, and writes down what became of it.
    fn settle(
        &self,
        state: &mut State,
        incoming: Incoming<'_>,
        delay: Duration,
        answer: impl FnOnce(&mut State) -> Response<Bytes>,
    ) -> Plan {
        let Incoming { request, base, head, name } = incoming;
        let mut plan = Plan { delay, ..Plan::default() };
        if let Some(fault) = state.faults.take(&head, Stage::Front) {
            plan.strike(fault, self, state, name.as_deref());
        }
        let mut plan = plan.or_answer(|| answer(state));
        if plan.is_success()
            && let Some(fault) = state.faults.take(&head, Stage::Answer)
        {
            plan.spoil(fault, base, request);
        }
        plan.logged = Some(state.ledger.record(head, plan.outcome.status()));
        plan
    }

    /// Writes a refusal; a 401 carries the challenge.
    pub(crate) fn refuse(&self, state: &State, error: &WireError) -> Response<Bytes> {
        let mut response = respond(error.status, JSON, error.body());
        if error.status == 401 {
            let challenge = auth::challenge(&self.authority, &self.identity.tenant_id, &state.resource);
            if let Ok(challenge) = HeaderValue::try_from(challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        if let Some(time) = error.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(time.as_secs()));
        }
        response
    }

    /// Returns the URL of this server as the client spells it.
    fn base(&self, request: &Request<Bytes>) -> String {
        let scheme = request.uri().scheme().unwrap_or(&Scheme::HTTPS);
        let authority = request.uri().authority().map(|authority| authority.as_str());
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        match authority.or(host) {
            Some(host) => format!("{scheme}://{host}"),
            None => self.authority.clone(),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Reads the query; names and values are decoded, for some clients write `api%2Dversion`.
pub(crate) fn query(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Writes an answer.
pub(crate) fn respond(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The content type of every answer that has a body.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// Returns the vault that a base URL names: `contoso` for `https://contoso.vault.azure.net`, else the default one,
/// whose name is empty.
pub(crate) fn vault_name(base: &str) -> String {
    let authority = base.split_once("://").map_or(base, |(_, authority)| authority);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    let name = VAULT_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix));
    name.filter(|name| !name.contains('.')).unwrap_or_default().to_owned()
}

/// The suffixes under which a host name names a vault: the clouds', and the one that means this machine.
pub(crate) const VAULT_SUFFIXES: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".localhost"];

/// Returns the verb that is meant: a client that cannot send one says so in a header of a POST.
///
/// See [common parameters and headers](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses#supported-http-methods-and-headers).
fn effective_method(request: &Request<Bytes>) -> Method {
    let stand_in = ["x-http-method", "x-http-request"].iter().find_map(|name| request.headers().get(*name));
    match stand_in.map(|value| Method::from_bytes(value.as_bytes())) {
        Some(Ok(method)) if request.method() == Method::POST => method,
        _ => request.method().clone(),
    }
}

fn head(request: &Request<Bytes>, method: &Method, base: &str, operation: Operation, authorized: bool) -> RequestHead {
    RequestHead {
        operation,
        method: method.clone(),
        path_and_query: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        host: base.split_once("://").map_or(base, |(_, host)| host).to_owned(),
        authorized,
    }
}

/// Adds the headers that every answer of the service has.
fn dress(request: &Request<Bytes>, response: &mut Response<Bytes>) {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-cache"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "-1"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000;includeSubDomains"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::try_from(random::uuid()) {
        headers.insert("x-ms-request-id", id);
    }
    if let Some(id) = request.headers().get("x-ms-client-request-id") {
        headers.insert("x-ms-client-request-id", id.clone());
    }
    if Service::is_for_vault(request) {
        headers.insert("x-ms-keyvault-region", HeaderValue::from_static(REGION));
        headers.insert("x-ms-keyvault-service-version", HeaderValue::from_static("1.9.3449.1"));
        headers.insert(
            "x-ms-keyvault-network-info",
            HeaderValue::from_static("conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"),
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn service() -> Service {
        let state = State { tokens: Tokens::new(true, "key"), ..State::default() };
        let clock = Clock::new(std::sync::Arc::new(std::time::SystemTime::now));
        Service::new("https://localhost".to_owned(), Identity::random(), Policy::default(), clock, state)
    }

    #[test]
    fn a_host_names_a_vault_only_under_a_vaults_suffix() {
        for (base, name) in [
            ("https://contoso.vault.azure.net", "contoso"),
            ("https://Contoso.VAULT.azure.net:8443", "contoso"),
            ("https://contoso.vault.azure.cn", "contoso"),
            ("http://contoso.localhost:1", "contoso"),
            ("https://a.b.vault.azure.net", ""),
            ("https://vault.azure.net", ""),
            ("https://contoso.vault.azure.net.evil.example", ""),
            ("https://localhost:1", ""),
            ("https://[::1]:1", ""),
        ] {
            assert_eq!(vault_name(base), name, "{base}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_answered(
            method in "GET|PUT|PATCH|DELETE|POST|HEAD|X",
            path in "(/|//)(secrets|deletedsecrets|msi|t)?(/[a-z%0-9F.-]{0,8}){0,3}",
            query in r"(api-version=(7\.4|2016-10-01|1))?(&(maxresults|\$skiptoken|outContentType)=[a-zA-Z0-9%]{0,6}){0,2}",
            host in r"[a-z\[\]:.0-9]{0,12}",
            body in r#"(\{"value":[a-z0-9"{}]{0,8}\})|.{0,16}"#,
        ) {
            let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else { return Ok(()) };
            let request = Request::builder()
                .method(method.as_str())
                .uri(uri)
                .header(HOST, host)
                .header(AUTHORIZATION, "Bearer any")
                .body(Bytes::from(body))
                .unwrap();
            let status = service().plan(&request).outcome.status().unwrap();
            prop_assert!([200, 204, 400, 401, 404, 405].contains(&status), "{status}");
        }
    }
}
