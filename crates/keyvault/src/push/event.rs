//! Events: a hint that a secret changed.

use std::time::SystemTime;

use crate::secret::SecretId;
use crate::settings::SettingChange;

/// An event about one version of a secret: its identifier and what happened. It never carries a value.
///
/// Events arrive [at least once and in any order](https://learn.microsoft.com/azure/event-grid/delivery-and-retry). An
/// event is therefore a reason to ask the vault, never an answer.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretEvent {
    /// The secret, with the version that the event is about.
    pub id: SecretId,
    /// The kind of event.
    pub kind: SecretEventKind,
    /// The time of the event. `None` if the event does not state it.
    pub time: Option<SystemTime>,
}

/// The kind of a [`SecretEvent`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SecretEventKind {
    /// A new version was created. The first version counts.
    NewVersion,
    /// The version expires soon: in Azure, within 30 days.
    NearExpiry,
    /// The version expired.
    Expired,
}

impl SecretEvent {
    /// Creates an event without a time, for a source of your own.
    pub fn new(id: SecretId, kind: SecretEventKind) -> Self {
        Self { id, kind, time: None }
    }

    /// Sets the time of the event.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }
}

/// An item of a stream of events.
///
/// A stream of plain [`SecretEvent`]s states that, as far as it knows, it loses no event.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PushEvent {
    /// One secret is due.
    Secret(SecretEvent),
    /// A layer that a store outside the process keeps is due.
    Setting(SettingChange),
    /// Events may have been lost, for example after a broken connection: every secret is checked once.
    MayHaveLost,
}

impl From<SecretEvent> for PushEvent {
    fn from(event: SecretEvent) -> Self {
        Self::Secret(event)
    }
}

impl From<SettingChange> for PushEvent {
    fn from(change: SettingChange) -> Self {
        Self::Setting(change)
    }
}
