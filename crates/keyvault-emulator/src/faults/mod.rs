//! The failures that a test sets up: faults, denials and throttling.
//!
//! Reading order: [`fault`] is a failure on demand and [`fault_list`] selects the one for a request; [`denial`] rejects
//! a caller with a valid token; both apply to the requests of a [`request_matcher`]. [`throttle`] limits the requests
//! to each vault and store.

mod denial;
mod fault;
mod fault_list;
mod request_matcher;
mod throttle;

pub use denial::Denial;
pub use fault::Fault;
pub use throttle::Throttle;

pub(crate) use denial::DenialList;
pub(crate) use fault::Stage;
pub(crate) use fault_list::FaultList;
pub(crate) use request_matcher::RequestMatcher;
pub(crate) use throttle::{Throttled, Throttler};
