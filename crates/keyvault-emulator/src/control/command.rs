//! The commands of the control endpoint, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::request_filter::{RequestFilter, Target};
use crate::faults::{Denial, Fault, Throttle};
use crate::operations::Operation;
use crate::protocol::ErrorResponse;

/// Sets, shifts or freezes the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockCommand {
    /// Seconds since 1970.
    pub(super) now: Option<u64>,
    pub(super) shift_seconds: Option<f64>,
    pub(super) frozen: Option<bool>,
}

/// Sets the latency of each request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LatencyCommand {
    milliseconds: f64,
}

impl LatencyCommand {
    /// Returns the latency. Fails if it is negative.
    pub(super) fn duration(&self) -> Result<Duration, ErrorResponse> {
        milliseconds(self.milliseconds)
    }
}

/// Sets the limits. An absent field keeps the limit of the service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThrottleCommand {
    sets: Option<u32>,
    others: Option<u32>,
    window_seconds: Option<f64>,
    retry_after_seconds: Option<f64>,
}

impl ThrottleCommand {
    /// Returns the limits. Absent fields are those of the service. Fails if a time is negative.
    pub(super) fn limits(&self, service: Throttle) -> Result<Throttle, ErrorResponse> {
        let seconds = |count: f64| milliseconds(count * 1e3);
        Ok(Throttle {
            sets: self.sets.unwrap_or(service.sets),
            others: self.others.unwrap_or(service.others),
            window: self.window_seconds.map_or(Ok(service.window), seconds)?,
            retry_after: self.retry_after_seconds.map(seconds).transpose()?,
        })
    }
}

/// Denies the selected requests, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessCommand {
    deny: String,
    /// Whether the denial applies to App Configuration stores instead of the vaults.
    #[serde(default)]
    app_configuration: bool,
    operations: Option<Vec<Operation>>,
    method: Option<String>,
    path: Option<String>,
    vault: Option<String>,
    secret: Option<String>,
    store: Option<String>,
    key: Option<String>,
}

impl AccessCommand {
    /// Returns the denial. Fails for an unknown name.
    pub(super) fn denial(&self) -> Result<Denial, ErrorResponse> {
        let known = [Denial::AccessPolicy, Denial::Rbac, Denial::Firewall, Denial::PrivateLink];
        let denial = known.into_iter().find(|denial| denial.as_str() == self.deny);
        denial.ok_or_else(|| {
            ErrorResponse::bad_parameter("`deny` must be one of access-policy, rbac, firewall and private-link.")
        })
    }

    /// Returns the selected requests.
    pub(super) fn filter(self) -> RequestFilter {
        RequestFilter {
            target: target(false, self.app_configuration),
            operations: self.operations,
            method: self.method,
            path: self.path,
            vault: self.vault,
            secret: self.secret,
            store: self.store,
            key: self.key,
        }
    }
}

/// Adds a fault.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultCommand {
    fault: String,
    /// The number of applications. Absent for no limit.
    pub(super) count: Option<u64>,
    /// Whether the fault applies to the token endpoints instead of the vaults.
    #[serde(default)]
    tokens: bool,
    /// Whether the fault applies to App Configuration stores instead of the vaults.
    #[serde(default)]
    app_configuration: bool,
    operations: Option<Vec<Operation>>,
    method: Option<String>,
    path: Option<String>,
    vault: Option<String>,
    secret: Option<String>,
    store: Option<String>,
    key: Option<String>,

    status: Option<u16>,
    retry_after: Option<String>,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    challenge: Option<String>,
    location: Option<String>,
    milliseconds: Option<f64>,
    bytes: Option<u64>,
    link: Option<String>,
}

