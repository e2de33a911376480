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
    /// Whether the request carries a token that the vault accepts. Always false for a token endpoint.
    pub authorized: bool,
}
