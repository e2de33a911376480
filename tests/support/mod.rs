//! What several modules need.

mod canary;
mod credential;
mod deadline;
mod log;
mod vault;
mod wire;

pub(crate) use self::canary::{assert_free_of, assert_value_free};
pub(crate) use self::credential::{FakeCredential, HOUR, good_for};
pub(crate) use self::deadline::{beside_a_watch, within_an_hour};
pub(crate) use self::log::Log;
pub(crate) use self::vault::{CONTOSO, client_of, client_over};
pub(crate) use self::wire::{Answer, Sent, Wire, tls_transport};
