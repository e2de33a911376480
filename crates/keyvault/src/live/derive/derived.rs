//! The handle to a resource that follows settings.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::follower::Shutdown;
use super::health::{DerivedHealth, State};
use super::watcher::DerivedWatcher;
use crate::settings::Origins;

/// A resource that follows settings: always whole, always proven, replaced in one step.
///
/// A background task replaces it. It ends when the last clone of the handle is dropped, which ends the resource too, or
/// with [`shutdown`](Derived::shutdown). The handle does not keep the settings refreshed: when the last
/// [`Live`](crate::Live) is gone, the last resource stays.
#[must_use = "a resource follows its settings as long as its handle lives"]
pub struct Derived<R> {
    pub(super) current: Arc<Current<R>>,
    pub(super) state: watch::Receiver<State>,
    pub(super) commands: mpsc::Sender<Shutdown>,
}

pub(super) type Current<R> = ArcSwap<Built<R>>;

/// A resource, and where the settings came from that it was built from.
pub(super) struct Built<R> {
    pub(super) resource: Arc<R>,
    pub(super) origins: Arc<Origins>,
}

impl<R: Send + Sync> Derived<R> {
    /// Gives the resource as it is now.
    ///
    /// Never waits, never fails, allocates nothing. Hold it for one unit of work and take it anew for the next: an old one
    /// is drained after its grace, in use or not.
    pub fn current(&self) -> Arc<R> {
        Arc::clone(&self.current.load().resource)
    }

    /// Gives the resource as it is now, and where the settings came from that it was built from: for whoever may have to
    /// say that a secret in it was [rejected](crate::Live::rejected).
    ///
    /// The settings may be ahead of the resource, and then the version that they have is not the one that was refused.
    /// Never waits, never fails, allocates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use keyvault::{Derived, Live, Rejected};
    /// # struct Settings;
    /// # struct Pool;
    /// # impl Pool { async fn connection(&self) -> Result<(), ()> { Err(()) } }
    /// # async fn example(live: Live<Settings>, pool: Derived<Pool>) -> keyvault::Result<()> {
    /// let (current, origins) = pool.current_with_origins();
    /// if let Err(_refused) = current.connection().await
    ///     && let Some(password) = origins.get("database.password").and_then(|origin| origin.secrets().first())
    /// {
    ///     // At once, if the settings have another version by now; the pool follows.
    ///     let answer: Rejected = live.rejected(password).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn current_with_origins(&self) -> (Arc<R>, Arc<Origins>) {
        let built = self.current.load();
        (Arc::clone(&built.resource), Arc::clone(&built.origins))
    }

    /// Tells how well the resource follows its settings, without a value in it. Does not wait.
    pub fn health(&self) -> DerivedHealth {
        self.state.borrow().health()
    }

    /// Watches for replacements and failures from now on.
    pub fn watch(&self) -> DerivedWatcher {
        DerivedWatcher::new(self.state.clone())
    }

    /// Ends the following, in the middle of a build if need be, drains the old resources and this one without further
    /// grace, and waits until the task is gone: at most the deadline of the drain.
    ///
    /// The other clones of the handle keep the last resource, drained as it is.
    pub async fn shutdown(&self) {
        // An error means that it was asked for before, or that the task is gone already.
        _ = self.commands.try_send(Shutdown);
        self.commands.closed().await;
    }
}

impl<R> Clone for Derived<R> {
    fn clone(&self) -> Self {
        Self { current: Arc::clone(&self.current), state: self.state.clone(), commands: self.commands.clone() }
    }
}

/// Shows how it follows, and nothing of the resource, which may show what it was built from.
impl<R: Send + Sync> fmt::Debug for Derived<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").field("health", &self.health()).finish_non_exhaustive()
    }
}