impl FaultCommand {
    /// Returns the fault. Fails for an unknown name, or if a field of the fault is missing.
    pub(super) fn fault(&self) -> Result<Fault, ErrorResponse> {
        let missing =
            |field: &str| ErrorResponse::bad_parameter(format!("The fault {} requires a valid `{field}`.", self.fault));
        Ok(match self.fault.as_str() {
            "status" => Fault::Status {
                code: self.status.filter(|code| (200..1000).contains(code)).ok_or_else(|| missing("status"))?,
                retry_after: self.retry_after.clone(),
                body: self.body.clone(),
                headers: self.headers.clone().into_iter().collect(),
            },
            "unauthorized" => Fault::Unauthorized,
            "insufficient-claims" => Fault::InsufficientClaims,
            "challenge" => Fault::Challenge(self.challenge.clone().ok_or_else(|| missing("challenge"))?),
            "redirect" => Fault::Redirect(self.location.clone().ok_or_else(|| missing("location"))?),
            "latency" => Fault::Latency(milliseconds(self.milliseconds.ok_or_else(|| missing("milliseconds"))?)?),
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "hang-in-body" => Fault::HangInBody,
            "truncated" => Fault::Truncated,
            "oversized" => Fault::Oversized(self.bytes.ok_or_else(|| missing("bytes"))?),
            "not-json" => Fault::NotJson,
            "wrong-json" => Fault::WrongJson,
            "wrong-id" => Fault::WrongId,
            "next-link" => Fault::NextLink(self.link.clone().ok_or_else(|| missing("link"))?),
            "empty-page" => Fault::EmptyPage,
            _ => {
                return Err(ErrorResponse::bad_parameter(
                    "`fault` must be one of status, unauthorized, insufficient-claims, challenge, redirect, latency, \
                     hang, reset, hang-in-body, truncated, oversized, not-json, wrong-json, wrong-id, next-link and \
                     empty-page.",
                ));
            }
        })
    }

    /// Returns the selected requests.
    pub(super) fn filter(self) -> RequestFilter {
        RequestFilter {
            target: target(self.tokens, self.app_configuration),
            operations: self.operations,
            method: self.method,
            path: self.path,
            vault: self.vault,
            secret: self.secret,
            store: self.store,
            key: self.key,
        }
    }
}

fn target(tokens: bool, app_configuration: bool) -> Target {
    match (tokens, app_configuration) {
        (true, _) => Target::Tokens,
        (false, true) => Target::AppConfiguration,
        (false, false) => Target::Vaults,
    }
}

fn milliseconds(count: f64) -> Result<Duration, ErrorResponse> {
    Duration::try_from_secs_f64(count / 1e3).map_err(|_| ErrorResponse::bad_parameter("A time must not be negative."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_and_its_required_fields() {
        for (command, expected) in [
            (r#"{"fault":"status","status":503,"retry_after":"2","headers":{"a":"b"},"body":""}"#, "Status"),
            (r#"{"fault":"status","status":100}"#, "The fault status requires a valid `status`."),
            (r#"{"fault":"status"}"#, "The fault status requires a valid `status`."),
            (r#"{"fault":"unauthorized"}"#, "Unauthorized"),
            (r#"{"fault":"insufficient-claims"}"#, "InsufficientClaims"),
            (r#"{"fault":"challenge","challenge":"Bearer"}"#, "Challenge"),
            (r#"{"fault":"redirect","location":"https://evil.example"}"#, "Redirect"),
            (r#"{"fault":"latency","milliseconds":1.5}"#, "Latency(1.5ms)"),
            (r#"{"fault":"latency","milliseconds":-1}"#, "A time must not be negative."),
            (r#"{"fault":"hang"}"#, "Hang"),
            (r#"{"fault":"reset"}"#, "Reset"),
            (r#"{"fault":"hang-in-body"}"#, "HangInBody"),
            (r#"{"fault":"truncated"}"#, "Truncated"),
            (r#"{"fault":"oversized","bytes":9}"#, "Oversized(9)"),
            (r#"{"fault":"not-json"}"#, "NotJson"),
            (r#"{"fault":"wrong-json"}"#, "WrongJson"),
            (r#"{"fault":"wrong-id"}"#, "WrongId"),
            (r#"{"fault":"next-link","link":"x"}"#, "NextLink"),
            (r#"{"fault":"empty-page"}"#, "EmptyPage"),
            (r#"{"fault":"flood"}"#, "`fault` must be one of"),
        ] {
            let command: FaultCommand = serde_json::from_str(command).unwrap();
            let result = command.fault().map_or_else(|error| error.message, |fault| format!("{fault:?}"));
            assert!(result.starts_with(expected), "{result}");
        }
    }
}
