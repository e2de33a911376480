//! The way of a request through the service: faults, token, throttling, denials, operation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Scheme;
use http::{Method, Request, Response};

use super::apply_fault::{self, ErrorSource, FaultEffect};
use super::common_headers::add_common_headers;
use super::data_states::PendingSave;
use super::reply::Reply;
use super::request_log::LoggedRequest;
use super::state::{Service, State};
use crate::app_configuration::{Problem, is_store_host, is_store_path};
use crate::certificates::PrivateKey;
use crate::faults::{Stage, Throttled};
use crate::identity::IdentityEndpoint;
use crate::operations::{Operation, RequestHead, Route, VaultRequest, perform};
use crate::protocol::ErrorResponse;
use crate::protocol::uri::host_and_port;
use crate::vaults::host::{is_vault_host, vault_name};

/// The plan for a request: wait for the delay, then send the reply.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) reply: Reply,
    /// The save that must succeed before the reply. `None` if the request changed nothing, or there is no data file.
    pub(crate) save: Option<PendingSave>,
    pub(crate) logged: Arc<LoggedRequest>,
}

/// A request and the data derived from it.
pub(super) struct RequestContext<'a> {
    pub(super) request: &'a Request<Bytes>,
    /// The URL of this server as the client wrote it.
    pub(super) base: &'a str,
    pub(super) head: RequestHead,
    /// The service that a fault speaks for.
    pub(super) errors: ErrorSource,
}

impl Service {
    /// Returns whether a request is for a vault rather than for a store or a token endpoint.
    pub(crate) fn is_for_vault(request: &Request<Bytes>) -> bool {
        !Self::is_for_store(request) && IdentityEndpoint::parse(request.uri().path()).is_none()
    }

    /// Returns whether a request is for an App Configuration store: by its host, or by its path if the host belongs to
    /// no service.
    pub(super) fn is_for_store(request: &Request<Bytes>) -> bool {
        let host = base(request).unwrap_or_default();
        is_store_host(&host) || (!is_vault_host(&host) && is_store_path(request.uri().path()))
    }

    /// Performs a request, logs it, and returns the reply to send.
    pub(crate) fn plan(&self, request: &Request<Bytes>) -> Plan {
        self.issue_due();
        let new_key = self.new_key(request, self.now());
        let mut state = self.state();
        let base = self.base(request);
        let mut plan = match IdentityEndpoint::parse(request.uri().path()) {
            _ if Self::is_for_store(request) => self.plan_store(&mut state, request, &base),
            Some(endpoint) => self.plan_identity(&mut state, request, &base, &endpoint),
            None => self.plan_vault(&mut state, request, &base, new_key),
        };
        if let Some(response) = plan.reply.response_mut() {
            add_common_headers(request, response);
        }
        plan
    }

    /// Replaces the reply to a request whose change could not be saved.
    pub(crate) fn fail_save(&self, request: &Request<Bytes>, plan: &mut Plan) {
        let mut response = if Self::is_for_store(request) {
            Problem::unsaved().to_response()
        } else {
            ErrorResponse::unsaved().to_response()
        };
        add_common_headers(request, &mut response);
        plan.logged = self.state().log.set_status(&plan.logged, response.status().as_u16());
        plan.reply = Reply::Complete(response);
    }

    fn plan_identity(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        base: &str,
        endpoint: &IdentityEndpoint,
    ) -> Plan {
        let head = head(request, request.method().clone(), base, endpoint.operation());
        let context = RequestContext { request, base, head, errors: ErrorSource::Vault(None) };
        self.plan_with_faults(state, context, Duration::ZERO, |state| {
            endpoint.serve(self.token_issuer(state), request, base)
        })
    }

    fn plan_vault(&self, state: &mut State, request: &Request<Bytes>, base: &str, new_key: Option<PrivateKey>) -> Plan {
        let method = effective_method(request);
        let route = Route::parse(&method, request.uri().path());
        let operation = route.as_ref().map_or(Operation::Other, |route| route.operation);
        let secret = route.as_ref().ok().map(|route| route.name.clone()).filter(|name| !name.is_empty());

        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let now = self.now();
        let token = state.tokens.check(authorization, &state.resource, &self.registration.tenant_id, now);
        let head = RequestHead { secret, authorized: token.is_ok(), ..head(request, method, base, operation) };

        let denial = state.denials.find(&head);
        let vault = head.vault.clone();
        let errors = ErrorSource::Vault(head.secret.clone());
        let context = RequestContext { request, base, head, errors };
        let (latency, mut save) = (state.latency, None);
        let mut plan = self.plan_with_faults(state, context, latency, |state| {
            let result = token.and(route).and_then(|route| {
                let (policy, page_size) = (self.policy, state.page_size);
                let vault_request = VaultRequest { request, route, base, vault, policy, page_size, now, new_key };
                let throttled = |throttled: Throttled| ErrorResponse::throttled().retry_after(throttled.retry_after);
                state.throttler.admit(&vault_request.vault, operation, now).map_err(throttled)?;
                if let Some(denial) = denial {
                    return Err(denial.error(&self.registration, &vault_request));
                }
                if !operation.is_change() {
                    return perform(&mut state.data.visible().vaults, &vault_request);
                }
                let (response, waits) = self.change(state, |data| perform(&mut data.vaults, &vault_request))?;
                save = waits;
                Ok(response)
            });
            result.unwrap_or_else(|error| self.error_response(state, &error))
        });
        plan.save = save;
        plan
    }

