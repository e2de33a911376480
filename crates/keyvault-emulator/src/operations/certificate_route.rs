//! The operations on certificates that a method and a path name.

use http::Method;

use super::operation::Operation;
use super::route::only;
use crate::protocol::ErrorResponse;
use crate::vaults::name::is_version;

/// Parses the path of a request about certificates: the operation, the name and the version.
///
/// See [the operations](https://learn.microsoft.com/rest/api/keyvault/certificates/operation-groups).
pub(super) fn certificate_route<'a>(
    method: &Method,
    segments: &[&'a str],
) -> Result<(Operation, &'a str, Option<&'a str>), ErrorResponse> {
    Ok(match *segments {
        ["certificates"] => (only(method, Method::GET, Operation::ListCertificates)?, "", None),
        ["certificates", "restore"] if method == Method::POST => (Operation::RestoreCertificate, "", None),
        ["certificates", "contacts" | "issuers", ..] => {
            return Err(ErrorResponse::new(404, "NotFound", "The emulator has neither contacts nor issuers."));
        }
        ["certificates", name] => (certificate_operation(method)?, name, None),
        ["certificates", name, version] if is_version(version) => (version_operation(method)?, name, Some(version)),
        ["certificates", name, "pending", "merge"] if method == Method::POST => {
            (Operation::MergeCertificate, name, None)
        }
        ["certificates", name, part] => match part_operation(method, part) {
            Some(operation) => (operation, name, None),
            None => return Err(ErrorResponse::no_such_operation(method, part)),
        },
        ["deletedcertificates"] => (only(method, Method::GET, Operation::ListDeletedCertificates)?, "", None),
        ["deletedcertificates", name] => (deleted_operation(method)?, name, None),
        ["deletedcertificates", name, "recover"] if method == Method::POST => {
            (Operation::RecoverCertificate, name, None)
        }
        [.., other] => return Err(ErrorResponse::no_such_operation(method, other)),
        [] => return Err(ErrorResponse::method_not_allowed(method)),
    })
}

fn certificate_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::GetCertificate),
        Method::PATCH => Ok(Operation::UpdateCertificate),
        Method::DELETE => Ok(Operation::DeleteCertificate),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

fn version_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::GetCertificate),
        Method::PATCH => Ok(Operation::UpdateCertificate),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

fn part_operation(method: &Method, part: &str) -> Option<Operation> {
    Some(match (method.as_str(), part) {
        ("POST", "create") => Operation::CreateCertificate,
        ("POST", "import") => Operation::ImportCertificate,
        ("POST", "backup") => Operation::BackupCertificate,
        ("GET", "versions") => Operation::ListCertificateVersions,
        ("GET", "policy") => Operation::GetCertificatePolicy,
        ("PATCH", "policy") => Operation::UpdateCertificatePolicy,
        ("GET", "pending") => Operation::GetCertificateOperation,
        ("PATCH", "pending") => Operation::UpdateCertificateOperation,
        ("DELETE", "pending") => Operation::DeleteCertificateOperation,
        _ => return None,
    })
}

fn deleted_operation(method: &Method) -> Result<Operation, ErrorResponse> {
    match *method {
        Method::GET => Ok(Operation::GetDeletedCertificate),
        Method::DELETE => Ok(Operation::PurgeCertificate),
        _ => Err(ErrorResponse::method_not_allowed(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_and_path_names_its_operation() {
        const VERSION: &str = "0123456789abcdef0123456789abcdef";
        let version = format!("certificates/a/{VERSION}");
        for (method, path, operation, name) in [
            ("GET", "certificates", Operation::ListCertificates, ""),
            ("POST", "certificates/restore", Operation::RestoreCertificate, ""),
            ("GET", "certificates/restore", Operation::GetCertificate, "restore"),
            ("GET", "certificates/a", Operation::GetCertificate, "a"),
            ("PATCH", "certificates/a", Operation::UpdateCertificate, "a"),
            ("DELETE", "certificates/a", Operation::DeleteCertificate, "a"),
            ("GET", version.as_str(), Operation::GetCertificate, "a"),
            ("PATCH", version.as_str(), Operation::UpdateCertificate, "a"),
            ("POST", "certificates/a/create", Operation::CreateCertificate, "a"),
            ("POST", "certificates/a/import", Operation::ImportCertificate, "a"),
            ("POST", "certificates/a/pending/merge", Operation::MergeCertificate, "a"),
            ("POST", "certificates/a/backup", Operation::BackupCertificate, "a"),
            ("GET", "certificates/a/versions", Operation::ListCertificateVersions, "a"),
            ("GET", "certificates/a/policy", Operation::GetCertificatePolicy, "a"),
            ("PATCH", "certificates/a/policy", Operation::UpdateCertificatePolicy, "a"),
            ("GET", "certificates/a/pending", Operation::GetCertificateOperation, "a"),
            ("PATCH", "certificates/a/pending", Operation::UpdateCertificateOperation, "a"),
            ("DELETE", "certificates/a/pending", Operation::DeleteCertificateOperation, "a"),
            ("GET", "deletedcertificates", Operation::ListDeletedCertificates, ""),
            ("GET", "deletedcertificates/a", Operation::GetDeletedCertificate, "a"),
            ("POST", "deletedcertificates/a/recover", Operation::RecoverCertificate, "a"),
            ("DELETE", "deletedcertificates/a", Operation::PurgeCertificate, "a"),
        ] {
            let segments: Vec<&str> = path.split('/').collect();
            let expected = (operation, name, path.ends_with(VERSION).then_some(VERSION));
            assert_eq!(certificate_route(&method.parse().unwrap(), &segments).unwrap(), expected, "{method} {path}");
        }
    }
}
