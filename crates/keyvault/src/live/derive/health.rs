//! How well a resource follows its settings.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use tokio::time::Instant;

use crate::error::Error;

/// How well a resource follows its settings. Holds no value.
///
/// `Serialize` writes every field under its name, durations in seconds and the error as its one line, as that of
/// [`Health`](crate::Health) does.
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

impl Serialize for DerivedHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut health = serializer.serialize_struct("DerivedHealth", 6)?;
        health.serialize_field("generation", &self.generation)?;
        health.serialize_field("behind", &self.behind.map(|behind| behind.as_secs_f64()))?;
        health.serialize_field("consecutive_failures", &self.consecutive_failures)?;
        health.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        health.serialize_field("next_build", &self.next_build.map(|next| next.as_secs_f64()))?;
        health.serialize_field("is_following", &self.is_following)?;
        health.end()
    }
}

/// What the task writes and every handle reads.
pub(super) struct State {
    pub(super) generation: u64,
    pub(super) replacements: u64,
    pub(super) failures: u64,
    pub(super) consecutive_failures: u32,
    pub(super) last_error: Option<Error>,
    next_build: Option<Instant>,
    behind_since: Option<Instant>,
    pub(super) is_following: bool,
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

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.replacements, self.failures)
    }

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
