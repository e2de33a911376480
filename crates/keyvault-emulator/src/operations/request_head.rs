//! The head of a request.

use http::Method;

use super::operation::Operation;

/// The head of a request, by which faults and denials select requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestHead {
    /// The operation that the request asks for.
    pub operation: Operation,
    /// The method.
    pub method: Method,
    /// The path and query as the client sent them.
    pub path_and_query: String,
    /// The host and port that the client asked for.
    pub host: String,
    /// The lower-case name of the vault that the host selects. Empty for the default vault and for no vault.
    pub vault: String,
    /// The name of the one secret or certificate that the path names, in the case of the path. `None` for a list, a
    /// restore, a token endpoint and a path without an operation.
    pub secret: Option<String>,
    /// The lower-case name of the App Configuration store that the host selects: empty for the default store, even if
    /// it has a name. `None` for a vault and a token endpoint.
    pub store: Option<String>,
    /// The key that the path names. `None` for a list, a snapshot, a vault and a token endpoint.
    pub key: Option<String>,
    /// Whether the request carries a token or a signature that the vault or store accepts. Always false for a token
    /// endpoint.
    pub authorized: bool,
}

impl RequestHead {
    /// Returns whether the request is for one secret of a vault, or for the certificate behind it. Names are
    /// case-insensitive.
    pub(crate) fn is_for_secret(&self, vault: &str, secret: &str) -> bool {
        let names_secret = self.secret.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(secret));
        names_secret && self.vault.eq_ignore_ascii_case(vault)
    }

    /// Returns whether the request is for an App Configuration store.
    pub(crate) fn is_for_store(&self, store: &str) -> bool {
        self.store.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(store))
    }

    /// Returns whether the request is for one key of an App Configuration store.
    pub(crate) fn is_for_key(&self, store: &str, key: &str) -> bool {
        self.is_for_store(store) && self.key.as_deref() == Some(key)
    }
}
