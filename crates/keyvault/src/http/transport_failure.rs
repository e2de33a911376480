//! The failures of a request that got no response.

use azure_core::http::Request;

use super::response::FailedAttempt;
use super::retry::RetryReason;
use super::sanitize;
use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;

/// Translates the failure of the transport to send `request`.
///
/// `noun` is the word for an instance of the service.
pub(super) fn transport_failure(error: &azure_core::Error, request: &Request, noun: &str) -> FailedAttempt {
    let reason = sanitize::reason(error, request);
    // Only a failed connect proves that the vault did not receive the request.
    let may_have_succeeded = !matches!(error.kind(), azure_core::error::ErrorKind::Connection);
    let error = unreachable(&reason, noun).caused_by(reason);
    FailedAttempt { error, retry: Some(RetryReason::Connection), may_have_succeeded }
}

/// Returns the error of a connection that failed for `reason`.
fn unreachable(reason: &str, noun: &str) -> Error {
    let is_about = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    let error = |heading, clause| Error::from_clause(ErrorKind::Unavailable, heading, clause);
    if is_about(&["dns error", "failed to lookup address"]) {
        return error("vault's host name cannot be resolved", format!("{noun}'s host name cannot be resolved"))
            .with_status(ReferenceStatus::VaultNotFound)
            .with_help("check the name and that its host resolves");
    }
    if is_about(&["tunnel error"]) {
        return error("proxy did not connect to the vault", format!("proxy did not connect to the {noun}"))
            .with_help("check the address and the password in HTTPS_PROXY, and whether NO_PROXY should name the host");
    }
    if !is_about(&["invalid peer certificate"]) {
        return error("vault could not be reached", format!("{noun} could not be reached"))
            .with_help("check the network and, if this machine needs a proxy, HTTPS_PROXY and NO_PROXY");
    }
    if is_about(&["xpired", "NotValidYet", "not valid yet"]) {
        let clause = format!("{noun}'s certificate has expired or is not valid yet");
        error("vault's certificate has expired or is not valid yet", clause)
            .with_help("check the clock of this machine; if it is right, the server must renew its certificate")
    } else if is_about(&["NotValidForName", "not valid for name"]) {
        let clause = format!("{noun}'s certificate is that of another host");
        error("vault's certificate is that of another host", clause)
            .with_help("check the URL, and whether a proxy answers in place of its host")
    } else {
        error("vault's certificate is not trusted", format!("{noun}'s certificate is not trusted")).with_help(
            "if a proxy inspects TLS, or this is an emulator, trust its certificate authority: SSL_CERT_FILE on Linux, \
             the system's store elsewhere, `certificate_authority` of the client, or `--ca-file` of the command",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_that_is_refused_differs_from_a_host_that_is_not_reached() {
        use rustls::{CertificateError, Error as TlsError};
        let tls = |error| TlsError::InvalidCertificate(error).to_string();
        let other = || CertificateError::NotValidForNameContext {
            expected: rustls::pki_types::ServerName::try_from("contoso.vault.azure.net").unwrap(),
            presented: vec!["proxy.example".to_owned()],
        };
        let time = || rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(1));
        for (reason, clause, help) in [
            (tls(CertificateError::UnknownIssuer), "vault's certificate is not trusted", "SSL_CERT_FILE"),
            (tls(CertificateError::BadSignature), "vault's certificate is not trusted", "SSL_CERT_FILE"),
            (tls(CertificateError::Expired), "vault's certificate has expired", "clock"),
            (
                tls(CertificateError::ExpiredContext { time: time(), not_after: time() }),
                "vault's certificate has expired",
                "clock",
            ),
            (
                tls(CertificateError::NotValidYetContext { time: time(), not_before: time() }),
                "vault's certificate has expired or is not valid yet",
                "clock",
            ),
            (tls(CertificateError::NotValidForName), "vault's certificate is that of another host", "URL"),
            (tls(other()), "vault's certificate is that of another host", "URL"),
            ("tcp connect error: Connection refused".to_owned(), "vault could not be reached", "HTTPS_PROXY"),
            ("tunnel error: proxy authorization required".to_owned(), "proxy did not connect", "HTTPS_PROXY"),
            ("dns error: no such host".to_owned(), "vault's host name cannot be resolved", "resolves"),
        ] {
            let error = unreachable(&reason, "vault");
            assert!(error.to_string().starts_with(clause), "{reason}: {error}");
            assert!(error.advice().unwrap().contains(help), "{reason}: {error:?}");
            assert!(error.is_transient(), "{reason}");
            let of_store = unreachable(&reason, "store");
            assert_eq!(of_store.to_string(), error.to_string().replace("vault", "store"), "{reason}");
            assert_eq!((of_store.help_url(), of_store.advice()), (error.help_url(), error.advice()), "{reason}");
            assert!(!of_store.report().lines().any(|line| !line.starts_with("see:") && line.contains("vault")));
        }
    }
}
