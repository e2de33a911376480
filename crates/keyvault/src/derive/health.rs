//! Health of a derived resource.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use tokio::time::Instant;

use crate::error::Error;

/// How well a resource follows its settings. Contains no secret value.
///
/// `Serialize` writes `is_healthy` first and then each field under its name, durations in seconds and the error as one
/// line, like that of [`Health`](crate::Health).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct DerivedHealth {
    /// The generation of settings that the resource matches. It also matches each later one that changed none of its
    /// keys.
    pub generation: u64,
    /// How long the settings have been ahead of the resource; `None` if it matches them.
    pub behind: Option<Duration>,
    /// The number of builds that failed since the last one that succeeded.
    pub consecutive_failures: u32,
    /// Why the last build failed; `None` if it succeeded. Names the reason if the background task ended by itself.
    pub last_error: Option<Error>,
    /// The time until the next build begins, after one that failed.
    pub next_build: Option<Duration>,
    /// Whether the resource follows the settings: `false` after the end of either.
    pub is_following: bool,
}

impl DerivedHealth {
    /// Returns whether a readiness probe may succeed: the resource follows the settings.
    ///
    /// A failed build alone does not change this, because the last good resource stays in use.
    pub fn is_healthy(&self) -> bool {
        self.is_following
    }
}

impl Serialize for DerivedHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut health = serializer.serialize_struct("DerivedHealth", 7)?;
        health.serialize_field("is_healthy", &self.is_healthy())?;
        health.serialize_field("generation", &self.generation)?;
        health.serialize_field("behind", &self.behind.map(|behind| behind.as_secs_f64()))?;
        health.serialize_field("consecutive_failures", &self.consecutive_failures)?;
        health.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        health.serialize_field("next_build", &self.next_build.map(|next| next.as_secs_f64()))?;
        health.serialize_field("is_following", &self.is_following)?;
        health.end()
    }
}

/// The state that the task writes and every handle reads.
#[derive(Default)]
pub(super) struct DerivedState {
    pub(super) generation: u64,
    pub(super) replacements: u64,
    pub(super) failures: u64,
    pub(super) consecutive_failures: u32,
    pub(super) last_error: Option<Error>,
    next_build: Option<Instant>,
    behind_since: Option<Instant>,
    pub(super) is_following: bool,
}

impl DerivedState {
    /// Creates the state of a first resource.
    pub(super) fn new(generation: u64) -> Self {
        Self { generation, is_following: true, ..Self::default() }
    }

    /// Records a replacement.
    pub(super) fn replace(&mut self, generation: u64) {
        self.replacements += 1;
        _ = self.catch_up(generation);
    }

    /// Records that the resource matches the settings. Returns whether that changes anything.
    pub(super) fn catch_up(&mut self, generation: u64) -> bool {
        let was_behind = self.generation != generation || self.behind_since.is_some();
        self.generation = generation;
        (self.consecutive_failures, self.next_build, self.behind_since) = (0, None, None);
        was_behind
    }

    /// Records that the settings are ahead of the resource. Returns whether that changes anything.
    pub(super) fn fall_behind(&mut self) -> bool {
        let was_matching = self.behind_since.is_none();
        self.behind_since.get_or_insert_with(Instant::now);
        was_matching
    }

    /// Records a build that failed, and when it is retried.
    pub(super) fn fail(&mut self, error: Error, retry: Instant) {
        self.failures += 1;
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_error = Some(error);
        self.next_build = Some(retry);
    }

    /// Records that the resource follows no longer; with the reason, if no handle asked for the end.
    pub(super) fn end(&mut self, reason: Option<Error>) {
        (self.is_following, self.next_build) = (false, None);
        if let Some(error) = reason {
            self.failures += 1;
            self.consecutive_failures = self.consecutive_failures.saturating_add(1);
            self.last_error = Some(error);
        }
    }

    /// Returns the health of the resource.
    pub(super) fn health(&self) -> DerivedHealth {
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
