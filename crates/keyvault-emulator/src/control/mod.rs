//! The control endpoint: the methods of [`Emulator`](crate::Emulator), over http for other languages.
//!
//! Reading order: [`endpoint`] serves the paths that the crate's documentation lists; [`command`] parses their JSON
//! bodies; [`request_filter`] selects the requests that a fault or denial applies to.

mod command;
pub(crate) mod endpoint;
mod request_filter;
