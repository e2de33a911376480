//! The handle to a derived resource.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::health::{DerivedHealth, DerivedState};
use super::retry::RetryContext;
use super::watcher::DerivedWatcher;
use crate::blocking::within;
use crate::settings::Origins;

/// A resource that follows settings: always whole, always probed, replaced in one step.
///
/// A background task replaces it. It ends when the last clone of the handle is dropped, which ends the resource too, or
/// with [`shutdown`](Derived::shutdown). The handle does not keep the settings refreshed: when the last
/// [`Live`](crate::Live) is gone, the last resource stays.
#[must_use = "a resource follows its settings as long as its handle lives"]
pub struct Derived<R> {
    pub(super) current: Arc<ArcSwap<CurrentResource<R>>>,
    pub(super) state: watch::Receiver<DerivedState>,
    /// The task ends when the last sender is gone.
    pub(super) commands: mpsc::Sender<Shutdown>,
    /// How long the task takes to end at most, if its runtime runs.
    pub(super) drain_deadline: Duration,
    /// `None` for a fixed resource, which no rotation concerns.
    pub(super) retry: Option<Arc<RetryContext>>,
    /// Where a resource without a task wakes its watchers.
    pub(super) fixed: Option<Arc<watch::Sender<DerivedState>>>,
}

/// A resource, and the origins of the settings that it was built from.
pub(super) struct CurrentResource<R> {
    pub(super) resource: Arc<R>,
    pub(super) origins: Arc<Origins>,
}

/// Asks the task to end.
pub(super) struct Shutdown;

impl<R: Send + Sync> Derived<R> {
    /// Creates a resource that is never replaced, without settings, a runtime or a background task. For tests of code
    /// that takes a [`Derived`].
    ///
    /// Health is green until [`shutdown`](Derived::shutdown), a watcher waits for the end, and there are no origins.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::Derived;
    ///
    /// let client = Derived::fixed("a client".to_owned());
    /// assert_eq!(*client.current(), "a client");
    /// assert!(client.health().is_healthy());
    /// ```
    pub fn fixed(resource: R) -> Self {
        let current = CurrentResource { resource: Arc::new(resource), origins: Arc::default() };
        let (sender, state) = watch::channel(DerivedState::new(1));
        let (commands, _none) = mpsc::channel(1);
        let current = Arc::new(ArcSwap::from_pointee(current));
        let drain_deadline = Duration::ZERO;
        Self { current, state, commands, drain_deadline, retry: None, fixed: Some(Arc::new(sender)) }
    }

    /// Returns the current resource.
    ///
    /// Never waits, never fails, allocates nothing. Hold it for one unit of work and take it anew for the next: an old
    /// one is drained after its grace, in use or not.
    pub fn current(&self) -> Arc<R> {
        Arc::clone(&self.current.load().resource)
    }

    /// Returns the current resource with the origins of the settings that it was built from.
    ///
    /// A caller that may [report](crate::Live::report_rejected) one of its secrets as rejected needs them: the settings
    /// may be ahead of the resource, and then they have another version than the rejected one. Never waits, never
    /// fails, allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use keyvault::{Derived, Live};
    /// # use keyvault::live::CredentialCheck;
    /// # struct Settings;
    /// # struct Pool;
    /// # impl Pool { async fn connection(&self) -> Result<(), ()> { Err(()) } }
    /// # async fn example(live: Live<Settings>, pool: Derived<Pool>) -> keyvault::Result<()> {
    /// let (current, origins) = pool.current_with_origins();
    /// if let Err(_refused) = current.connection().await
    ///     && let Some(password) = origins.get("database.password").and_then(|origin| origin.secrets().first())
    /// {
    ///     // Returns at once if the settings have another version by now; the pool follows.
    ///     let answer: CredentialCheck = live.report_rejected(password).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn current_with_origins(&self) -> (Arc<R>, Arc<Origins>) {
        let current = self.current.load();
        (Arc::clone(&current.resource), Arc::clone(&current.origins))
    }

    /// Returns how well the resource follows its settings, without secret values. Never waits.
    pub fn health(&self) -> DerivedHealth {
        self.state.borrow().health()
    }

    /// Watches for replacements and failures from now on.
    pub fn watch(&self) -> DerivedWatcher {
        DerivedWatcher::new(self.state.clone())
    }

    /// Ends the background task, if need be in the middle of a build. Drains the old resources and this one without
    /// further grace, and waits until the task is gone: at most for the [deadline of the
    /// drain](super::Derive::drain_deadline), and one second more if the runtime of the task does not run.
    ///
    /// The other clones of the handle keep the last resource, which is drained.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future after its first poll ends only the wait; the task still ends.
    pub async fn shutdown(&self) {
        if let Some(state) = &self.fixed {
            state.send_modify(|state| state.end(None));
        }
        // An error means that the end was requested before, or that the task is gone already.
        _ = self.commands.try_send(Shutdown);
        _ = within(self.drain_deadline, self.commands.closed()).await;
    }
}

impl<R> Clone for Derived<R> {
    fn clone(&self) -> Self {
        Self {
            current: Arc::clone(&self.current),
            state: self.state.clone(),
            commands: self.commands.clone(),
            drain_deadline: self.drain_deadline,
            retry: self.retry.clone(),
            fixed: self.fixed.clone(),
        }
    }
}

/// Shows the health and nothing of the resource, which may show what it was built from.
impl<R: Send + Sync> fmt::Debug for Derived<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("health", &self.health()).finish_non_exhaustive()
    }
}
