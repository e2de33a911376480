//! URIs, responses and errors in the form of the service, for every endpoint.
//!
//! Reading order: [`uri`] parses paths, queries and base URLs; [`response`](mod@response) creates a response;
//! [`error_response`] lists the errors of the service with their codes and messages, in which an [`object`] is named.

mod error_response;
mod object;
mod response;
pub(crate) mod uri;

pub(crate) use error_response::{ErrorResponse, MISSING_TOKEN, REGION};
pub(crate) use object::{ObjectKind, ObjectName};
pub(crate) use response::{HTML, JSON, response, to_json};
