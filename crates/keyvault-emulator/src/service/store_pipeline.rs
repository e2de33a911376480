//! The way of a request to an App Configuration store through the service: faults, credential, throttling, denials,
//! operation.

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;

use super::apply_fault::ErrorSource;
use super::pipeline::{Plan, RequestContext, head};
use super::state::{Service, State};
use crate::app_configuration::{
    AUDIENCE, Access, Problem, SCHEME, Scheme, StoreRequest, StoreRoute, check_signature, perform_on_store, store_name,
};
use crate::faults::Throttled;
use crate::identity::TokenError;
use crate::operations::{Operation, RequestHead};
use crate::protocol::uri::host_and_port;

impl Service {
    pub(super) fn plan_store(&self, request: &Request<Bytes>, base: &str) -> Plan {
        let route = StoreRoute::parse(request.method(), request.uri().path());
        let operation = route.as_ref().map_or(Operation::OtherAppConfiguration, |route| route.operation);
        let key = route.as_ref().ok().filter(|route| names_key(route.operation)).map(|route| route.name.clone());
        let mut state = self.state();
        let access = self.authenticate(&mut state, request, base);
        let store = state.store_id(&store_name(base));
        let head = RequestHead {
            vault: String::new(),
            store: Some(store.clone()),
            key,
            authorized: access.is_ok(),
            ..head(request, request.method().clone(), base, operation)
        };

        let is_denied = state.denials.find(&head).is_some();
        let context = RequestContext { request, base, head, errors: ErrorSource::Store };
        let (latency, now, mut save) = (state.latency, self.now(), None);
        let mut plan = self.plan_with_faults(state, context, latency, |mut state| {
            let result = access.and_then(|access| {
                let throttled =
                    |throttled: Throttled| Problem::throttled(throttled.retry_after.unwrap_or(throttled.wait));
                state.store_throttler.admit(&store, operation, now).map_err(throttled)?;
                if is_denied || (operation.is_change() && access == Access::ReadOnly) {
                    return Err(Problem::empty(403));
                }
                let (page_size, read_delay) = (state.store_page_size, state.store_read_delay);
                let transition = self.policy.transition;
                let store_request =
                    StoreRequest { request, route: route?, base, store, page_size, transition, read_delay, now };
                if !operation.is_change() {
                    return perform_on_store(&mut state.data.visible().stores, &store_request);
                }
                let (response, waits) =
                    self.change(&mut state, |data| perform_on_store(&mut data.stores, &store_request))?;
                save = waits;
                Ok(response)
            });
            let response = result.unwrap_or_else(|problem| problem.to_response());
            (state, response)
        });
        plan.save = save;
        plan
    }

    /// Checks the signature or the token of a request.
    fn authenticate(&self, state: &mut State, request: &Request<Bytes>, base: &str) -> Result<Access, Problem> {
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, parameters)) = authorization.and_then(|text| text.trim().split_once(' ')) else {
            return Err(Problem::unauthorized(Scheme::Hmac, ""));
        };
        let now = self.now();
        if scheme.eq_ignore_ascii_case(SCHEME) {
            let access = check_signature(request, parameters.trim(), &self.registration.access_keys, now);
            return access.map_err(|description| Problem::unauthorized(Scheme::Hmac, &description));
        }
        let authority = host_and_port(base);
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let is_audience = |audience: &str| {
            let is_host = |found| found == host || found == authority;
            AUDIENCES.contains(&audience) || audience.strip_prefix("https://").is_some_and(is_host)
        };
        let result = state.tokens.validate(authorization, is_audience, &self.registration.tenant_id, now);
        result.map(|()| Access::ReadWrite).map_err(|error| match error {
            TokenError::Missing if !scheme.eq_ignore_ascii_case("bearer") => Problem::unauthorized(Scheme::Hmac, ""),
            TokenError::Tenant(_) => Problem::unauthorized(Scheme::Bearer, WRONG_ISSUER),
            _ => Problem::unauthorized(Scheme::Bearer, "Authorization token failed validation"),
        })
    }
}

/// Returns whether the path of an operation names a key.
fn names_key(operation: Operation) -> bool {
    use Operation::{DeleteKeyValue, GetKeyValue, LockKeyValue, SetKeyValue, UnlockKeyValue};
    matches!(operation, GetKeyValue | SetKeyValue | DeleteKeyValue | LockKeyValue | UnlockKeyValue)
}

/// The audiences of every store in a cloud.
///
/// See [Entra authentication](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-azure-ad).
const AUDIENCES: [&str; 6] = [
    AUDIENCE,
    "https://azconfig.io",
    "https://appconfig.azure.us",
    "https://azconfig.azure.us",
    "https://appconfig.azure.cn",
    "https://azconfig.azure.cn",
];

const WRONG_ISSUER: &str = "The access token is from the wrong issuer. It must match the AD tenant associated with the \
                            subscription, to which the configuration store belongs. If you just transferred your \
                            subscription and see this error message, please try back later.";
