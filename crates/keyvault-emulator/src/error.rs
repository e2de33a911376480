//! Errors as they go over the wire: a status, a code, perhaps an inner code, and a message.
//!
//! The shapes are those of [REST API error codes](https://learn.microsoft.com/azure/key-vault/general/rest-error-codes).

use std::time::Duration;

use http::Method;
use serde::Serialize;

/// An answer that refuses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WireError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) message: String,
    /// What the header of that name says.
    pub(crate) retry_after: Option<Duration>,
}

impl WireError {
    /// Makes an error without an inner code.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), retry_after: None }
    }

    /// Says that the request itself is wrong.
    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(400, "BadParameter", message)
    }

    /// Says that the name in the path breaks the grammar.
    pub(crate) fn bad_name(name: &str) -> Self {
        Self::bad_parameter(format!("The request URI contains an invalid name: {name}"))
    }

    /// Says that a path does not know this verb.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::new(405, "MethodNotAllowed", format!("HTTP {method} not allowed"))
    }

    /// Says that the last segment of a path is neither a version nor an operation.
    pub(crate) fn no_such_operation(method: &Method, operation: &str) -> Self {
        Self::bad_parameter(format!("Method {method} does not allow operation '{operation}'"))
    }

    /// Says that a secret, or that version of it, is not there.
    pub(crate) fn secret_not_found(name: &str, version: Option<&str>) -> Self {
        let id = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
        Self::new(
            404,
            "SecretNotFound",
            format!(
                "A secret with (name/id) {id} was not found in this key vault. If you recently deleted this secret \
                 you may be able to recover it using the correct recovery command. For help resolving this issue, \
                 please see https://go.microsoft.com/fwlink/?linkid=2125182"
            ),
        )
    }

    /// Says that no deleted secret has this name.
    pub(crate) fn deleted_not_found(name: &str) -> Self {
        Self::new(404, "SecretNotFound", format!("Deleted Secret not found: {name}"))
    }

    /// Says that the version asked for is disabled.
    pub(crate) fn disabled() -> Self {
        Self::new(403, "Forbidden", "Operation get is not allowed on a disabled secret.").inner("SecretDisabled")
    }

    /// Says that the secret belongs to a certificate.
    pub(crate) fn managed(action: &str) -> Self {
        let message = format!(
            "Operation \"{action}\" is not allowed on this secret, since it is associated with a certificate. Perform \
             the operation on the corresponding certificate."
        );
        Self::new(403, "Forbidden", message).inner("SecretManagedByKeyVault")
    }

    /// Says that a secret cannot be had as another content type.
    pub(crate) fn no_transformation(from: &str, to: &str) -> Self {
        Self::bad_parameter(format!(
            "The '{from}' to '{to}' transformation is not supported. Only PFX to PEM transformation is supported."
        ))
    }

    /// Says that a deleted secret still holds the name.
    pub(crate) fn deleted_but_recoverable(name: &str) -> Self {
        let message = format!(
            "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this \
             state, the secret can only be recovered or purged."
        );
        Self::new(409, "Conflict", message).inner("ObjectIsDeletedButRecoverable")
    }

    /// Says that the deletion has not finished.
    pub(crate) fn being_deleted() -> Self {
        Self::new(409, "Conflict", "Secret is currently being deleted.").inner("ObjectIsBeingDeleted")
    }

    /// Says that the recovery has not finished.
    pub(crate) fn being_recovered() -> Self {
        Self::new(409, "Conflict", "Secret is currently being recovered.").inner("ObjectIsBeingRecovered")
    }

    /// Says that a backup is none, or not ours.
    pub(crate) fn corrupt_backup() -> Self {
        Self::new(400, "Malformed backup blob", "Backup blob is corrupt.")
    }

    /// Says that the vault keeps what was deleted until its time is over.
    pub(crate) fn purge_protected(vault: &str) -> Self {
        let message = format!(
            "Operation \"purge\" is not allowed because purge protection is enabled for this vault. Key Vault service \
             will automatically purge it after the retention period has passed.\r\nVault: {vault};location={REGION}"
        );
        Self::new(403, "Forbidden", message)
    }

    /// Says that a token is missing or not good, with the service's own sentence.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "Unauthorized", message)
    }

    /// Says that there were too many requests.
    pub(crate) fn throttled() -> Self {
        Self::new(
            429,
            "Throttled",
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached",
        )
    }

    /// Makes the error the service answers with a status, where a test names nothing but the status.
    pub(crate) fn typical(status: u16, name: Option<&str>) -> Self {
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
            .inner("ForbiddenByRbac"),
            404 => Self::secret_not_found(name.unwrap_or("unknown"), None),
            409 => Self::being_deleted(),
            429 => Self::throttled(),
            503 => Self::new(503, "ServiceUnavailable", "The service is temporarily unavailable."),
            504 => Self::new(504, "GatewayTimeout", "The service did not answer in time."),
            status => Self::new(status, "InternalServerError", "An internal error occurred."),
        }
    }

    /// Adds when to come again, where that is known.
    pub(crate) fn retry_after(mut self, time: Option<Duration>) -> Self {
        self.retry_after = time;
        self
    }

    /// Adds the inner code.
    pub(crate) fn inner(mut self, code: &'static str) -> Self {
        self.inner = Some(code);
        self
    }

    /// Writes the body of the answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        json(&Envelope {
            error: Fields {
                code: self.code,
                message: &self.message,
                innererror: self.inner.map(|code| Inner { code }),
            },
        })
    }
}

/// Writes a value whose keys are all strings; that cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("every key is a string")
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Fields<'a>,
}

#[derive(Serialize)]
struct Fields<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner<'a>>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
}

/// The sentence of a request without a token, since March 2026.
pub(crate) const MISSING_TOKEN: &str = "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token.";

/// The region the emulator claims to stand in.
pub(crate) const REGION: &str = "westus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_code_is_left_out_when_there_is_none() {
        assert_eq!(
            WireError::method_not_allowed(&Method::PUT).body(),
            br#"{"error":{"code":"MethodNotAllowed","message":"HTTP PUT not allowed"}}"#
        );
        assert_eq!(
            String::from_utf8(WireError::disabled().body()).unwrap(),
            "{\"error\":{\"code\":\"Forbidden\",\"message\":\"Operation get is not allowed on a disabled secret.\",\
             \"innererror\":{\"code\":\"SecretDisabled\"}}}"
        );
    }
}
