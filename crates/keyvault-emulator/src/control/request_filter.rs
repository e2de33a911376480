//! The requests that a control command selects.

use http::Method;

use crate::faults::RequestMatcher;
use crate::operations::{Operation, RequestHead};
use crate::protocol::ErrorResponse;

/// The service that a fault or denial applies to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    Vaults,
    AppConfiguration,
    Tokens,
}

/// A selection of requests to one service. An absent field selects all.
pub(super) struct RequestFilter {
    pub(super) target: Target,
    pub(super) operations: Option<Vec<Operation>>,
    pub(super) method: Option<String>,
    /// The path, without the query. `*` matches any text.
    pub(super) path: Option<String>,
    /// The name of the vault. Empty for the default vault.
    pub(super) vault: Option<String>,
    /// The name of the one secret.
    pub(super) secret: Option<String>,
    /// The name of the App Configuration store. Empty for the default store.
    pub(super) store: Option<String>,
    /// The one key.
    pub(super) key: Option<String>,
}

impl RequestFilter {
    /// Fails if no request can match, because a field selects requests to another service than the target. A fault that
    /// never applies would make a test pass for the wrong reason.
    pub(super) fn check(self) -> Result<Self, ErrorResponse> {
        let of_vaults =
            self.vault.is_some() || self.secret.is_some() || self.begins_with(&["/secrets", "/deletedsecrets"]);
        let of_stores = self.store.is_some() || self.key.is_some() || self.begins_with(&STORE_PATHS);
        let mut operations = self.operations.iter().flatten();
        let is_other_service = match self.target {
            Target::Vaults => of_stores || operations.any(|operation| !operation.is_vault()),
            Target::AppConfiguration => of_vaults || operations.any(|operation| !operation.is_app_configuration()),
            Target::Tokens => of_vaults || of_stores || operations.any(|operation| !operation.is_identity()),
        };
        if !is_other_service {
            return Ok(self);
        }
        Err(ErrorResponse::bad_parameter(match self.target {
            Target::Vaults => {
                "The fields select requests to App Configuration stores or token endpoints. Add \"app_configuration\": \
                 true or \"tokens\": true."
            }
            Target::AppConfiguration => "The fields select requests to other services than App Configuration stores.",
            Target::Tokens => "The fields select requests to other services than token endpoints.",
        }))
    }

    /// Returns whether every path that matches begins with one of these.
    fn begins_with(&self, paths: &[&str]) -> bool {
        let begin = self.path.as_deref().and_then(|path| path.split('*').next()).unwrap_or_default();
        paths.iter().any(|path| begin.starts_with(path))
    }

    /// Returns a function that matches the selected requests.
    pub(super) fn into_matcher(self) -> RequestMatcher {
        Box::new(move |head| self.matches(head))
    }

    fn matches(&self, head: &RequestHead) -> bool {
        let is_target = match self.target {
            Target::Vaults => head.operation.is_vault(),
            Target::AppConfiguration => head.operation.is_app_configuration(),
            Target::Tokens => head.operation.is_identity(),
        };
        let is_method = |method: &String| method.eq_ignore_ascii_case(Method::as_str(&head.method));
        let path = head.path_and_query.split('?').next().unwrap_or_default();
        is_target
            && self.operations.as_ref().is_none_or(|operations| operations.contains(&head.operation))
            && self.method.as_ref().is_none_or(is_method)
            && self.path.as_ref().is_none_or(|pattern| path_matches(pattern, path))
            && self.vault.as_ref().is_none_or(|vault| vault.eq_ignore_ascii_case(&head.vault))
            && self.secret.as_ref().is_none_or(|secret| head.is_for_secret(&head.vault, secret))
            && self.store.as_ref().is_none_or(|store| head.is_for_store(store))
            && self.key.as_ref().is_none_or(|key| head.key.as_ref() == Some(key))
    }
}

/// The beginnings of paths that stores have and vaults do not.
const STORE_PATHS: [&str; 5] = ["/kv", "/labels", "/locks", "/revisions", "/snapshots"];

/// Returns whether a path matches a pattern in which `*` matches any text, even the empty one.
fn path_matches(pattern: &str, path: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text() {
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
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
