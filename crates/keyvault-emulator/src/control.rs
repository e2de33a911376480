//! The control endpoint: what a test can do from Rust, for those who come over http.
//!
//! Its paths are listed in the documentation of the crate. Requests to it are neither counted nor logged, no fault
//! strikes them, and they need no token: it is there on the plain listener only, for this machine.

use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use http::uri::Scheme;
use http::{Method, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::access::Denial;
use crate::engine::Engine;
use crate::error::WireError;
use crate::fault::{Fault, Pattern};
use crate::order::{AccessOrder, ClockOrder, FaultOrder, LatencyOrder, ThrottleOrder};
use crate::seed::{Old, Seed};
use crate::service::{JSON, query, respond};

/// The first segment of every path of the endpoint; no vault has it.
pub(crate) const ROOT: &str = "/_emulator";

/// Tells whether a request is for the control endpoint.
pub(crate) fn is_control(request: &Request<Bytes>) -> bool {
    let is_plain = request.uri().scheme() == Some(&Scheme::HTTP);
    let rest = request.uri().path().strip_prefix(ROOT);
    is_plain && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Does what is asked of the emulator itself.
pub(crate) fn answer(engine: &Engine, request: &Request<Bytes>) -> Response<Bytes> {
    // A page in a browser of this machine can send requests here too, and has no business to.
    if request.headers().contains_key(ORIGIN) {
        let error = WireError::new(403, "Forbidden", "The control endpoint does not answer web pages.");
        return respond(error.status, JSON, error.body());
    }
    let control = Control { engine, request };
    match control.act() {
        Ok(body) => respond(200, JSON, body.to_string()),
        Err(error) => respond(error.status, JSON, error.body()),
    }
}

struct Control<'a> {
    engine: &'a Engine,
    request: &'a Request<Bytes>,
}

impl Control<'_> {
    fn act(&self) -> Result<Value, WireError> {
        let path = self.request.uri().path();
        let name = path.strip_prefix(ROOT).unwrap_or_default().trim_matches('/');
        match (self.request.method(), name) {
            (&Method::GET, "") => {}
            (&Method::GET, "clock") => return Ok(self.clock()),
            (&Method::GET, "faults") => return Ok(self.faults()),
            (&Method::GET, "throttle") => return Ok(self.throttle()),
            (&Method::GET, "access") => return Ok(self.access()),
            (&Method::GET, "requests") => return Ok(self.requests()),
            (&Method::GET, "log") => return Ok(self.log()),
            (&Method::GET, "latency") => return Ok(self.latency()),
            (&Method::POST | &Method::PUT, "clock") => return self.set_clock(),
            (&Method::POST | &Method::PUT, "faults") => return self.add_fault(),
            (&Method::POST | &Method::PUT, "throttle") => return self.set_throttle(),
            (&Method::POST | &Method::PUT, "access") => return self.deny(),
            (&Method::POST | &Method::PUT, "secrets") => return self.sow(),
            (&Method::POST | &Method::PUT, "latency") => return self.set_latency(),
            (&Method::DELETE, name) => return self.clear(name),
            (method, "" | "clock" | "faults" | "throttle" | "access" | "requests" | "log" | "secrets" | "latency") => {
                return Err(WireError::method_not_allowed(method));
            }
            _ => return Err(WireError::new(404, "NotFound", format!("There is {NAMES} under {ROOT}."))),
        }
        Ok(json!({
            "clock": self.clock(),
            "faults": self.faults(),
            "throttle": self.throttle(),
            "access": self.access(),
            "requests": self.requests(),
            "latency": self.latency(),
        }))
    }

    /// Brings a part of the emulator back to where it was at the start.
    fn clear(&self, name: &str) -> Result<Value, WireError> {
        let service = &self.engine.service;
        match name {
            "clock" => service.clock.reset(),
            "faults" => service.state().faults.clear(),
            "throttle" => service.state().throttling.set(None),
            "access" => service.state().access.clear(),
            "requests" | "log" => self.engine.reset_requests(),
            "tokens" => service.state().tokens.revoke(),
            "latency" => service.state().latency = Duration::ZERO,
            "secrets" => {
                let mut state = service.state();
                state.vaults.clear();
                service.changed(&mut state);
            }
            _ => return Err(WireError::method_not_allowed(&Method::DELETE)),
        }
        Ok(json!({}))
    }

    fn clock(&self) -> Value {
        let clock = &self.engine.service.clock;
        json!({
            "now": clock.now().as_secs(),
            "shift_seconds": clock.shift_seconds(),
            "frozen": clock.is_frozen(),
        })
    }

    fn set_clock(&self) -> Result<Value, WireError> {
        let order: ClockOrder = self.order()?;
        let clock = &self.engine.service.clock;
        if let Some(now) = order.now {
            clock.set(Duration::from_secs(now));
        }
        if let Some(seconds) = order.shift_seconds {
            clock.shift(seconds);
        }
        match order.frozen {
            Some(true) => clock.freeze(),
            Some(false) => clock.resume(),
            None => {}
        }
        Ok(self.clock())
    }

    fn faults(&self) -> Value {
        let state = self.engine.service.state();
        let fault = |(fault, left): (&Fault, Option<u64>)| json!({ "fault": format!("{fault:?}"), "left": left });
        state.faults.iter().map(fault).collect()
    }

    fn add_fault(&self) -> Result<Value, WireError> {
        let order: FaultOrder = self.order()?;
        let fault = order.fault()?;
        let (count, wants_tokens) = (order.count, order.tokens);
        let selected = order.selection().pattern();
        let pattern: Pattern = Box::new(move |head| head.operation.is_vault() != wants_tokens && selected(head));
        self.engine.service.state().faults.add(count, pattern, fault);
        Ok(self.faults())
    }

    fn throttle(&self) -> Value {
        let limits = self.engine.service.state().throttling.limits();
        limits.map_or(Value::Null, |limits| {
            json!({
                "sets": limits.sets,
                "others": limits.others,
                "window_seconds": limits.window.as_secs_f64(),
                "retry_after_seconds": limits.retry_after.map(|time| time.as_secs()),
            })
        })
    }

    fn set_throttle(&self) -> Result<Value, WireError> {
        let order: ThrottleOrder = self.order()?;
        let limits = order.limits()?;
        self.engine.service.state().throttling.set(Some(limits));
        Ok(self.throttle())
    }

    fn access(&self) -> Value {
        let state = self.engine.service.state();
        state.access.denials().map(Denial::as_str).collect()
    }

    fn deny(&self) -> Result<Value, WireError> {
        let order: AccessOrder = self.order()?;
        let denial = order.denial()?;
        self.engine.service.state().access.deny(denial, order.selection().pattern());
        Ok(self.access())
    }

    fn requests(&self) -> Value {
        let mut requests = json!(self.engine.service.state().ledger.requests());
        requests["max_in_flight"] = self.engine.in_flight.most().into();
        requests
    }

    fn log(&self) -> Value {
        let log = self.engine.service.state().ledger.log();
        log.iter()
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
        json!({ "milliseconds": self.engine.service.state().latency.as_secs_f64() * 1e3 })
    }

    fn set_latency(&self) -> Result<Value, WireError> {
        let order: LatencyOrder = self.order()?;
        let latency = order.duration()?;
        self.engine.service.state().latency = latency;
        Ok(self.latency())
    }

    fn sow(&self) -> Result<Value, WireError> {
        let wrong = |error: &dyn std::fmt::Display| WireError::bad_parameter(error.to_string());
        let text = std::str::from_utf8(self.request.body()).map_err(|error| wrong(&error))?;
        let vault = query(self.request.uri()).into_iter().find(|(name, _)| name == "vault");
        let seed = Seed::from_json(text).map_err(|error| wrong(&error))?;
        let seed = seed.for_vault(vault.map(|(_, vault)| vault).as_deref());
        let service = &self.engine.service;
        let mut state = service.state();
        let sown = seed.sow(&mut state, service.now(), Old::Grows);
        service.changed(&mut state);
        sown.map(|count| json!({ "secrets": count })).map_err(|error| wrong(&error))
    }

    /// Reads the body; none is an object without fields.
    fn order<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        let body: &[u8] = if self.request.body().is_empty() { b"{}" } else { self.request.body() };
        serde_json::from_slice(body).map_err(|error| WireError::bad_parameter(error.to_string()))
    }
}

const NAMES: &str = "clock, faults, throttle, access, requests, log, latency, secrets, tokens";
