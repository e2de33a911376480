//! What the control endpoint is told, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::access::Denial;
use crate::error::WireError;
use crate::fault::{Fault, Pattern, RequestHead};
use crate::route::Operation;
use crate::throttle::Throttle;

/// To move the clock, to stop it, or both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockOrder {
    /// Seconds since 1970.
    pub(crate) now: Option<u64>,
    pub(crate) shift_seconds: Option<f64>,
    pub(crate) frozen: Option<bool>,
}

/// To take some time for each request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LatencyOrder {
    milliseconds: f64,
}

impl LatencyOrder {
    pub(crate) fn duration(&self) -> Result<Duration, WireError> {
        milliseconds(self.milliseconds)
    }
}

/// To throttle; what is absent is as in the service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThrottleOrder {
    sets: Option<u32>,
    others: Option<u32>,
    window_seconds: Option<f64>,
    retry_after_seconds: Option<u64>,
}

impl ThrottleOrder {
    pub(crate) fn limits(&self) -> Result<Throttle, WireError> {
        let service = Throttle::service();
        Ok(Throttle {
            sets: self.sets.unwrap_or(service.sets),
            others: self.others.unwrap_or(service.others),
            window: self.window_seconds.map_or(Ok(service.window), |seconds| milliseconds(seconds * 1e3))?,
            retry_after: self.retry_after_seconds.map(Duration::from_secs),
        })
    }
}

/// To refuse some requests, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessOrder {
    deny: String,
    operations: Option<Vec<Operation>>,
    method: Option<String>,
    path: Option<String>,
}

impl AccessOrder {
    pub(crate) fn denial(&self) -> Result<Denial, WireError> {
        let known = [Denial::AccessPolicy, Denial::Rbac, Denial::Firewall, Denial::PrivateLink];
        let denial = known.into_iter().find(|denial| denial.as_str() == self.deny);
        denial.ok_or_else(|| {
            WireError::bad_parameter("`deny` must be one of access-policy, rbac, firewall and private-link.")
        })
    }

    pub(crate) fn selection(self) -> Selection {
        Selection { operations: self.operations, method: self.method, path: self.path }
    }
}

/// To let something go wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultOrder {
    fault: String,
    /// How often; for ever if absent.
    pub(crate) count: Option<u64>,
    /// Whether it strikes the token endpoints instead of the vaults.
    #[serde(default)]
    pub(crate) tokens: bool,
    operations: Option<Vec<Operation>>,
    method: Option<String>,
    path: Option<String>,

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

impl FaultOrder {
    pub(crate) fn fault(&self) -> Result<Fault, WireError> {
        let needs = |field: &str| WireError::bad_parameter(format!("The fault {} needs `{field}`.", self.fault));
        Ok(match self.fault.as_str() {
            "status" => Fault::Status {
                code: self.status.filter(|code| (200..1000).contains(code)).ok_or_else(|| needs("status"))?,
                retry_after: self.retry_after.clone(),
                body: self.body.clone(),
                headers: self.headers.clone().into_iter().collect(),
            },
            "unauthorized" => Fault::Unauthorized,
            "insufficient-claims" => Fault::InsufficientClaims,
            "challenge" => Fault::Challenge(self.challenge.clone().ok_or_else(|| needs("challenge"))?),
            "redirect" => Fault::Redirect(self.location.clone().ok_or_else(|| needs("location"))?),
            "latency" => Fault::Latency(milliseconds(self.milliseconds.ok_or_else(|| needs("milliseconds"))?)?),
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "hang-in-body" => Fault::HangInBody,
            "truncated" => Fault::Truncated,
            "oversized" => Fault::Oversized(self.bytes.ok_or_else(|| needs("bytes"))?),
            "not-json" => Fault::NotJson,
            "wrong-json" => Fault::WrongJson,
            "wrong-id" => Fault::WrongId,
            "next-link" => Fault::NextLink(self.link.clone().ok_or_else(|| needs("link"))?),
            "empty-page" => Fault::EmptyPage,
            _ => {
                return Err(WireError::bad_parameter(
                    "`fault` must be one of status, unauthorized, insufficient-claims, challenge, redirect, latency, \
                     hang, reset, hang-in-body, truncated, oversized, not-json, wrong-json, wrong-id, next-link and empty-page.",
                ));
            }
        })
    }

    pub(crate) fn selection(self) -> Selection {
        Selection { operations: self.operations, method: self.method, path: self.path }
    }
}

/// Which requests are meant; what is absent leaves all.
pub(crate) struct Selection {
    operations: Option<Vec<Operation>>,
    method: Option<String>,
    /// The path, without the query; `*` stands for any text.
    path: Option<String>,
}

impl Selection {
    pub(crate) fn pattern(self) -> Pattern {
        let Self { operations, method, path } = self;
        Box::new(move |head: &RequestHead| {
            let own = head.path_and_query.split('?').next().unwrap_or_default();
            operations.as_ref().is_none_or(|operations| operations.contains(&head.operation))
                && method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(head.method.as_str()))
                && path.as_ref().is_none_or(|path| fits(path, own))
        })
    }
}

/// Tells whether a path fits a pattern in which `*` stands for any text, an empty one included.
fn fits(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

fn milliseconds(count: f64) -> Result<Duration, WireError> {
    Duration::try_from_secs_f64(count / 1e3).map_err(|_| WireError::bad_parameter("A time must not be negative."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, path, expected) in [
            ("/secrets/a", "/secrets/a", true),
            ("/secrets/a", "/secrets/ab", false),
            ("/secrets/a*", "/secrets/ab", true),
            ("*", "", true),
            ("*/versions", "/secrets/a/versions", true),
            ("*/versions", "/secrets/a/", false),
            ("/secrets/*/b*d", "/secrets/a/bcd", true),
            ("/secrets/*/b*d", "/secrets/bcd", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn every_fault_has_a_name_and_says_what_it_needs() {
        for (order, expected) in [
            (r#"{"fault":"status","status":503,"retry_after":"2","headers":{"a":"b"},"body":""}"#, "Status"),
            (r#"{"fault":"status","status":100}"#, "The fault status needs `status`."),
            (r#"{"fault":"status"}"#, "The fault status needs `status`."),
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
            let order: FaultOrder = serde_json::from_str(order).unwrap();
            let said = order.fault().map_or_else(|error| error.message, |fault| format!("{fault:?}"));
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
