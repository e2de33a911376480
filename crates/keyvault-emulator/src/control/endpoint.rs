//! The paths of the control endpoint.
//!
//! The endpoint is on the plain listener only and needs no token. Its requests are neither counted nor logged, and no
//! fault applies to them.

use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use http::uri::Scheme;
use http::{Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::command::{AccessCommand, ClockCommand, FaultCommand, LatencyCommand, ThrottleCommand};
use super::request_filter::RequestFilter;
use crate::faults::{Denial, Fault, RequestMatcher, Throttle, Throttler};
use crate::protocol::uri::query;
use crate::protocol::{ErrorResponse, JSON, response};
use crate::seeds::{Loaded, OnExisting, Seed, SeedError};
use crate::service::{Data, PendingSave, Service, State};

/// The first segment of every path of the endpoint, which no vault has.
pub(crate) const ROOT: &str = "/_emulator";

/// Returns whether a request is for the control endpoint.
pub(crate) fn is_control(request: &Request<Bytes>) -> bool {
    let is_plain = request.uri().scheme() == Some(&Scheme::HTTP);
    let rest = request.uri().path().strip_prefix(ROOT);
    is_plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Serves a request. `ca_pem` is the authority's certificate. The returned save, if any, must succeed before the
/// response.
pub(crate) fn serve(
    service: &Service,
    ca_pem: &str,
    request: &Request<Bytes>,
) -> (Response<Bytes>, Option<PendingSave>) {
    // A web page in a local browser can send requests here too, and must not succeed.
    if request.headers().contains_key(ORIGIN) {
        let error = ErrorResponse::new(403, "Forbidden", "The control endpoint rejects requests of web pages.");
        return (error.to_response(), None);
    }
    if request.method() == Method::GET && name(request) == "ca" {
        return (response(200, PEM, ca_pem.to_owned()), None);
    }
    let mut control = ControlRequest { service, request, save: None };
    let response = match control.perform() {
        Ok(body) => response(200, JSON, body.to_string()),
        Err(error) => error.to_response(),
    };
    (response, control.save)
}

/// Returns the part of the path after the root.
fn name(request: &Request<Bytes>) -> &str {
    request.uri().path().strip_prefix(ROOT).unwrap_or_default().trim_matches('/')
}

/// Returns the response to a request whose change could not be saved.
pub(crate) fn failed_save() -> Response<Bytes> {
    ErrorResponse::unsaved().to_response()
}

/// A request to the control endpoint.
struct ControlRequest<'a> {
    service: &'a Service,
    request: &'a Request<Bytes>,
    /// The save of the request's change to a vault.
    save: Option<PendingSave>,
}

impl ControlRequest<'_> {
    fn perform(&mut self) -> Result<Value, ErrorResponse> {
        let name = name(self.request);
        match *self.request.method() {
            Method::GET => self.get(name),
            Method::POST | Method::PUT => self.post(name),
            Method::DELETE => self.delete(name),
            _ => Err(self.unsupported(name)),
        }
    }

    fn get(&self, name: &str) -> Result<Value, ErrorResponse> {
        Ok(match name {
            "" => json!({
                "clock": self.clock(),
                "faults": self.faults(),
                "throttle": self.throttle(|state| &mut state.throttler),
                "store-throttle": self.throttle(|state| &mut state.store_throttler),
                "access": self.access(),
                "requests": self.requests(),
                "latency": self.latency(),
            }),
            "clock" => self.clock(),
            "faults" => self.faults(),
            "throttle" => self.throttle(|state| &mut state.throttler),
            "store-throttle" => self.throttle(|state| &mut state.store_throttler),
            "access" => self.access(),
            "requests" => self.requests(),
            "log" => self.log(),
            "events" => self.service.events(&self.parameter("vault").unwrap_or_default().to_ascii_lowercase()).into(),
            "latency" => self.latency(),
            _ => return Err(self.unsupported(name)),
        })
    }

    fn post(&mut self, name: &str) -> Result<Value, ErrorResponse> {
        match name {
            "clock" => self.set_clock(),
            "faults" => self.add_fault(),
            "throttle" => self.set_throttle(|state| &mut state.throttler, Throttle::service()),
            "store-throttle" => self.set_throttle(|state| &mut state.store_throttler, Throttle::app_configuration()),
            "access" => self.deny(),
            "secrets" => self.load_secrets(),
            "key-values" => self.load_key_values(),
            "latency" => self.set_latency(),
            _ => Err(self.unsupported(name)),
        }
    }

    /// Resets a part of the emulator to its initial state.
    fn delete(&mut self, name: &str) -> Result<Value, ErrorResponse> {
        let service = self.service;
        match name {
            "clock" => service.clock.reset(),
            "faults" => service.state().faults.clear(),
            "throttle" => service.state().throttler.set(None),
            "store-throttle" => service.state().store_throttler.set(None),
            "access" => service.state().denials.clear(),
            "requests" | "log" => service.reset_requests(),
            "tokens" => service.state().tokens.revoke(),
            "latency" => service.state().latency = Duration::ZERO,
            "secrets" => self.change(|data| {
                data.vaults.clear();
                Ok(())
            })?,
            "key-values" => self.change(|data| {
                data.stores.clear();
                Ok(())
            })?,
            _ => return Err(self.unsupported(name)),
        }
        Ok(json!({}))
    }

    /// Returns the error for a known name without this method, or for an unknown name.
    fn unsupported(&self, name: &str) -> ErrorResponse {
        match name {
            "" | "ca" | "clock" | "faults" | "throttle" | "store-throttle" | "access" | "requests" | "log"
            | "events" | "secrets" | "key-values" | "latency" | "tokens" => {
                ErrorResponse::method_not_allowed(self.request.method())
            }
            _ => ErrorResponse::new(404, "NotFound", format!("The paths under {ROOT} are {NAMES}.")),
        }
    }

    fn clock(&self) -> Value {
        let clock = &self.service.clock;
        json!({
            "now": clock.now().as_secs(),
            "shift_seconds": clock.shift_seconds(),
            "frozen": clock.is_frozen(),
        })
    }

    fn set_clock(&self) -> Result<Value, ErrorResponse> {
        let command: ClockCommand = self.command()?;
        let clock = &self.service.clock;
        if let Some(now) = command.now {
            clock.set(Duration::from_secs(now));
        }
        if let Some(seconds) = command.shift_seconds {
            clock.shift(seconds);
        }
        match command.frozen {
            Some(true) => clock.freeze(),
            Some(false) => clock.resume(),
            None => {}
        }
        Ok(self.clock())
    }

    fn faults(&self) -> Value {
        let state = self.service.state();
        let fault = |(fault, left): (&Fault, Option<u64>)| json!({ "fault": format!("{fault:?}"), "left": left });
        state.faults.iter().map(fault).collect()
    }

    fn add_fault(&self) -> Result<Value, ErrorResponse> {
        let command: FaultCommand = self.command()?;
        let (fault, count) = (command.fault()?, command.count);
        let matcher = self.matcher(command.filter().check()?);
        self.service.state().faults.add(count, matcher, fault);
        Ok(self.faults())
    }

    fn throttle(&self, throttler: fn(&mut State) -> &mut Throttler) -> Value {
        let limits = throttler(&mut self.service.state()).limits();
        limits.map_or(Value::Null, |limits| {
            json!({
                "sets": limits.sets,
                "others": limits.others,
                "window_seconds": limits.window.as_secs_f64(),
                "retry_after_seconds": limits.retry_after.map(|time| time.as_secs_f64()),
            })
        })
    }

    fn set_throttle(
        &self,
        throttler: fn(&mut State) -> &mut Throttler,
        default: Throttle,
    ) -> Result<Value, ErrorResponse> {
        let command: ThrottleCommand = self.command()?;
        let limits = command.limits(default)?;
        throttler(&mut self.service.state()).set(Some(limits));
        Ok(self.throttle(throttler))
    }

    fn access(&self) -> Value {
        self.service.state().denials.iter().map(Denial::as_str).collect()
    }

    fn deny(&self) -> Result<Value, ErrorResponse> {
        let command: AccessCommand = self.command()?;
        let denial = command.denial()?;
        let matcher = self.matcher(command.filter().check()?);
        self.service.state().denials.add(denial, matcher);
        Ok(self.access())
    }

    /// Returns the function that matches the selected requests.
    fn matcher(&self, filter: RequestFilter) -> RequestMatcher {
        let store = filter.store.as_deref().map(|name| self.service.state().store_id(name));
        RequestFilter { store, ..filter }.into_matcher()
    }

    fn requests(&self) -> Value {
        let mut requests = json!(self.service.state().log.requests());
        requests["max_in_flight"] = self.service.in_flight.max().into();
        requests
    }

    fn log(&self) -> Value {
        let entries = self.service.state().log.entries();
        entries
            .iter()
            .map(|request| {
                json!({
                    "operation": request.operation.as_str(),
                    "method": request.method.as_str(),
                    "path_and_query": request.path_and_query,
                    "host": request.host,
                    "authorized": request.authorized,
                    "status": request.status,
                })
            })
            .collect()
    }

    fn latency(&self) -> Value {
        json!({ "milliseconds": self.service.state().latency.as_secs_f64() * 1e3 })
    }

    fn set_latency(&self) -> Result<Value, ErrorResponse> {
        let command: LatencyCommand = self.command()?;
        let latency = command.duration()?;
        self.service.state().latency = latency;
        Ok(self.latency())
    }

    fn load_secrets(&mut self) -> Result<Value, ErrorResponse> {
        let vault = self.parameter("vault");
        let loaded = self.load(|text| Ok(Seed::from_json(text)?.for_vault(vault.as_deref())))?;
        Ok(json!({ "secrets": loaded.secrets, "key_values": loaded.key_values }))
    }

    fn load_key_values(&mut self) -> Result<Value, ErrorResponse> {
        let store = self.service.state().store_id(&self.parameter("store").unwrap_or_default());
        let loaded = self.load(|text| Seed::from_key_values(&store, text))?;
        Ok(json!({ "key_values": loaded.key_values }))
    }

    fn load(&mut self, parse: impl FnOnce(&str) -> Result<Seed, SeedError>) -> Result<Loaded, ErrorResponse> {
        let invalid = |error: &dyn std::fmt::Display| ErrorResponse::bad_parameter(error.to_string());
        let text = std::str::from_utf8(self.request.body()).map_err(|error| invalid(&error))?;
        let seed = parse(text).map_err(|error| invalid(&error))?;
        let (service, now) = (self.service, self.service.now());
        self.change(|data| {
            service.load_into(data, &seed, now, OnExisting::AddVersions).map_err(|error| invalid(&error))
        })
    }

    /// Returns a parameter of the query.
    fn parameter(&self, name: &str) -> Option<String> {
        query(self.request.uri()).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Changes the vaults or stores. The response waits for the data file, like that to a client.
    fn change<T>(&mut self, change: impl FnOnce(&mut Data) -> Result<T, ErrorResponse>) -> Result<T, ErrorResponse> {
        let (result, save) = self.service.change(&mut self.service.state(), change)?;
        self.save = save;
        Ok(result)
    }

    /// Parses the body. An empty body is an object without fields.
    fn command<T: DeserializeOwned>(&self) -> Result<T, ErrorResponse> {
        let body: &[u8] = if self.request.body().is_empty() { b"{}" } else { self.request.body() };
        serde_json::from_slice(body).map_err(|error| ErrorResponse::bad_parameter(error.to_string()))
    }
}

const PEM: &str = "application/x-pem-file";
const NAMES: &str = "ca, clock, faults, throttle, store-throttle, access, requests, log, events, latency, secrets, \
                     key-values and tokens";