    /// Plans the reply: a request fault or the response, changed by a response fault if it is a success.
    pub(super) fn plan_with_faults(
        &self,
        state: &mut State,
        context: RequestContext<'_>,
        mut delay: Duration,
        respond: impl FnOnce(&mut State) -> Response<Bytes>,
    ) -> Plan {
        let RequestContext { request, base, head, errors } = context;
        let fault = state.faults.take(&head, Stage::Request);
        let effect = fault.map(|fault| apply_fault::apply_to_request(self, state, fault, &errors));
        let mut reply = match effect {
            Some(FaultEffect::Reply(reply)) => reply,
            Some(FaultEffect::Delay(extra)) => {
                delay = delay.saturating_add(extra);
                Reply::Complete(respond(state))
            }
            None => Reply::Complete(respond(state)),
        };
        if let Reply::Complete(response) = &mut reply
            && response.status() == 200
            && let Some(fault) = state.faults.take(&head, Stage::Response)
        {
            reply = apply_fault::apply_to_response(fault, std::mem::take(response), request, base, &errors);
        }
        let logged = state.log.record(head, reply.status());
        Plan { delay, reply, save: None, logged }
    }

    /// Returns the URL of this server as the client wrote it.
    fn base(&self, request: &Request<Bytes>) -> String {
        base(request).unwrap_or_else(|| self.authority.clone())
    }
}

/// Returns the URL of the server as the client wrote it. `None` without a host.
pub(super) fn base(request: &Request<Bytes>) -> Option<String> {
    let scheme = request.uri().scheme().unwrap_or(&Scheme::HTTPS);
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    Some(format!("{scheme}://{}", authority.or(host)?))
}

/// Returns the method that a client means: one that cannot send a method sends it in a header of a POST.
///
/// See [common parameters and headers].
///
/// [common parameters and headers]: https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
pub(super) fn effective_method(request: &Request<Bytes>) -> Method {
    let header = ["x-http-method", "x-http-request"].iter().find_map(|name| request.headers().get(*name));
    match header.map(|value| Method::from_bytes(value.as_bytes())) {
        Some(Ok(method)) if request.method() == Method::POST => method,
        _ => request.method().clone(),
    }
}

/// Returns the head of a request without a valid token that names no secret.
pub(super) fn head(request: &Request<Bytes>, method: Method, base: &str, operation: Operation) -> RequestHead {
    RequestHead {
        operation,
        method,
        path_and_query: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        host: host_and_port(base).to_owned(),
        vault: vault_name(base),
        secret: None,
        store: None,
        key: None,
        authorized: false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::Uri;
    use proptest::prelude::*;

    use super::*;
    use crate::certificates::CertificateAuthority;
    use crate::clock::Clock;
    use crate::identity::{AppRegistration, TokenRegistry};
    use crate::vaults::RecoveryPolicy;

    fn service() -> Service {
        let state = State { tokens: TokenRegistry::new(true, "key"), ..State::default() };
        let clock = Clock::new(Arc::new(SystemTime::now));
        let registration = AppRegistration::random();
        let (url, authority) = ("https://localhost".to_owned(), Arc::new(CertificateAuthority::new().unwrap()));
        Service::new(url, registration, RecoveryPolicy::default(), clock, authority, state)
    }

    proptest! {
        #[test]
        fn every_request_gets_a_response(
            method in "GET|PUT|PATCH|DELETE|POST|HEAD|X",
            path in "(/|//)(secrets|deletedsecrets|certificates|deletedcertificates|msi|t|kv|keys|labels|revisions|locks|snapshots|operations)?(/[a-z%0-9F.-]{0,8}){0,3}",
            query in r"(api-version=(7\.4|2016-10-01|1|2026-04-01))?(&(maxresults|\$skiptoken|outContentType|key|label|tags|after|snapshot|status|\$select)=[a-zA-Z0-9%*\\,=]{0,6}){0,2}",
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
            let status = service().plan(&request).reply.status().unwrap();
            prop_assert!([200, 201, 204, 400, 401, 404, 405].contains(&status), "{status}");
        }
    }
}
