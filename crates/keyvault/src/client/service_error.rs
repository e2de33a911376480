//! The error of a response that is not a success: what the caller can do about it, and whether a retry can help.

use serde::Deserialize;

use super::challenge;
use super::operation::Operation;
use crate::error::{Error, ErrorKind};
use crate::http::Response;
use crate::report::ReferenceStatus;

/// Translates a refusal to an error with codes and advice, and without text of the response.
pub(super) fn service_error(response: &Response, operation: Operation) -> Error {
    let body: ErrorBody = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = body.error.unwrap_or_default();
    let (code, inner_code) = (error.code.as_deref(), error.innermost());
    response.refusal(classify(response, code, inner_code, operation), code, inner_code)
}

fn classify(response: &Response, code: Option<&str>, inner_code: Option<&str>, operation: Operation) -> Error {
    match response.status {
        401 if response.challenge.as_deref().is_some_and(challenge::demands_claims) => claims_missing(),
        403 => forbidden(inner_code, operation),
        404 if code == Some("SecretNotFound") => Error::new(ErrorKind::NotFound, "secret not found"),
        // A soft-deleted vault keeps its name and answers with other codes.
        404 => Error::new(ErrorKind::Unavailable, "host does not respond like a vault with secrets")
            .with_status(ReferenceStatus::VaultNotFound),
        409 => conflict(inner_code),
        401 | 429 => response.common_error(),
        400..=407 | 410..=499 => response
            .common_error()
            .with_status(ReferenceStatus::OtherReasons)
            .with_help(matches!(operation, Operation::Set | Operation::Update).then_some(LIMITS)),
        _ => response.common_error(),
    }
}

/// The [limits of a secret](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets), which a refusal does not
/// name.
const LIMITS: &str = "a vault takes values of up to 25 KB (25,600 characters), content types of up to 255 characters, and 15 \
                      tags whose names and values have up to 512 characters";

/// The error of a token without the claims that the vault demands. The `TokenCredential` of `azure_core` 1.x cannot be
/// asked for claims.
fn claims_missing() -> Error {
    Error::new(ErrorKind::Denied, "vault demands claims that the credential cannot give")
        .with_status(ReferenceStatus::UnauthorizedClient)
        .with_help(
            "the sign-in was revoked or a policy changed: sign in again, as with `az login`, or use an identity \
             without conditional access policies",
        )
}

/// The error of a 403, by its [inner
/// code](https://learn.microsoft.com/azure/key-vault/general/rest-error-codes#http-403-insufficient-permissions).
fn forbidden(inner_code: Option<&str>, operation: Operation) -> Error {
    let denied = |clause| Error::new(ErrorKind::Denied, clause);
    match inner_code {
        Some("SecretDisabled") => Error::new(ErrorKind::NotFound, "secret is disabled")
            .with_status(ReferenceStatus::AccessToKeyVaultDenied)
            .with_help("enable the secret, or refer to another version"),
        Some("AccessDenied") => {
            denied("vault's access policy does not permit the operation").with_help(operation.policy_advice())
        }
        Some("ForbiddenByRbac") => {
            denied("identity has no role that permits the operation").with_help(operation.role_advice())
        }
        Some("SecretManagedByKeyVault") => denied("secret belongs to a certificate")
            .with_help("change the certificate of the same name: its secret follows"),
        Some("ForbiddenByFirewall") => denied("vault's firewall does not admit this address")
            .with_help("let this address through the vault's firewall, or reach it by a private endpoint"),
        Some("ForbiddenByConnection") => denied("vault accepts no connection from the public network")
            .with_help("the vault's public access is off: reach it by its private endpoint"),
        Some("ForbiddenByPolicy") => denied("a policy forbids the access"),
        None if operation == Operation::Purge => denied("vault does not permit purging the secret")
            .with_help("a vault with purge protection purges the secret by itself when the retention period ends"),
        _ => denied("access denied"),
    }
}

/// The error of a 409, by its
/// [inner code](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#key-vault-objects).
fn conflict(inner_code: Option<&str>) -> Error {
    let conflict = |clause| Error::new(ErrorKind::Conflict, clause);
    match inner_code {
        Some("ObjectIsDeletedButRecoverable") => conflict("a deleted secret still has the name")
            .with_help("recover the deleted secret, or purge it to free its name"),
        Some("ObjectIsBeingDeleted") => conflict("secret is still being deleted"),
        Some("ObjectIsBeingRecovered") => conflict("secret is still being recovered"),
        _ => conflict("a secret of this name already exists"),
    }
}

/// [The body of an
/// error](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses#error-responses).
///
/// The strings are owned, because a JSON string can contain escapes. The message is not even read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Option<ErrorNode>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorNode {
    code: Option<String>,
    #[serde(alias = "innerError")]
    innererror: Option<Box<ErrorNode>>,
}

