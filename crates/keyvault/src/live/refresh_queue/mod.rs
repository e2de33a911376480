//! The one queue of the refresh loop: when each secret is due.
//!
//! Events, intervals, expiry dates and retries all enter the same [`Timetable`]. It holds one entry for each secret and
//! one for a full refresh, so a flood of events takes no more room than the secrets that the settings use. Handles put
//! events in from any thread; the loop does the rest.
//!
//! Read `timetable`, then `event_filter`, which decides whether an event concerns the settings.

mod event_filter;
mod timetable;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::event_filter::{EventFilter, Relevance};
pub(super) use self::timetable::{Due, Timetable};
use super::health::PushHealth;
use crate::names::NameMap;
use crate::push::PushEvent;
use crate::resolver::{KnownSecrets, SettingLayer};
use crate::secret::Vault;

/// The queue of secrets that are due, shared by the loop and every handle.
pub(super) struct RefreshQueue {
    /// The time over which the instances of a fleet spread their reaction to one event.
    spread: Duration,
    inner: Mutex<QueueState>,
    /// Notified when an event changes the queue.
    pub(super) event_arrived: Notify,
}

struct QueueState {
    timetable: Timetable,
    filter: EventFilter,
    push: PushHealth,
    last_event: Option<Instant>,
}

impl RefreshQueue {
    /// Creates a queue whose only entry is a full refresh, now. It receives events from `sources` sources; `mapped` is
    /// the default vault with the map of its secrets.
    pub(super) fn new(
        mapped: Option<(Vault, NameMap)>,
        layers: &Arc<[SettingLayer]>,
        spread: Duration,
        sources: usize,
    ) -> Self {
        let inner = QueueState {
            timetable: Timetable::new(Instant::now()),
            filter: EventFilter::new(mapped, Arc::clone(layers)),
            push: PushHealth { received: 0, heeded: 0, last_event: None, sources },
            last_event: None,
        };
        Self { spread, inner: Mutex::new(inner), event_arrived: Notify::new() }
    }

    /// Puts an event in. The loop acts on it after a random part of the spread, or later if events are too frequent.
    pub(super) fn put(&self, event: &PushEvent) {
        let now = Instant::now();
        let spread = self.spread.mul_f64(fastrand::f64());
        let mut inner = self.lock();
        let QueueState { timetable, filter, push, last_event } = &mut *inner;
        push.received = push.received.saturating_add(1);
        *last_event = Some(now);
        match filter.relevance(event) {
            Relevance::Irrelevant => return,
            Relevance::Secrets(due) => {
                for (id, want) in due {
                    let pause = || spread.max(filter.pause(Some(&id), now));
                    timetable.add_event(id.clone(), want, now, pause);
                }
            }
            Relevance::Everything => timetable.full_by_event(now, || spread.max(filter.pause(None, now))),
        }
        push.heeded = push.heeded.saturating_add(1);
        drop(inner);
        self.event_arrived.notify_one();
    }

    /// Reads or changes the timetable.
    pub(super) fn timetable<R>(&self, change: impl FnOnce(&mut Timetable) -> R) -> R {
        change(&mut self.lock().timetable)
    }

    /// Replaces the known secrets, by which events are sorted.
    pub(super) fn learn(&self, known: Arc<KnownSecrets>) {
        self.lock().filter.learn(known);
    }

    /// Records how many sources of events have not ended.
    pub(super) fn set_sources(&self, sources: usize) {
        self.lock().push.sources = sources;
    }

    /// Returns the events received; `None` if none arrived and no source is connected.
    pub(super) fn push_health(&self, now: Instant) -> Option<PushHealth> {
        let inner = self.lock();
        let last_event = inner.last_event.map(|last| now.saturating_duration_since(last));
        let push = PushHealth { last_event, ..inner.push };
        (push.received > 0 || push.sources > 0).then_some(push)
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
