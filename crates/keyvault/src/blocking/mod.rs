//! The client for programs, and parts of programs, that are not asynchronous.
//!
//! [`SecretClient`] has every operation of [`keyvault::SecretClient`](crate::SecretClient), with the same costs, limits
//! and errors. Each call blocks its thread until the operation ends, within the same timeout.

// In reading order: `worker` runs futures, `client` has the operations, `list` its iterators, and `poller` waits for
// operations that the vault completes later.

mod client;
mod list;
mod poller;
mod worker;

pub use self::client::SecretClient;
pub use self::list::{SecretList, SecretPages};
pub use self::poller::Poller;