impl ErrorNode {
    fn innermost(&self) -> Option<&str> {
        let mut node = self.innererror.as_deref()?;
        while let Some(inner) = &node.innererror {
            node = inner;
        }
        node.code.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str, operation: Operation) -> Error {
        service_error(&Response::bare(status, body), operation)
    }

    #[test]
    fn errors_are_classified_by_status_and_code() {
        use ErrorKind::{Conflict, Denied, Invalid, NotFound, Unavailable};
        use ReferenceStatus as Status;
        let coded = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"a\r\nb \"q\""}}}}"#);
        let inner = |code: &str| {
            format!(r#"{{"error":{{"code":"Forbidden","message":"x\r\n","innererror":{{"code":"{code}"}}}}}}"#)
        };
        let nested =
            r#"{"error":{"code":"Forbidden","innererror":{"code":"A","innererror":{"code":"ForbiddenByRbac"}}}}"#;
        for (status, body, kind, reference, inner_code) in [
            (404, coded("SecretNotFound"), NotFound, Status::SecretNotFound, None),
            (404, coded("VaultNotFound"), Unavailable, Status::VaultNotFound, None),
            (403, inner("SecretDisabled"), NotFound, Status::AccessToKeyVaultDenied, Some("SecretDisabled")),
            (403, inner("ForbiddenByRbac"), Denied, Status::AccessToKeyVaultDenied, Some("ForbiddenByRbac")),
            (403, nested.into(), Denied, Status::AccessToKeyVaultDenied, Some("ForbiddenByRbac")),
            (403, String::new(), Denied, Status::AccessToKeyVaultDenied, None),
            (401, coded("Unauthorized"), Denied, Status::UnauthorizedClient, None),
            (
                403,
                inner("SecretManagedByKeyVault"),
                Denied,
                Status::AccessToKeyVaultDenied,
                Some("SecretManagedByKeyVault"),
            ),
            (409, inner("ObjectIsBeingDeleted"), Conflict, Status::OtherReasons, Some("ObjectIsBeingDeleted")),
            (409, coded("Conflict"), Conflict, Status::OtherReasons, None),
            (400, coded("BadParameter"), Invalid, Status::OtherReasons, None),
            (302, String::new(), Unavailable, Status::OtherReasons, None),
            (500, coded("InternalServerError"), Unavailable, Status::OtherReasons, None),
            (418, "null".into(), Invalid, Status::OtherReasons, None),
        ] {
            let error = error(status, &body, Operation::Get);
            assert_eq!((error.kind(), error.status()), (kind, reference), "{status} {body}");
            assert_eq!(error.inner_code(), inner_code, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_names_the_missing_role_or_permission() {
        let refused = |operation, code: &str| {
            let body = format!(r#"{{"error":{{"code":"Forbidden","innererror":{{"code":"{code}"}}}}}}"#);
            error(403, &body, operation).advice().unwrap().to_owned()
        };
        for (operation, role, permission) in [
            (Operation::Get, "Key Vault Secrets User", "Get"),
            (Operation::ListDeleted, "Key Vault Secrets User", "List"),
            (Operation::Set, "Key Vault Secrets Officer", "Set"),
            (Operation::Update, "Key Vault Secrets Officer", "Set"),
            (Operation::Purge, "Key Vault Secrets Officer", "Purge"),
        ] {
            assert!(refused(operation, "ForbiddenByRbac").contains(role), "{operation:?}");
            assert!(refused(operation, "AccessDenied").contains(permission), "{operation:?}");
        }
    }

    #[test]
    fn a_refused_set_names_the_limits() {
        let refused = |status, operation| error(status, r#"{"error":{"code":"BadParameter"}}"#, operation);
        for (status, operation) in [(400, Operation::Set), (413, Operation::Set), (400, Operation::Update)] {
            let report = refused(status, operation).report();
            assert!(report.contains("25 KB") && report.contains("15 tags"), "{report}");
        }
        assert_eq!(refused(400, Operation::Get).advice(), None);
    }

    #[test]
    fn an_error_contains_no_text_of_the_body() {
        for body in [
            r#"{"error":{"code":"canary canary","message":"canary","innererror":{"code":"canary!"}}}"#,
            r#"{"error":{"code":"canary","message":"canary","innererror":{"code":"canary-canary"}}}"#,
            r#"{"error":"canary"}"#,
            "canary",
        ] {
            let error = error(403, body, Operation::Get);
            let source = std::error::Error::source(&error).unwrap();
            assert!(!format!("{error}{error:?}{source}").contains("canary"), "{body}");
        }
    }
}
