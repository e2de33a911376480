//! The service as a function from a request to a reply. Nothing here waits or opens a socket.
//!
//! Reading order: [`state`] is everything the service knows, behind one lock; [`data_states`] hides the changes of the
//! [`data`] that the data file does not contain yet; [`pipeline`] plans the [`reply`] to a request: faults, token,
//! throttling, denials, operation; [`store_pipeline`] is the part of it for App Configuration; [`apply_fault`] is the
//! effect of a fault; [`issuance`] issues and renews certificates at the time of the
//! [`next_issuance`]; [`common_headers`] are those of every response; [`request_log`] and [`in_flight`] count the
//! requests for a test.

mod apply_fault;
mod common_headers;
mod data;
mod data_states;
mod in_flight;
mod issuance;
mod next_issuance;
mod pipeline;
mod reply;
mod request_log;
mod state;
mod store_pipeline;

pub use request_log::{AppConfigurationRequests, LoggedRequest, Requests};

pub(crate) use data::Data;
pub(crate) use data_states::{DataStates, PendingSave};
pub(crate) use pipeline::Plan;
pub(crate) use reply::Reply;
pub(crate) use state::{Service, State};
