//! The service as a function from a request to a reply. Nothing here waits or opens a socket.
//!
//! Reading order: [`state`] is everything the service knows, behind one lock; [`vault_states`] hides the changes that
//! the data file does not contain yet; [`pipeline`] plans the [`reply`] to a request: faults, token, throttling,
//! denials, operation; [`apply_fault`] is the effect of a fault; [`request_log`] and [`in_flight`] count the requests
//! for a test.

mod apply_fault;
mod in_flight;
mod pipeline;
mod reply;
mod request_log;
mod state;
mod vault_states;

pub use request_log::{LoggedRequest, Requests};

pub(crate) use reply::Reply;
pub(crate) use state::{Service, State};
pub(crate) use vault_states::{PendingSave, VaultStates};
