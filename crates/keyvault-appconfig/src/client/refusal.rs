//! The error of a response that is not a success: what the caller can do about it.

use std::time::{Duration, SystemTime};

use keyvault::http::Response;
use keyvault::report::ReferenceStatus;
use keyvault::{Error, ErrorKind};
use serde::Deserialize;

use super::operation::Operation;

/// Translates a refusal to an error with a code and advice, and without text of the response.
pub(super) fn refusal(response: &Response, operation: Operation) -> Error {
    let problem: Problem = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = problem.code();
    response.refusal(classify(response, code.as_deref(), operation), code.as_deref(), None)
}

fn classify(response: &Response, code: Option<&str>, operation: Operation) -> Error {
    match response.status {
        401 => unauthorized(response),
        403 => forbidden(code, operation),
        404 if operation.is_about_a_snapshot() => Error::new(ErrorKind::NotFound, "snapshot not found"),
        404 if !operation.is_list() => Error::new(ErrorKind::NotFound, "key-value not found")
            .with_help("check the key and the label: without a label only the key-value without one is meant"),
        404 => Error::new(ErrorKind::Unavailable, "host does not respond like an App Configuration store")
            .with_help("check the endpoint: the portal shows it as https://NAME.azconfig.io"),
        409 => conflict(code),
        412 if operation == Operation::Add => Error::new(ErrorKind::Conflict, "key-value already exists"),
        412 => Error::new(ErrorKind::Conflict, "key-value is not as the condition demands")
            .with_help("another change came first: read the key-value again and repeat yours"),
        413 => Error::new(ErrorKind::Invalid, "key-value is too large")
            .with_help("a store takes 10 KB for a key-value with its key, label, content type and tags"),
        429 => response.common_error().with_help(
            "the store's tier limits its requests: read less often, or raise the tier; a free store recovers at \
             midnight UTC",
        ),
        400..=407 | 410..=499 => response.common_error().with_help(operation.limits()),
        _ => response.common_error(),
    }
}

impl Operation {
    fn limits(self) -> Option<&'static str> {
        match self {
            Self::Set | Self::SetIf | Self::Add => Some(KEY_VALUE_LIMITS),
            Self::CreateSnapshot => Some(SNAPSHOT_LIMITS),
            _ => None,
        }
    }
}

/// The limits that a refusal does not name.
const KEY_VALUE_LIMITS: &str =
    "a store takes 10 KB for a key-value with all its attributes, and no control characters except in the value";

const SNAPSHOT_LIMITS: &str = "a snapshot has 1 to 3 filters, each for one label unless it keeps labels, and is retained \
                               for 1 hour to 90 days";

/// The error of a 401, by its
/// [challenge](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac#errors), which is
/// compared and never shown.
fn unauthorized(response: &Response) -> Error {
    let challenge = response.challenge.as_deref().unwrap_or_default();
    let denied = |clause| Error::new(ErrorKind::Denied, clause).with_status(ReferenceStatus::UnauthorizedClient);
    let signature = challenge.split("Bearer").next().unwrap_or_default();
    // A store that answers without a date says it in the challenge.
    if signature.contains("token has expired") || signature.contains("error=") && is_skewed(response.as_of) {
        denied("clock of this machine differs from the store's")
            .with_help("set the clock of this machine: a store accepts a signature for 15 minutes")
    } else if signature.contains("Invalid Credential") {
        denied("store does not know the access key")
            .with_help("copy the connection string again: the key was regenerated, or it is that of another store")
    } else if signature.contains("Invalid Signature") {
        denied("secret of the access key is wrong")
            .with_help("copy the connection string again: the key was regenerated, or the secret is not complete")
    } else if signature.contains("error=") {
        denied("store did not accept the signature")
            .with_help("check that access keys are enabled on the store, and that no proxy changes the request")
    } else if challenge.contains("error=") {
        response.common_error().with_help("check that the credential's tenant is the store's")
    } else {
        denied("store did not accept the credential").with_help(
            "check that the credential's tenant is the store's or, with an access key, that access keys are enabled \
             on the store",
        )
    }
}

/// Returns whether the clock of this machine differs too much from that of the store for a signature to be valid.
fn is_skewed(store: SystemTime) -> bool {
    let now = SystemTime::now();
    let difference = now.duration_since(store).or_else(|_| store.duration_since(now)).unwrap_or_default();
    difference > SIGNATURE_VALIDITY
}

/// How far a signature's date may be from the store's clock.
const SIGNATURE_VALIDITY: Duration = Duration::from_secs(15 * 60);

/// The error of a 403.
///
/// [Roles](https://learn.microsoft.com/azure/azure-app-configuration/concept-enable-rbac).
fn forbidden(code: Option<&str>, operation: Operation) -> Error {
    if code == Some("IpAddressRejected") {
        return Error::new(ErrorKind::Denied, "store's network rules do not admit this address")
            .with_help("let this address through the store's network rules, or reach it by a private endpoint");
    }
    Error::new(ErrorKind::Denied, "identity has no role that permits the operation").with_help(if operation.is_read() {
        "grant the identity the role App Configuration Data Reader on the store; a new role takes minutes to apply"
    } else {
        "grant the identity the role App Configuration Data Owner on the store, or use an access key that is not \
             read-only; a new role takes minutes to apply"
    })
}

/// The error of a 409, by the [type of its
/// problem](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#set-key).
fn conflict(code: Option<&str>) -> Error {
    let conflict = |clause| Error::new(ErrorKind::Conflict, clause);
    match code {
        Some("KeyLocked") => {
            conflict("key-value is locked").with_help("clear its lock first: a lock protects it from changes")
        }
        Some("AlreadyExists") => conflict("a snapshot of this name already exists"),
        Some("InvalidState") => conflict("snapshot is in a state that does not permit the operation"),
        _ => conflict("store refused a conflicting change"),
    }
}

/// [A problem](https://www.rfc-editor.org/rfc/rfc9457). Its texts are not even read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Problem {
    /// Returns the code in the type: `KeyLocked` of `https://azconfig.io/errors/key-locked`.
    fn code(&self) -> Option<String> {
        let name = self.kind.as_deref()?.strip_prefix("https://azconfig.io/errors/")?;
        let words = name.split('-').map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
        });
        words.collect()
    }
}
