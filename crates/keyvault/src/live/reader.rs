//! A handle for one thread that reads often.

use std::fmt;
use std::sync::Arc;

use arc_swap::Cache;

use super::engine::Shared;
use super::{Live, Published, PublishedCell};

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
    cache: Cache<Source<T>, Arc<Published<T>>>,
}

/// Where the published settings are.
struct Source<T>(Arc<Shared<T>>);

impl<T> std::ops::Deref for Source<T> {
    type Target = PublishedCell<T>;

    fn deref(&self) -> &PublishedCell<T> {
        &self.0.published
    }
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Makes a handle for a thread that reads often.
    pub fn reader(&self) -> Reader<T> {
        Reader { cache: Cache::new(Source(Arc::clone(&self.shared))) }
    }
}

impl<T> Reader<T> {
    /// Gives the settings as they are now. Never waits, never fails, allocates nothing.
    pub fn current(&mut self) -> &T {
        &self.cache.load().settings
    }

    /// Gives the settings as they are now, with their generation and origins.
    pub fn published(&mut self) -> &Arc<Published<T>> {
        self.cache.load()
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
