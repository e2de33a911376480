//! What a method and a path ask for.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::error::WireError;

/// A kind of request, as the counters and the log tell them apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Reads one secret: the latest version or a given one.
    Get,
    /// Lists the secrets of the vault, one page.
    List,
    /// Lists the versions of a secret, one page.
    ListVersions,
    /// Makes a new version.
    Set,
    /// Changes the attributes, content type or tags of a version.
    Update,
    /// Deletes a secret, all versions of it.
    Delete,
    /// Writes out all versions of a secret.
    Backup,
    /// Brings back a secret from its backup.
    Restore,
    /// Lists the deleted secrets, one page.
    ListDeleted,
    /// Reads one deleted secret.
    GetDeleted,
    /// Brings back a deleted secret.
    Recover,
    /// Removes a deleted secret for good.
    Purge,
    /// Asks for a token: Entra or a managed identity endpoint.
    Token,
    /// Asks where tokens are to be had: the discovery documents.
    Discovery,
    /// Anything else, such as a wrong verb.
    Other,
}

impl Operation {
    /// Names the operation, as the counters and the control endpoint do.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::ListVersions => "list_versions",
            Self::Set => "set",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::ListDeleted => "list_deleted",
            Self::GetDeleted => "get_deleted",
            Self::Recover => "recover",
            Self::Purge => "purge",
            Self::Token => "token",
            Self::Discovery => "discovery",
            Self::Other => "other",
        }
    }

    /// Tells whether the vault answers this, rather than a token endpoint.
    pub fn is_vault(self) -> bool {
        !matches!(self, Self::Token | Self::Discovery)
    }

    /// Tells whether it leaves a vault other than it was.
    pub(crate) fn is_change(self) -> bool {
        use Operation::{Delete, Purge, Recover, Restore, Set, Update};
        matches!(self, Set | Update | Delete | Recover | Purge | Restore)
    }

    /// Tells whether the answer is a page of a list.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::ListVersions | Self::ListDeleted)
    }
}

/// A request to the vault, understood.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// The secret's name, as the path writes it; empty where an operation has none.
    pub(crate) name: String,
    /// The version in lower case, where the path names one.
    pub(crate) version: Option<String>,
}

impl Route {
    /// Understands a method and a path, or says how the service would refuse them.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, WireError> {
        let segments = segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (operation, name, version) = match *segments {
            ["secrets"] => (only(method, Method::GET, Operation::List)?, "", None),
            ["secrets", "restore"] if method == Method::POST => (Operation::Restore, "", None),
            ["secrets", name] => (of_secret(method)?, name, None),
            ["secrets", name, "versions"] if method == Method::GET => (Operation::ListVersions, name, None),
            ["secrets", name, "backup"] if method == Method::POST => (Operation::Backup, name, None),
            ["secrets", name, version] if is_version(version) => (of_version(method)?, name, Some(version)),
            ["deletedsecrets"] => (only(method, Method::GET, Operation::ListDeleted)?, "", None),
            ["deletedsecrets", name] => (of_deleted(method)?, name, None),
            ["deletedsecrets", name, "recover"] if method == Method::POST => (Operation::Recover, name, None),
            ["secrets" | "deletedsecrets", _, other] => {
                return Err(WireError::no_such_operation(method, other));
            }
            _ => {
                return Err(WireError::new(404, "NotFound", "The requested resource does not exist."));
            }
        };
        let has_name = !matches!(operation, Operation::List | Operation::ListDeleted | Operation::Restore);
        if has_name && !is_name(name) {
            return Err(WireError::bad_name(name));
        }
        Ok(Self { operation, name: name.to_owned(), version: version.map(str::to_ascii_lowercase) })
    }
}

/// Splits a path, decoded; doubled and trailing slashes mean nothing.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// Tells whether a text may name a secret: 1 to 127 letters, digits and hyphens.
///
/// See [object identifiers](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#objects-identifiers-and-versioning).
pub(crate) fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Tells whether a text may be a version: 32 hexadecimal digits.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn only(method: &Method, allowed: Method, operation: Operation) -> Result<Operation, WireError> {
    if *method == allowed { Ok(operation) } else { Err(WireError::method_not_allowed(method)) }
}

fn of_secret(method: &Method) -> Result<Operation, WireError> {
    match *method {
        Method::GET => Ok(Operation::Get),
        Method::PUT => Ok(Operation::Set),
        Method::PATCH => Ok(Operation::Update),
        Method::DELETE => Ok(Operation::Delete),
        _ => Err(WireError::method_not_allowed(method)),
    }
}

fn of_version(method: &Method) -> Result<Operation, WireError> {
    match *method {
        Method::GET => Ok(Operation::Get),
        Method::PATCH => Ok(Operation::Update),
        _ => Err(WireError::method_not_allowed(method)),
    }
}

fn of_deleted(method: &Method) -> Result<Operation, WireError> {
    match *method {
        Method::GET => Ok(Operation::GetDeleted),
        Method::DELETE => Ok(Operation::Purge),
        _ => Err(WireError::method_not_allowed(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn each_operation_has_its_method_and_path() {
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
    fn what_no_operation_has_is_refused() {
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
            ("GET", "/keys/a", 404, "The requested resource does not exist."),
            ("GET", "/", 404, "The requested resource does not exist."),
        ] {
            let error = Route::parse(&method.parse().unwrap(), path).unwrap_err();
            assert_eq!(error.status, status, "{method} {path}");
            assert!(error.message.starts_with(message), "{method} {path}: {}", error.message);
        }
    }
}
