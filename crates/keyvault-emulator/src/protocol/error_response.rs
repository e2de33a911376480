//! The errors of the service: a status, a code, an inner code for some, and a message.
//!
//! The shapes are those of [REST API error
//! codes](https://learn.microsoft.com/azure/key-vault/general/rest-error-codes).

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Response};
use serde::Serialize;

use super::object::{ObjectKind, ObjectName};
use super::response::{JSON, response, to_json};

/// An error response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ErrorResponse {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) inner_code: Option<&'static str>,
    pub(crate) message: String,
    /// The value of the header `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

impl ErrorResponse {
    /// Creates an error without an inner code.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner_code: None, message: message.into(), retry_after: None }
    }

    /// Creates the error for an invalid request.
    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(400, "BadParameter", message)
    }

    /// Creates the error for an invalid secret name in the path.
    pub(crate) fn bad_name(name: &str) -> Self {
        Self::bad_parameter(format!("The request URI contains an invalid name: {name}"))
    }

    /// Creates the error for a method that the path does not support.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::new(405, "MethodNotAllowed", format!("HTTP {method} not allowed"))
    }

    /// Creates the error for a last path segment that is neither a version nor an operation.
    pub(crate) fn no_such_operation(method: &Method, operation: &str) -> Self {
        Self::bad_parameter(format!("Method {method} does not allow operation '{operation}'"))
    }

    /// Creates the error for an object or a version of it that does not exist.
    pub(crate) fn not_found(object: ObjectName<'_>, version: Option<&str>) -> Self {
        let (kind, name) = (object.kind.as_str(), object.name);
        let id = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
        Self::new(
            404,
            object.kind.not_found_code(),
            format!(
                "A {kind} with (name/id) {id} was not found in this key vault. If you recently deleted this {kind} \
                 you may be able to recover it using the correct recovery command. For help resolving this issue, \
                 please see https://go.microsoft.com/fwlink/?linkid=2125182"
            ),
        )
    }

    /// Creates the error for a deleted object that does not exist.
    pub(crate) fn deleted_not_found(object: ObjectName<'_>) -> Self {
        let message = format!("Deleted {} not found: {}", object.kind.capitalized(), object.name);
        Self::new(404, object.kind.not_found_code(), message)
    }

    /// Creates the error for a new version of a certificate while a creation is in progress.
    pub(crate) fn creation_in_progress() -> Self {
        let message = "A new key vault certificate can not be created or imported while a pending key vault \
                       certificate's status is inProgress.";
        Self::new(409, "Conflict", message)
    }

    /// Creates the error for the cancellation of a creation that has ended, as the service
    /// [answers](https://github.com/Azure/azure-sdk-for-js/issues/25758). Its documentation has the status 400.
    pub(crate) fn creation_has_ended() -> Self {
        Self::new(403, "Forbidden", "Pending status must be in progress to allow update.")
    }

    /// Creates the error for a certificate that a client merges while its issuer still works.
    pub(crate) fn merge_forbidden(issuer: &str) -> Self {
        // The misspelled word is the service's.
        let message =
            format!("Merge is forbidden on pending object created with issuer : {issuer} while it is in progess.");
        Self::new(403, "Forbidden", message)
    }

    /// Creates the error for a certificate of which no version is being created.
    pub(crate) fn pending_not_found(name: &str) -> Self {
        Self::new(404, "PendingCertificateNotFound", format!("Pending certificate not found: {name}"))
    }

    /// Creates the error for a disabled version.
    pub(crate) fn disabled() -> Self {
        Self::new(403, "Forbidden", "Operation get is not allowed on a disabled secret.").inner_code("SecretDisabled")
    }

    /// Creates the error for an operation that only the certificate behind a secret supports.
    pub(crate) fn managed(action: &str) -> Self {
        let message = format!(
            "Operation \"{action}\" is not allowed on this secret, since it is associated with a certificate. Perform \
             the operation on the corresponding certificate."
        );
        Self::new(403, "Forbidden", message).inner_code("SecretManagedByKeyVault")
    }

    /// Creates the error for an unsupported conversion between content types.
    pub(crate) fn no_transformation(from: &str, to: &str) -> Self {
        Self::bad_parameter(format!(
            "The '{from}' to '{to}' transformation is not supported. Only PFX to PEM transformation is supported."
        ))
    }

    /// Creates the error for a name that a deleted object still uses.
    pub(crate) fn deleted_but_recoverable(object: ObjectName<'_>) -> Self {
        let message = format!(
            "{} {} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the \
             {} can only be recovered or purged.",
            object.kind.capitalized(),
            object.name,
            object.kind.as_str()
        );
        Self::new(409, "Conflict", message).inner_code("ObjectIsDeletedButRecoverable")
    }

    /// Creates the error for an object whose deletion or purge is in progress.
    pub(crate) fn being_deleted(kind: ObjectKind) -> Self {
        let message = format!("{} is currently being deleted.", kind.capitalized());
        Self::new(409, "Conflict", message).inner_code("ObjectIsBeingDeleted")
    }

    /// Creates the error for an object whose recovery is in progress.
    pub(crate) fn being_recovered(kind: ObjectKind) -> Self {
        let message = format!("{} is currently being recovered.", kind.capitalized());
        Self::new(409, "Conflict", message).inner_code("ObjectIsBeingRecovered")
    }

    /// Creates the error for a backup of an object whose name is in use.
    pub(crate) fn restore_conflict(object: ObjectName<'_>, version: &str, base: &str) -> Self {
        let (kind, name) = (object.kind.as_str(), object.name);
        let message = format!(
            "There was a conflict restoring the {kind} '{base}/{kind}s/{name}/{version}'. This can happen if either: a \
             second {kind} with the same name was created, or the {kind} is deleted but recoverable."
        );
        Self::new(409, "Conflict", message)
    }

    /// Creates the error for a backup that cannot be read.
    pub(crate) fn corrupt_backup() -> Self {
        Self::new(400, "Malformed backup blob", "Backup blob is corrupt.")
    }

    /// Creates the error for a purge that purge protection forbids.
    pub(crate) fn purge_protected(vault: &str) -> Self {
        let message = format!(
            "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service \
             will automatically purge it after the retention period has passed.\r\nVault: {vault};location={REGION}"
        );
        Self::new(403, "Forbidden", message)
    }

    /// Creates the error for a missing or invalid token.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "Unauthorized", message)
    }

    /// Creates the error for too many requests.
    pub(crate) fn throttled() -> Self {
        Self::new(
            429,
            "Throttled",
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        )
    }

    /// Creates the error for a change that could not be written to the data file.
    pub(crate) fn unsaved() -> Self {
        Self::new(500, "InternalServerError", "The data file cannot be written, so nothing was changed.")
    }

    /// Creates the error that the service usually sends with a status, for a request about an object.
    pub(crate) fn typical(status: u16, object: ObjectName<'_>) -> Self {
        match status {
            400 => Self::bad_parameter("The request is not valid."),
            401 => Self::unauthorized(MISSING_TOKEN),
            403 => Self::new(
                403,
                "Forbidden",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments \
                     or role definitions were changed recently, please observe propagation time.\r\nAssignment: (not \
                     found)\r\nVault: emulator;location={REGION}\r\n"
                ),
            )
            .inner_code("ForbiddenByRbac"),
            404 => Self::not_found(object, None),
            409 => Self::being_deleted(object.kind),
            429 => Self::throttled(),
            503 => Self::new(503, "ServiceUnavailable", "The service is temporarily unavailable."),
            504 => Self::new(504, "GatewayTimeout", "The service did not answer in time."),
            status => Self::new(status, "InternalServerError", "An internal error occurred."),
        }
    }

    /// Sets the header `Retry-After`.
    pub(crate) fn retry_after(mut self, time: Option<Duration>) -> Self {
        self.retry_after = time;
        self
    }

    /// Sets the inner code.
    pub(crate) fn inner_code(mut self, code: &'static str) -> Self {
        self.inner_code = Some(code);
        self
    }

    /// Returns the JSON body.
    pub(crate) fn body(&self) -> Vec<u8> {
        to_json(&ErrorBody {
            error: ErrorFields {
                code: self.code,
                message: &self.message,
                innererror: self.inner_code.map(|code| InnerError { code }),
            },
        })
    }

    /// Creates the response, with `Retry-After` if it is set.
    pub(crate) fn to_response(&self) -> Response<Bytes> {
        let mut response = response(self.status, JSON, self.body());
        if let Some(time) = self.retry_after {
            // An earlier retry would be rejected too.
            let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<InnerError<'a>>,
}

#[derive(Serialize)]
struct InnerError<'a> {
    code: &'a str,
}

/// The message for a request without a token, since March 2026.
pub(crate) const MISSING_TOKEN: &str = "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.";

/// The Azure region that the emulator reports.
pub(crate) const REGION: &str = "westus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_inner_code_is_omitted() {
        assert_eq!(
            ErrorResponse::method_not_allowed(&Method::PUT).body(),
            br#"{"error":{"code":"MethodNotAllowed","message":"HTTP PUT not allowed"}}"#
        );
        assert_eq!(
            String::from_utf8(ErrorResponse::disabled().body()).unwrap(),
            "{\"error\":{\"code\":\"Forbidden\",\"message\":\"Operation get is not allowed on a disabled secret.\",\
             \"innererror\":{\"code\":\"SecretDisabled\"}}}"
        );
    }
}
