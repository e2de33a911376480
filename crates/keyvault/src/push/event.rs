//! What a vault tells about a secret.

use std::time::SystemTime;

use crate::secret::SecretId;

/// News of one version of a secret: which, and what happened to it. It never carries a value.
///
/// Events come [at least once and in any order](https://learn.microsoft.com/azure/event-grid/delivery-and-retry), so one is
/// a reason to ask the vault and never an answer.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretEvent {
    /// Which secret, with the version that the event is about.
    pub id: SecretId,
    /// What happened.
    pub kind: SecretEventKind,
    /// When it happened, if the event told.
    pub time: Option<SystemTime>,
}

/// What happened to a secret.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SecretEventKind {
    /// A new version was made, the first one too.
    NewVersion,
    /// The version expires soon: in 30 days, in Azure.
    NearExpiry,
    /// The version has expired.
    Expired,
}

impl SecretEvent {
    /// Makes an event from a source of your own.
    pub fn new(id: SecretId, kind: SecretEventKind) -> Self {
        Self { id, kind, time: None }
    }

    /// Sets when it happened.
    #[must_use]
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }
}

/// What a source of events has to say.
///
/// A source that yields plain [`SecretEvent`]s is one that never loses any, as far as it knows.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PushEvent {
    /// One secret has news: it is due.
    Secret(SecretEvent),
    /// Events may have been lost, as after a broken connection: everything is to be checked once.
    MayHaveLost,
}

impl From<SecretEvent> for PushEvent {
    fn from(event: SecretEvent) -> Self {
        Self::Secret(event)
    }
}
