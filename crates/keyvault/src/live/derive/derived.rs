//! The handle to a resource that follows settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::follower::Shutdown;
use crate::error::Error;

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

pub(super) type Current<R> = ArcSwap<R>;

impl<R: Send + Sync> Derived<R> {
    /// Gives the resource as it is now.
    ///
    /// Never waits, never fails, allocates nothing. Hold it for one unit of work and take it anew for the next: an old one
    /// is drained after its grace, in use or not.
    pub fn current(&self) -> Arc<R> {
        self.current.load_full()
    }

    /// Tells how well the resource follows its settings, without a value in it. Does not wait.
    pub fn health(&self) -> DerivedHealth {
        self.state.borrow().health()
    }

    /// Watches for replacements and failures from now on.
    pub fn watch(&self) -> DerivedWatcher {
        let state = self.state.clone();
        let (replacements, failures) = state.borrow().counts();
        DerivedWatcher { state, replacements, failures }
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

/// How well a resource follows its settings. Holds no value.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct DerivedHealth {
    /// Which settings the resource fits: those of this generation, and of every later one that changed no key of its.
    pub generation: u64,
    /// How long the settings have been ahead of the resource; none if it is what they say.
    pub behind: Option<Duration>,
    /// How many builds failed since the last that succeeded.
    pub consecutive_failures: u32,
    /// Why the last build failed; none if it succeeded.
    pub last_error: Option<Error>,
    /// How long until the next build begins, after one that failed.
    pub next_build: Option<Duration>,
    /// Whether the settings are followed: not after the end of either.
    pub is_following: bool,
}

/// Tells of every replacement and failed build since it was made. Does not keep the resource.
#[derive(Clone)]
pub struct DerivedWatcher {
    state: watch::Receiver<State>,
    replacements: u64,
    failures: u64,
}

/// What a [`DerivedWatcher`] tells.
#[derive(Clone, Debug)]
pub enum DerivedNotice {
    /// The resource was replaced; it fits the settings of this generation.
    Replaced(u64),
    /// A build failed; the last good resource stands.
    Failed(Error),
}

impl DerivedWatcher {
    /// Waits for the next notice; none after the end of the following. Several replacements since the last call are told
    /// as one, and so are failures.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call tells it.
    pub async fn next(&mut self) -> Option<DerivedNotice> {
        loop {
            if let Some(notice) = self.notice() {
                return Some(notice);
            }
            if !self.state.borrow().is_following {
                return None;
            }
            self.state.changed().await.ok()?;
        }
    }

    /// Waits for the next replacement, past all failures, and tells the generation of its settings; none after the end of
    /// the following. Cancel safe as [`next`](DerivedWatcher::next).
    pub async fn replaced(&mut self) -> Option<u64> {
        loop {
            if let DerivedNotice::Replaced(generation) = self.next().await? {
                return Some(generation);
            }
        }
    }

    fn notice(&mut self) -> Option<DerivedNotice> {
        let state = self.state.borrow_and_update();
        if state.replacements > self.replacements {
            self.replacements = state.replacements;
            return Some(DerivedNotice::Replaced(state.generation));
        }
        if state.failures > self.failures {
            self.failures = state.failures;
            return state.last_error.clone().map(DerivedNotice::Failed);
        }
        None
    }
}

impl fmt::Debug for DerivedWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedWatcher").field("replacements", &self.replacements).finish_non_exhaustive()
    }
}

/// What the task writes and every handle reads.
pub(super) struct State {
    generation: u64,
    replacements: u64,
    failures: u64,
    pub(super) consecutive_failures: u32,
    last_error: Option<Error>,
    next_build: Option<Instant>,
    behind_since: Option<Instant>,
    is_following: bool,
}

impl State {
    pub(super) fn begun(generation: u64) -> Self {
        Self {
            generation,
            replacements: 0,
            failures: 0,
            consecutive_failures: 0,
            last_error: None,
            next_build: None,
            behind_since: None,
            is_following: true,
        }
    }

    pub(super) fn replaced(&mut self, generation: u64) {
        self.replacements += 1;
        _ = self.caught_up(generation);
    }

    /// The settings say what the resource is; tells whether that is new.
    pub(super) fn caught_up(&mut self, generation: u64) -> bool {
        let was_behind = self.generation != generation || self.behind_since.is_some();
        self.generation = generation;
        (self.consecutive_failures, self.next_build, self.behind_since) = (0, None, None);
        was_behind
    }

    /// The settings say something else than the resource is; tells whether that is new.
    pub(super) fn fell_behind(&mut self) -> bool {
        let was_ahead = self.behind_since.is_none();
        self.behind_since.get_or_insert_with(Instant::now);
        was_ahead
    }

    pub(super) fn failed(&mut self, error: Error, retry: Instant) {
        self.failures += 1;
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_error = Some(error);
        self.next_build = Some(retry);
    }

    pub(super) fn ended(&mut self) {
        self.is_following = false;
        self.next_build = None;
    }

    fn counts(&self) -> (u64, u64) {
        (self.replacements, self.failures)
    }

    fn health(&self) -> DerivedHealth {
        DerivedHealth {
            generation: self.generation,
            behind: self.behind_since.map(|since| since.elapsed()),
            consecutive_failures: self.consecutive_failures,
            last_error: self.last_error.clone().filter(|_| self.consecutive_failures > 0),
            next_build: self.next_build.map(|next| next.saturating_duration_since(Instant::now())),
            is_following: self.is_following,
        }
    }
}
