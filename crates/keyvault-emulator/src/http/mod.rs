//! The network: listeners, connections, and the way from a request to its response in time.
//!
//! Reading order: [`server`] accepts connections and reads requests, over TLS by [`tls`] or plain; [`router`] passes
//! each to the control endpoint or the service, waits, and sends a [`body`], whole or damaged; [`connection`] can be
//! reset.

mod body;
mod connection;
mod router;
pub(crate) mod server;
pub(crate) mod tls;

pub use body::Body;

pub(crate) use router::{Observer, Router};
