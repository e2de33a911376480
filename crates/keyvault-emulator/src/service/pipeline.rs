//! The way of a request through the service: faults, token, throttling, denials, operation.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode};

use super::apply_fault::{self, ErrorSource, FaultEffect};
use super::common_headers::add_common_headers;
use super::data_states::PendingSave;
use super::reply::Reply;
use super::request_log::LoggedRequest;
use super::state::{Service, State};
use crate::app_configuration::{Problem, is_store_host, is_store_path};
use crate::faults::{Stage, Throttled};
use crate::identity::IdentityEndpoint;
use crate::operations::{Operation, RequestHead, Route, VaultRequest, perform, prepare};
use crate::protocol::uri::host_and_port;
use crate::protocol::{ErrorResponse, ObjectKind};
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

/// The lock of the state, and the response with the save that must succeed before it.
type Performed<'a> = (MutexGuard<'a, State>, Result<(Response<Bytes>, Option<PendingSave>), ErrorResponse>);

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

    /// Returns whether the plan for a request may take up to seconds: it generates a key, or decrypts a container.
    pub(crate) fn takes_long(request: &Request<Bytes>) -> bool {
        use Operation::{CreateCertificate, ImportCertificate};
        let operation = || Route::parse(&effective_method(request), request.uri().path()).map(|route| route.operation);
        request.method() == Method::POST
            && Self::is_for_vault(request)
            && operation().is_ok_and(|operation| matches!(operation, CreateCertificate | ImportCertificate))
    }

    /// Performs a request, logs it, and returns the reply to send.
    pub(crate) fn plan(&self, request: &Request<Bytes>) -> Plan {
        let base = self.base(request);
        let mut plan = match IdentityEndpoint::parse(request.uri().path()) {
            _ if Self::is_for_store(request) => self.plan_store(request, &base),
            Some(endpoint) => self.plan_identity(request, &base, &endpoint),
            None => self.plan_vault(request, &base),
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

    fn plan_identity(&self, request: &Request<Bytes>, base: &str, endpoint: &IdentityEndpoint) -> Plan {
        let head = head(request, request.method().clone(), base, endpoint.operation());
        let context = RequestContext { request, base, head, errors: ErrorSource::Vault(ObjectKind::Secret, None) };
        self.plan_with_faults(self.state(), context, Duration::ZERO, |mut state| {
            let response = endpoint.serve(self.token_issuer(&mut state), request, base);
            (state, response)
        })
    }

    fn plan_vault(&self, request: &Request<Bytes>, base: &str) -> Plan {
        let method = effective_method(request);
        let route = Route::parse(&method, request.uri().path());
        let operation = route.as_ref().map_or(Operation::Other, |route| route.operation);
        let secret = route.as_ref().ok().map(|route| route.name.clone()).filter(|name| !name.is_empty());

        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (now, mut state) = (self.now(), self.state());
        let resource = state.resource.clone();
        let token = state.tokens.check(authorization, &resource, &self.registration.tenant_id, now);
        let head = RequestHead { secret, authorized: token.is_ok(), ..head(request, method, base, operation) };

        let denial = state.denials.find(&head);
        let vault = head.vault.clone();
        let errors = ErrorSource::Vault(operation.object_kind(), head.secret.clone());
        let context = RequestContext { request, base, head, errors };
        let (latency, mut save) = (state.latency, None);
        let mut plan = self.plan_with_faults(state, context, latency, |mut state| {
            let admitted = token.and(route).and_then(|route| {
                let (policy, page_size) = (self.policy, state.page_size);
                let vault_request =
                    VaultRequest { request, route, base, vault, policy, page_size, now, prepared: None };
                let throttled = |throttled: Throttled| ErrorResponse::throttled().retry_after(throttled.retry_after);
                state.throttler.admit(&vault_request.vault, operation, now).map_err(throttled)?;
                match denial {
                    Some(denial) => Err(denial.error(&self.registration, &vault_request)),
                    None => Ok(vault_request),
                }
            });
            let (state, result) = match admitted {
                Ok(vault_request) => self.perform(state, vault_request),
                Err(error) => (state, Err(error)),
            };
            let (response, waits) = result.unwrap_or_else(|error| (self.error_response(&state, &error), None));
            save = waits;
            (state, response)
        });
        plan.save = save;
        plan
    }

    /// Performs the operation of an admitted request. What takes long runs without the lock.
    fn perform<'a>(&'a self, mut state: MutexGuard<'a, State>, mut request: VaultRequest<'_>) -> Performed<'a> {
        if let Some(preparation) = prepare(&mut state.data.newest().vaults, &request) {
            drop(state);
            let prepared = preparation.run();
            state = self.state();
            match prepared {
                Ok(prepared) => request.prepared = Some(prepared),
                Err(error) => return (state, Err(error)),
            }
        }
        let result = if request.route.operation.is_change() {
            self.change(&mut state, |data| perform(&mut data.vaults, &request))
        } else {
            perform(&mut state.data.visible().vaults, &request).map(|response| (response, None))
        };
        (state, result)
    }

    /// Plans the reply: a request fault or the response, changed by a response fault if it is a success. `respond` may
    /// release the lock meanwhile.
    pub(super) fn plan_with_faults<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        context: RequestContext<'_>,
        mut delay: Duration,
        respond: impl FnOnce(MutexGuard<'a, State>) -> (MutexGuard<'a, State>, Response<Bytes>),
    ) -> Plan {
        let RequestContext { request, base, head, errors } = context;
        let fault = state.faults.take(&head, Stage::Request);
        let effect = fault.map(|fault| apply_fault::apply_to_request(self, &state, fault, &errors));
        let mut reply = match effect {
            Some(FaultEffect::Reply(reply)) => reply,
            effect => {
                if let Some(FaultEffect::Delay(extra)) = effect {
                    delay = delay.saturating_add(extra);
                }
                let (locked, response) = respond(state);
                state = locked;
                Reply::Complete(response)
            }
        };
        if let Reply::Complete(response) = &mut reply
            && response.status().is_success()
            // A 204 has no body that a fault could change.
            && response.status() != StatusCode::NO_CONTENT
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
    use http::Uri;
    use proptest::prelude::*;

    use super::*;
    use crate::certificates::GENERATED;
    use crate::faults::{Denial, Fault, Throttle};
    use crate::identity::TokenRegistry;

    fn service() -> Service {
        Service::for_test(State { tokens: TokenRegistry::new(true, "key"), ..State::default() })
    }

    fn request(method: &str, path: &str, body: &str) -> Request<Bytes> {
        let uri = format!("https://contoso.vault.azure.net{path}?api-version=2026-04-01");
        let builder = Request::builder().method(method).uri(uri).header(AUTHORIZATION, "Bearer any");
        builder.body(Bytes::from(body.to_owned())).unwrap()
    }

    fn status(service: &Service, request: &Request<Bytes>) -> u16 {
        service.plan(request).reply.status().unwrap()
    }

    const CREATION: &str =
        r#"{"policy":{"issuer":{"name":"Unknown"},"key_props":{"kty":"EC"},"x509_props":{"subject":"CN=a"}}}"#;

    #[test]
    fn only_a_creation_that_is_admitted_and_possible_generates_a_key() {
        let service = service();
        let create = request("POST", "/certificates/a/create", CREATION);
        let generated = |expected_status: u16, request: &Request<Bytes>| {
            let before = GENERATED.get();
            assert_eq!(status(&service, request), expected_status);
            GENERATED.get() - before
        };
        let mut without_token = create.clone();
        without_token.headers_mut().insert(AUTHORIZATION, "Basic any".parse().unwrap());
        assert_eq!(generated(401, &without_token), 0);

        service.state().denials.add(Denial::Rbac, Box::new(|_| true));
        assert_eq!(generated(403, &create), 0);
        service.state().denials.clear();

        service.state().throttler.set(Some(Throttle::service().others(0)));
        assert_eq!(generated(429, &create), 0);
        service.state().throttler.set(None);

        service.state().faults.add(Some(1), Box::new(|_| true), Fault::status(503));
        assert_eq!(generated(503, &create), 0);

        assert_eq!(generated(200, &request("PUT", "/secrets/plain", r#"{"value":"1"}"#)), 0);
        assert_eq!(generated(409, &request("POST", "/certificates/plain/create", CREATION)), 0);
        assert_eq!(generated(202, &create), 1);
        assert_eq!(generated(409, &create), 0, "a creation is in progress");
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
