//! What every endpoint needs to read a request and to write a response.
//!
//! Reading order: [`uri`] takes paths, queries and base URLs apart, [`response`] writes a response, and
//! [`error_response`] holds the errors of the service with their codes and messages.

mod error_response;
mod response;
pub(crate) mod uri;

pub(crate) use error_response::{ErrorResponse, MISSING_TOKEN, REGION};
pub(crate) use response::{HTML, JSON, response, to_json};
