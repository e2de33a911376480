//! A handle for one thread that reads often.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::engine::Shared;
use super::{Live, Published};

/// Reads the settings from one thread, or one task, faster than [`Live::current`].
///
/// It keeps the settings that it saw last, and looks only whether there are newer ones: one atomic load for a read. Until
/// it is asked again it holds on to old settings, so it is for who asks often. It does not keep the refresh alive.
///
/// # Examples
///
/// ```
/// # fn example(live: &keyvault::Live<u16>) {
/// let mut reader = live.reader();
/// for _ in 0..1_000 {
///     let port: u16 = *reader.current();
/// #   _ = port;
/// }
/// # }
/// ```
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    generation: u64,
    settings: Arc<T>,
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Makes a handle for a thread that reads often.
    pub fn reader(&self) -> Reader<T> {
        let published = self.published();
        let (generation, settings) = (published.generation, Arc::clone(&published.settings));
        Reader { shared: Arc::clone(&self.shared), generation, settings }
    }
}

impl<T> Reader<T> {
    /// Gives the settings as they are now. Never waits, never fails, allocates nothing.
    pub fn current(&mut self) -> &T {
        // Relaxed, for as long as it is the same nothing is read that came with it. This, and that the old settings are dropped
        // elsewhere, lets a loop keep all the rest in registers.
        if self.shared.generation.load(Ordering::Relaxed) != self.generation {
            let (generation, settings) = newest(&self.shared);
            self.generation = generation;
            let_go(mem::replace(&mut self.settings, settings));
        }
        &self.settings
    }

    /// Gives the settings as they are now, with their generation and origins, as [`Live::published`] does.
    pub fn published(&self) -> Arc<Published<T>> {
        self.shared.published.load_full()
    }
}

#[cold]
fn newest<T>(shared: &Shared<T>) -> (u64, Arc<T>) {
    // Pairs with the release of the generation, which follows the settings: these are never older than it says.
    fence(Ordering::Acquire);
    let published = shared.published.load();
    (published.generation, Arc::clone(&published.settings))
}

#[cold]
#[inline(never)]
fn let_go<T>(settings: Arc<T>) {
    drop(settings);
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), generation: self.generation, settings: Arc::clone(&self.settings) }
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
