//! Published settings, with their origins, secrets and report.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};

use crate::report::Report;
use crate::resolver::Snapshot;
use crate::settings::Origins;

/// Settings as they were published at one moment.
#[derive(Clone)]
pub struct Published<T> {
    pub(crate) settings: Arc<T>,
    pub(crate) publication: Arc<Publication>,
}

/// The part of published settings that does not depend on their type.
#[derive(Clone)]
pub(crate) struct Publication {
    pub(crate) generation: u64,
    pub(crate) at: SystemTime,
    /// The keys whose values differ from those of the generation before.
    pub(crate) changed: Vec<String>,
    pub(crate) origins: Arc<Origins>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) report: Arc<Report>,
}

/// The settings that changed: keys, never values.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The generation of the new settings.
    pub generation: u64,
    /// When they were published.
    pub at: SystemTime,
    /// The keys whose values changed, appeared or disappeared, in order.
    pub keys: Vec<String>,
}

impl Publication {
    /// Returns what changed with this publication.
    pub(super) fn change(&self) -> Change {
        Change { generation: self.generation, at: self.at, keys: self.changed.clone() }
    }
}

impl<T> Published<T> {
    /// Returns the settings.
    pub fn settings(&self) -> &Arc<T> {
        &self.settings
    }

    /// Returns how many settings were published so far, these included: the start publishes generation 1.
    pub fn generation(&self) -> u64 {
        self.publication.generation
    }

    /// Returns when they were published.
    pub fn at(&self) -> SystemTime {
        self.publication.at
    }

    /// Returns the origin of each value.
    pub fn origins(&self) -> &Origins {
        &self.publication.origins
    }

    /// Returns the secrets these settings were built from.
    pub fn snapshot(&self) -> &Snapshot {
        &self.publication.snapshot
    }

    /// Returns the outcome of each reference and of each secret mapped by name, in the last load that found these
    /// settings.
    pub fn report(&self) -> &Report {
        &self.publication.report
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("generation", &self.generation())
            .field("origins", self.origins())
            .finish_non_exhaustive()
    }
}

/// Where the loop publishes settings, and every handle reads them.
pub(crate) type PublishedCell<T> = Arc<ArcSwap<Published<T>>>;

/// The settings of one moment, for one unit of work such as a request or a job.
///
/// Derefs to the settings. Do not store one in a struct or keep it for long, because a thread has only a few cheap
/// slots for them: keep the [`Arc`] that [`to_arc`](Current::to_arc) returns instead.
pub struct Current<T>(pub(super) Guard<Arc<Published<T>>>);

impl<T> Current<T> {
    /// Returns the settings as an `Arc`, to keep them.
    pub fn to_arc(this: &Self) -> Arc<T> {
        Arc::clone(&this.0.settings)
    }
}

impl<T> Deref for Current<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.settings
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
