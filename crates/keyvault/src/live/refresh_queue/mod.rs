//! What is due when: the one queue of the refresh loop.
//!
//! Events, intervals, expiry dates and retries all enter the same [`Timetable`]. It holds one entry for each secret and
//! one for a full refresh, so a flood of events takes no more room than the secrets that the settings use. Handles put
//! events in from any thread; the loop does the rest.
//!
//! Read `timetable`, then `event_filter`, which decides whether an event concerns the settings, then `next_due`, which
//! answers `refresh_if_due` without a lock.

mod event_filter;
mod next_due;
mod timetable;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use self::event_filter::{EventFilter, Relevance};
use self::next_due::NextDue;
pub(super) use self::timetable::{Due, Timetable};
use crate::names::NameMap;
use crate::push::PushEvent;
use crate::resolver::KnownSecrets;
use crate::secret::Vault;
use crate::time::Moment;

/// The queue of secrets that are due, shared by the loop and every handle.
pub(super) struct RefreshQueue {
    /// The time over which the instances of a fleet spread their reaction to one event.
    spread: Duration,
    next_due: NextDue,
    inner: Mutex<QueueState>,
    event_arrived: Notify,
}

struct QueueState {
    timetable: Timetable,
    filter: EventFilter,
    counts: EventCounts,
}

/// How many events arrived, and when the last one did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EventCounts {
    pub(super) received: u64,
    /// The events that concerned the settings.
    pub(super) heeded: u64,
    pub(super) last: Option<Instant>,
}

impl RefreshQueue {
    /// Creates a queue whose only entry is a full refresh at `full`.
    pub(super) fn new(vault: Vault, names: Option<NameMap>, spread: Duration, full: Instant) -> Self {
        let inner = QueueState {
            timetable: Timetable::new(full),
            filter: EventFilter::new(vault, names),
            counts: EventCounts::default(),
        };
        Self {
            spread,
            next_due: NextDue::never(Instant::now()),
            inner: Mutex::new(inner),
            event_arrived: Notify::new(),
        }
    }

    /// Puts an event in. The loop acts on it after a random part of the spread, or later if events are too frequent.
    pub(super) fn put(&self, event: &PushEvent) {
        let now = Instant::now();
        let spread = self.spread.mul_f64(fastrand::f64());
        let mut inner = self.lock();
        let QueueState { timetable, filter, counts } = &mut *inner;
        counts.received = counts.received.saturating_add(1);
        counts.last = Some(now);
        match filter.relevance(event) {
            Relevance::Irrelevant => return,
            Relevance::Secret(id, want) => {
                let pause = || spread.max(filter.pause(Some(&id), now));
                timetable.add_event(id.clone(), want, now, pause);
            }
            Relevance::Everything => timetable.full_by_event(now, || spread.max(filter.pause(None, now))),
        }
        counts.heeded = counts.heeded.saturating_add(1);
        drop(inner);
        self.event_arrived.notify_one();
    }

    /// Waits until an event changes the queue.
    pub(super) async fn event_arrived(&self) {
        self.event_arrived.notified().await;
    }

    /// Reads or changes the timetable.
    pub(super) fn timetable<R>(&self, change: impl FnOnce(&mut Timetable) -> R) -> R {
        change(&mut self.lock().timetable)
    }

    /// Replaces the known secrets, by which events are sorted.
    pub(super) fn learn(&self, known: Arc<KnownSecrets>) {
        self.lock().filter.learn(known);
    }

    /// Records when the loop wakes next, for [`is_due`](RefreshQueue::is_due).
    pub(super) fn set_next_due(&self, next: Instant, now: Moment) {
        self.next_due.set(next, now);
    }

    /// Returns whether a refresh is due or running. Takes no lock and allocates nothing.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.next_due.is_due(now)
    }

    /// Returns how many events arrived.
    pub(super) fn event_counts(&self) -> EventCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RefreshQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshQueue").field("events", &self.event_counts()).finish_non_exhaustive()
    }
}
