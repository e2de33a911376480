//! For programs, and parts of programs, that are not asynchronous.
//!
//! | to | use |
//! |---|---|
//! | call a vault | [`SecretClient`] |
//! | keep settings current | [`LiveBuilder::start_blocking`](crate::LiveBuilder::start_blocking) |
//! | load settings once, or wait for any other future of this crate | [`block_on`] |
//!
//! [`SecretClient`] has every operation of [`keyvault::SecretClient`](crate::SecretClient), with the same costs, limits
//! and errors. Each call blocks its thread until the operation ends, within the same timeout.
//!
//! Do not start settings with [`block_on`], or in a `Runtime::new()?.block_on(…)` of your own: their refresh ends with
//! that runtime, and health turns red.

// In reading order: `worker` runs futures, `deadline` limits those of callers without timers, `client` has the
// operations, `list` its iterators, and `poller` waits for operations that the vault completes later.

mod client;
mod deadline;
mod list;
mod poller;
mod worker;

use crate::error::Result;

pub use self::client::SecretClient;
pub(crate) use self::deadline::within;
pub use self::list::{SecretList, SecretPages};
pub use self::poller::Poller;
pub(crate) use self::worker::Worker;

/// Waits for a future of this crate, on a runtime that ends with the call. Blocks the calling thread.
///
/// For what ends by itself: an adapter's `resolve`, a provider of secrets,
/// [`Live::refresh_now`](crate::Live::refresh_now). It must not start settings or derive a resource, because their
/// background tasks end with the runtime.
///
/// # Errors
///
/// The error of the future, or [`Unavailable`](crate::ErrorKind::Unavailable) if no thread can be started.
///
/// # Examples
///
/// ```
/// use keyvault::blocking::block_on;
/// use keyvault::{InMemory, Resolver};
///
/// # fn main() -> keyvault::Result<()> {
/// let vault = InMemory::new("https://contoso.vault.azure.net".parse()?);
/// vault.set("db-password", "correct horse")?;
/// let url = block_on(Resolver::from(vault).resolve("app:@KeyVault(SecretName=db-password)"))?;
/// assert_eq!(url.expect("no reference is optional").expose_secret(), "app:correct horse");
/// # Ok(())
/// # }
/// ```
pub fn block_on<T>(future: impl IntoFuture<Output = Result<T>>) -> Result<T> {
    Worker::start()?.run(future.into_future())
}
