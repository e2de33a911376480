//! The operation and resource that a method and a path name.

use http::Method;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use crate::operations::Operation;

/// A parsed request to a store.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct StoreRoute {
    pub(crate) operation: Operation,
    /// The key or the name of the snapshot, decoded. Empty for an operation on a collection.
    pub(crate) name: String,
}

impl StoreRoute {
    /// Parses a method and a path. Fails with the error that the service would return.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, Problem> {
        // No key contains a percent sign, and the service rejects one in any path.
        if path.contains("%25") {
            return Err(Problem::empty(400));
        }
        let (resource, name) = split(path);
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let operation = match (resource.to_ascii_lowercase().as_str(), name) {
            ("kv", "") if is_read => Operation::ListKeyValues,
            ("keys", "") if is_read => Operation::ListKeys,
            ("labels", "") if is_read => Operation::ListLabels,
            ("revisions", "") if is_read => Operation::ListRevisions,
            ("snapshots", "") if is_read => Operation::ListSnapshots,
            ("operations", "") if method == Method::GET => Operation::GetSnapshotOperation,
            ("kv" | "locks" | "snapshots", name) if !name.is_empty() => {
                named_operation(method, resource).ok_or_else(|| Problem::empty(405))?
            }
            ("kv" | "keys" | "labels" | "revisions" | "snapshots" | "locks" | "operations", _) => {
                return Err(Problem::empty(405));
            }
            _ => return Err(Problem::empty(404)),
        };
        Ok(Self { operation, name: percent_decode_str(name).decode_utf8_lossy().into_owned() })
    }
}

/// Returns whether a path is one of a store rather than of a vault.
pub(crate) fn is_store_path(path: &str) -> bool {
    let (resource, name) = split(path);
    match resource {
        "kv" | "labels" | "revisions" | "locks" | "snapshots" | "operations" => true,
        // Key Vault has keys too, though not in this emulator: a path with a key's name is one of a vault.
        "keys" => name.is_empty(),
        _ => false,
    }
}

/// Splits a path into its first segment and the rest, which may contain slashes.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

fn named_operation(method: &Method, resource: &str) -> Option<Operation> {
    Some(match (resource.to_ascii_lowercase().as_str(), method) {
        ("kv", &Method::GET | &Method::HEAD) => Operation::GetKeyValue,
        ("kv", &Method::PUT) => Operation::SetKeyValue,
        ("kv", &Method::DELETE) => Operation::DeleteKeyValue,
        ("locks", &Method::PUT) => Operation::LockKeyValue,
        ("locks", &Method::DELETE) => Operation::UnlockKeyValue,
        ("snapshots", &Method::GET | &Method::HEAD) => Operation::GetSnapshot,
        ("snapshots", &Method::PUT) => Operation::CreateSnapshot,
        ("snapshots", &Method::PATCH) => Operation::UpdateSnapshot,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_and_path_names_its_operation() {
        for (method, path, operation, name) in [
            ("GET", "/kv", Operation::ListKeyValues, ""),
            ("HEAD", "/kv/", Operation::ListKeyValues, ""),
            ("GET", "/kv/a", Operation::GetKeyValue, "a"),
            ("HEAD", "/KV/a", Operation::GetKeyValue, "a"),
            ("PUT", "/kv/shop%3Adb%2Fhost", Operation::SetKeyValue, "shop:db/host"),
            ("DELETE", "/kv/shop/db//host/", Operation::DeleteKeyValue, "shop/db//host/"),
            ("PUT", "/kv/%C3%BC%20", Operation::SetKeyValue, "ü "),
            ("GET", "/keys", Operation::ListKeys, ""),
            ("GET", "/labels", Operation::ListLabels, ""),
            ("HEAD", "/revisions", Operation::ListRevisions, ""),
            ("PUT", "/locks/a", Operation::LockKeyValue, "a"),
            ("DELETE", "/locks/a", Operation::UnlockKeyValue, "a"),
            ("GET", "/snapshots", Operation::ListSnapshots, ""),
            ("GET", "/snapshots/s", Operation::GetSnapshot, "s"),
            ("PUT", "/snapshots/s", Operation::CreateSnapshot, "s"),
            ("PATCH", "/snapshots/s", Operation::UpdateSnapshot, "s"),
            ("GET", "/operations", Operation::GetSnapshotOperation, ""),
        ] {
            let route = StoreRoute::parse(&method.parse().unwrap(), path);
            assert_eq!(route, Ok(StoreRoute { operation, name: name.to_owned() }), "{method} {path}");
        }
    }

    #[test]
    fn a_method_and_path_without_an_operation_are_rejected() {
        for (method, path, status) in [
            ("PUT", "/kv", 405),
            ("POST", "/kv/a", 405),
            ("PATCH", "/kv/a", 405),
            ("GET", "/locks/a", 405),
            ("PUT", "/locks", 405),
            ("GET", "/keys/a", 405),
            ("DELETE", "/labels", 405),
            ("DELETE", "/snapshots/s", 405),
            ("POST", "/operations", 405),
            ("GET", "/kv/100%25", 400),
            ("GET", "/secrets/a", 404),
            ("GET", "/", 404),
        ] {
            let problem = StoreRoute::parse(&method.parse().unwrap(), path).unwrap_err();
            assert_eq!(problem, Problem::empty(status), "{method} {path}");
        }
    }

    #[test]
    fn a_path_belongs_to_one_service() {
        for (path, expected) in [
            ("/kv", true),
            ("/kv/secrets/a", true),
            ("/keys", true),
            ("/keys/a", false),
            ("/secrets/kv", false),
            ("/msi/token", false),
            ("/", false),
        ] {
            assert_eq!(is_store_path(path), expected, "{path}");
        }
    }
}
