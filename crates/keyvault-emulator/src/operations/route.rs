//! The operation, the name and the version in a method and a path.

use http::Method;

use super::certificate_route::certificate_route;
use super::operation::Operation;
use crate::protocol::ErrorResponse;
use crate::protocol::uri::path_segments;
use crate::vaults::name::{is_name, is_version};

/// A parsed request to a vault.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// The name of the secret or certificate in the case of the path. Empty for an operation without a name.
    pub(crate) name: String,
    /// The version in lower case, if the path contains one.
    pub(crate) version: Option<String>,
}

impl Route {
    /// Parses a method and a path. Fails with the error that the service would return.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, ErrorResponse> {
        let segments = path_segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (operation, name, version) = match *segments {
            ["secrets"] => (only(method, Method::GET, Operation::List)?, "", None),
            ["secrets", "restore"] if method == Method::POST => (Operation::Restore, "", None),
            ["secrets", name] => (secret_operation(method)?, name, None),
            ["secrets", name, "versions"] if method == Method::GET => (Operation::ListVersions, name, None),
            ["secrets", name, "backup"] if method == Method::POST => (Operation::Backup, name, None),
            ["secrets", name, version] if is_version(version) => (version_operation(method)?, name, Some(version)),
            ["deletedsecrets"] => (only(method, Method::GET, Operation::ListDeleted)?, "", None),
            ["deletedsecrets", name] => (deleted_operation(method)?, name, None),
            ["deletedsecrets", name, "recover"] if method == Method::POST => (Operation::Recover, name, None),
            ["certificates" | "deletedcertificates", ..] => certificate_route(method, &segments)?,
            ["secrets" | "deletedsecrets", _, other] => {
                return Err(ErrorResponse::no_such_operation(method, other));
            }
            _ => {
                return Err(ErrorResponse::new(404, "NotFound", "The requested resource does not exist."));
            }
        };
        if has_name(operation) && !is_name(name) {
            return Err(ErrorResponse::bad_name(name));
        }
        Ok(Self { operation, name: name.to_owned(), version: version.map(str::to_ascii_lowercase) })
    }
}

fn has_name(operation: Operation) -> bool {
    use Operation::{List, ListCertificates, ListDeleted, ListDeletedCertificates, Restore, RestoreCertificate};
    !matches!(operation, List | ListDeleted | Restore | ListCertificates | ListDeletedCertificates | RestoreCertificate)
}

pub(super) fn only(method: &Method, allowed: Method, operation: Operation) -> Result<Operation, ErrorResponse> {
    if *method == allowed { Ok(operation) } else { Err(ErrorResponse::method_not_allowed(method)) }
}

fn secret_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::Get),
        Method::PUT => Ok(Operation::Set),
        Method::PATCH => Ok(Operation::Update),
        Method::DELETE => Ok(Operation::Delete),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

fn version_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::Get),
        Method::PATCH => Ok(Operation::Update),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

fn deleted_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::GetDeleted),
        Method::DELETE => Ok(Operation::Purge),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn each_method_and_path_names_its_operation() {
        for (method, path, operation, name, version) in [
            ("GET", "/secrets", Operation::List, "", None),
            ("GET", "/secrets/", Operation::List, "", None),
            ("GET", "/secrets/a", Operation::Get, "a", None),
            ("GET", "/secrets/a/", Operation::Get, "a", None),
            ("GET", "//secrets//a", Operation::Get, "a", None),
            ("GET", "/secrets/a%2Db", Operation::Get, "a-b", None),
            ("GET", "/secrets/a/0123456789ABCDEF0123456789abcdef", Operation::Get, "a", Some(VERSION)),
            ("GET", "/secrets/a/versions", Operation::ListVersions, "a", None),
            ("GET", "/secrets/versions", Operation::Get, "versions", None),
            ("PUT", "/secrets/restore", Operation::Set, "restore", None),
            ("POST", "/secrets/restore", Operation::Restore, "", None),
            ("POST", "/secrets/a/backup", Operation::Backup, "a", None),
            ("PATCH", "/secrets/a/", Operation::Update, "a", None),
            ("DELETE", "/secrets/a", Operation::Delete, "a", None),
            ("GET", "/deletedsecrets", Operation::ListDeleted, "", None),
            ("GET", "/deletedsecrets/a", Operation::GetDeleted, "a", None),
            ("POST", "/deletedsecrets/a/recover", Operation::Recover, "a", None),
            ("DELETE", "/deletedsecrets/a", Operation::Purge, "a", None),
        ] {
            let route = Route::parse(&method.parse().unwrap(), path).unwrap();
            let expected = Route { operation, name: name.to_owned(), version: version.map(str::to_owned) };
            assert_eq!(route, expected, "{method} {path}");
        }
    }

    #[test]
    fn a_method_and_path_without_an_operation_are_rejected() {
        let long = format!("/secrets/{}", "n".repeat(128));
        let deleted = format!("/secrets/a/{VERSION}");
        for (method, path, status, message) in [
            ("PUT", "/secrets/", 405, "HTTP PUT not allowed"),
            ("POST", "/secrets/a", 405, "HTTP POST not allowed"),
            ("DELETE", deleted.as_str(), 405, "HTTP DELETE not allowed"),
            ("GET", "/secrets/a/latest", 400, "Method GET does not allow operation 'latest'"),
            ("DELETE", "/deletedsecrets/a/purge", 400, "Method DELETE does not allow operation 'purge'"),
            ("GET", "/secrets/a_b", 400, "The request URI contains an invalid name: a_b"),
            ("GET", "/secrets/a%2Fb", 400, "The request URI contains an invalid name: a/b"),
            ("GET", long.as_str(), 400, "The request URI contains an invalid name: nnn"),
            ("POST", "/certificates/a", 405, "HTTP POST not allowed"),
            ("POST", "/certificates/a/renew", 400, "Method POST does not allow operation 'renew'"),
            ("GET", "/certificates/a_b", 400, "The request URI contains an invalid name: a_b"),
            ("GET", "/certificates/contacts", 404, "The emulator has neither contacts nor issuers"),
            ("GET", "/keys/a", 404, "The requested resource does not exist."),
            ("GET", "/", 404, "The requested resource does not exist."),
        ] {
            let error = Route::parse(&method.parse().unwrap(), path).unwrap_err();
            assert_eq!(error.status, status, "{method} {path}");
            assert!(error.message.starts_with(message), "{method} {path}: {}", error.message);
        }
    }
}
