//! Live settings without a vault, for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, mpsc, watch};

use super::health_state::HealthState;
use super::live_handle::Live;
use super::options::Options;
use super::publication::{Publication, Published};
use super::refresh_handle::RefreshHandle;
use super::refresh_queue::RefreshQueue;
use super::shared_state::SharedState;
use crate::time::WallClock;

impl<T: Send + Sync + 'static> Live<T> {
    /// Creates settings that never change, without a vault, a runtime or a background task. For tests of code that
    /// takes a [`Live`].
    ///
    /// Health is green and has no next refresh until [`shutdown`](Live::shutdown). A refresh returns `None`,
    /// [`report_rejected`](Live::report_rejected) fails because there is no secret, and a watcher waits for the end.
    /// There are no origins, so [`derive`](Live::derive) accepts any key. To see changes in a test, start over
    /// [`InMemory`](crate::InMemory) instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::Live;
    ///
    /// let live = Live::fixed("postgres://localhost/shop".to_owned());
    /// assert_eq!(*live.current(), "postgres://localhost/shop");
    /// assert!(live.health().is_healthy());
    /// ```
    pub fn fixed(settings: T) -> Self {
        let (refresh, publication) = RefreshHandle::fixed();
        let published = Published { settings: Arc::new(settings), publication };
        Self { published: Arc::new(ArcSwap::from_pointee(published)), refresh }
    }
}

impl RefreshHandle {
    /// Creates a handle to no loop, and the only publication.
    fn fixed() -> (Self, Arc<Publication>) {
        let (waker, signal) = watch::channel(());
        let (commands, _none) = mpsc::channel(1);
        let clock = WallClock::default();
        let publication = Arc::new(Publication {
            generation: 1,
            at: clock.now(),
            changed: Vec::new(),
            origins: Arc::default(),
            snapshot: Arc::default(),
            report: Arc::default(),
        });
        let state = SharedState {
            publication: ArcSwap::new(Arc::clone(&publication)),
            signal,
            queue: RefreshQueue::new(None, &Arc::default(), Duration::ZERO, 0),
            shutdown: Notify::new(),
            options: Options::default(),
            sealed_writer: None,
            health: Mutex::new(HealthState::fresh(clock.moment())),
            next_refresh: ArcSwapOption::empty(),
            clock,
        };
        let (state, commands) = (Arc::new(state), Arc::new(commands));
        (Self { state, commands, worker: None, fixed: Some(Arc::new(waker)) }, publication)
    }
}
