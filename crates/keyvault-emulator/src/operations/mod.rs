//! The operations on secrets and certificates: from the method and path of a request to the JSON of its response.
//!
//! Reading order: [`operation`] names the operations and [`request_head`] describes a request for faults and logs;
//! [`route`] parses method and path; [`perform`](mod@perform) runs the operation on a vault; [`bundle`] writes secrets
//! as JSON, [`page`] divides lists into pages, and [`api_version`] knows what differs between versions of the API.

mod api_version;
mod bundle;
mod certificate_bundle;
mod certificate_route;
mod operation;
mod page;
mod perform;
mod perform_certificate;
mod request_head;
mod route;

pub use operation::Operation;
pub use request_head::RequestHead;

pub(crate) use page::MAX_PAGE;
pub(crate) use perform::{VaultRequest, perform};
pub(crate) use perform_certificate::prepare;
pub(crate) use route::Route;
