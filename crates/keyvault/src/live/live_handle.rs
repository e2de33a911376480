//! The handle to live settings.

use std::fmt;
use std::sync::Arc;

use super::credential_report::CredentialCheck;
use super::health::Health;
use super::publication::{Change, Current, Published, PublishedCell};
use super::refresh_handle::{CredentialReporter, RefreshHandle};
use super::selector::SecretSelector;
use super::watcher::{ChangeFeed, Watcher};
use crate::error::Result;
use crate::push::PushEvent;

/// Settings that follow rotation: always whole, always valid, replaced in one step.
///
/// A background task refreshes them. It ends when the last clone of the handle is dropped, or with
/// [`shutdown`](Live::shutdown); a [`Watcher`] does not keep it alive. It also ends with the tokio runtime of the
/// start. After the end, the last settings can still be read, and [health](Live::health) is red.
#[must_use = "settings are refreshed as long as their handle lives"]
pub struct Live<T> {
    pub(super) published: PublishedCell<T>,
    pub(super) refresh: RefreshHandle,
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Returns the current settings.
    ///
    /// Never waits, never fails, allocates nothing. Hold the result for one unit of work: two calls may return
    /// different settings.
    pub fn current(&self) -> Current<T> {
        Current(self.published.load())
    }

    /// Returns the current settings with their generation and origins.
    pub fn published(&self) -> Arc<Published<T>> {
        self.published.load_full()
    }

    /// Watches for changes and failures from now on.
    pub fn watch(&self) -> Watcher<T> {
        Watcher { feed: ChangeFeed::new(&self.refresh.state), published: Arc::clone(&self.published) }
    }

    /// Refreshes now instead of at the next interval. Returns what changed; `None` if nothing did.
    ///
    /// Joins a refresh of everything that is in flight, and waits for no other. Costs what a refresh costs:
    /// ⌈secrets / 25⌉ requests to list the vault if secrets are mapped by name, and one for each secret that changed or
    /// is not in the list, at most 100 at a time.
    ///
    /// # Errors
    ///
    /// The refresh's own error, within the [refresh deadline](super::LiveBuilder::refresh_deadline); the last good
    /// settings stay in place. If some vaults answered and others failed, the settings are refreshed from those that
    /// answered right after the error. [`Unavailable`](crate::ErrorKind::Unavailable), at once, after the end of the
    /// background task, and one second after the deadline if the runtime of the start does not run; the error names the
    /// reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the refresh running for the other callers that joined it.
    pub async fn refresh_now(&self) -> Result<Option<Change>> {
        self.refresh.refresh_now().await
    }

    /// Refreshes if a refresh is due, and waits for it. Returns what changed; `None` if nothing did.
    ///
    /// Call it at the beginning of a request on a host that freezes the program between requests: its background task
    /// sleeps when it should refresh. If nothing is due, the call returns at once and allocates nothing.
    ///
    /// A refresh is due by tokio's clock or by the time of day, whichever is earlier, because a clock may stand still
    /// in a frozen host. The call joins a refresh that runs. It costs one refresh, however long the host was suspended.
    ///
    /// # Errors
    ///
    /// As [`refresh_now`](Live::refresh_now).
    ///
    /// # Cancel safety
    ///
    /// As [`refresh_now`](Live::refresh_now).
    pub async fn refresh_if_due(&self) -> Result<Option<Change>> {
        if !self.refresh.state.is_due() {
            return Ok(None);
        }
        self.refresh.refresh_if_due().await
    }

    /// Reports that a server rejected a credential from the settings ("the database does not accept this password"),
    /// and returns what there is instead.
    ///
    /// `selector` is the key of a setting, or of a table for everything under it, or a secret. The call fetches the
    /// latest version of exactly those secrets, with one request for each; concurrent reports share it. New settings
    /// are validated and published before the call returns. If the vault has nothing newer, the version before is
    /// published, where [`previous_version`](super::LiveBuilder::previous_version) allows it. A rejected version does
    /// not come back by itself until the vault has a newer one; if both are rejected, the latest is used again.
    ///
    /// A vault that had nothing newer a moment ago is not asked again, and the answer is
    /// [`Same`](CredentialCheck::Same): for a tenth of a second at first, and twice as long [each
    /// time](super::LiveBuilder::rejection_budget).
    ///
    /// Report a rejected credential and no other failure. A caller that may hold older settings names the version that
    /// it used, as [`origins`](Published::origins) list it, or those [of a derived
    /// resource](crate::Derived::current_with_origins): if the settings have another version by now, the answer is
    /// [`Changed`](CredentialCheck::Changed) at once.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the settings use no such secret.
    /// [`Throttled`](crate::ErrorKind::Throttled), at once and with the time to wait, beyond the
    /// [budget](super::LiveBuilder::rejection_budget). Otherwise the vault's or the refresh's own error, also where
    /// [`Policy::KeepLastGood`](crate::Policy::KeepLastGood) hides it from the settings; the last good settings stay in
    /// place. The answer comes within the [refresh deadline](super::LiveBuilder::refresh_deadline), as
    /// that of [`refresh_now`](Live::refresh_now).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the refresh running for the other callers that joined it.
    pub async fn report_rejected(&self, selector: impl Into<SecretSelector> + Send) -> Result<CredentialCheck> {
        self.refresh.report_rejected(selector.into()).await
    }

    /// Makes exactly one secret due because of an event: the loop fetches the version that the event names, after a
    /// random part of [`event_spread`](super::LiveBuilder::event_spread).
    ///
    /// Never waits. Events for one secret join, so a flood of events costs at most one request for each secret in use.
    /// A flood that goes on without announcing a new version causes a request for each of them every 5 seconds, and a
    /// full refresh every 20 seconds.
    ///
    /// An event costs nothing if its vault is not allowed, no setting uses its secret, or its version was seen before.
    /// A new secret that the name map takes and a [`PushEvent::MayHaveLost`] cause a full refresh. Polling continues,
    /// so a lost event is made good.
    pub fn notify(&self, event: impl Into<PushEvent>) {
        self.refresh.state.queue.put(&event.into());
    }

    /// Returns how fresh the settings are and what went wrong last, without secret values. Never waits.
    pub fn health(&self) -> Health {
        self.refresh.state.health()
    }

    /// Returns a handle that reports rejected credentials, and does not keep the settings refreshed.
    pub(crate) fn credential_reporter(&self) -> CredentialReporter {
        self.refresh.reporter()
    }

    /// Ends the background task, if need be in the middle of a refresh, and waits until it is gone.
    ///
    /// If the runtime of the start does not run, or is busy with code that blocks, the call returns after six seconds,
    /// and the task ends when the runtime runs again.
    ///
    /// The other clones of the handle keep the last settings.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future after its first poll ends only the wait; the task still ends.
    pub async fn shutdown(&self) {
        self.refresh.shutdown().await;
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { published: Arc::clone(&self.published), refresh: self.refresh.clone() }
    }
}

impl<T> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&*self.published.load()).finish()
    }
}
