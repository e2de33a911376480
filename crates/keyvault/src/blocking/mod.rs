//! The client for programs, and parts of programs, that are not asynchronous.
//!
//! [`SecretClient`] has every operation of [`keyvault::SecretClient`](crate::SecretClient), with the same costs, limits
//! and errors; each call blocks its thread until it has ended, within the same timeout.

mod client;
mod list;
mod operation;
mod worker;

pub use self::client::SecretClient;
pub use self::list::{SecretList, SecretPages};
pub use self::operation::{DeleteOperation, RecoverOperation};
