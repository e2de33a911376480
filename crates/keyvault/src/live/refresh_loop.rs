//! The background task: wait, refresh, learn.

use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::event_sources::EventSources;
use super::pending_calls::{Command, Ended, PendingCalls};
use super::planned_refresh::PlannedRefresh;
use super::planner::Planner;
use super::refresh_cycle::{Outcome, RefreshCycle};
use super::shared_state::SharedState;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics;
use crate::push::PushEvent;

/// The background task that keeps settings current.
pub(super) struct RefreshLoop {
    pub(super) cycle: RefreshCycle,
    pub(super) planner: Planner,
    pub(super) calls: PendingCalls,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: EventSources,
}

impl RefreshLoop {
    /// Refreshes until the last handle is gone or asks for the end.
    pub(super) async fn run(mut self) {
        // Settings that were read from the sealed snapshot are in it already, and no younger for that.
        if self.state().health_state().last_failure.is_none() {
            self.state().seal(true);
        }
        while let Ok(refresh) = self.wait().await {
            let Ok(outcome) = self.refresh(&refresh).await else { break };
            self.learn(refresh, outcome);
        }
        self.state().next_refresh.store(None);
        self.state().health_state().is_following = false;
        if let Some(sealed_writer) = &self.state().sealed_writer {
            sealed_writer.finish().await;
        }
    }

    fn state(&self) -> &SharedState {
        &self.cycle.state
    }

    /// Waits until a refresh is due or requested.
    async fn wait(&mut self) -> Result<PlannedRefresh, Ended> {
        loop {
            // A refresh answers the commands that arrived before it begins.
            while let Some(command) = self.commands.recv().now_or_never() {
                self.calls.accept(command)?;
            }
            let now = self.planner.wake();
            if let Some(refresh) = self.planner.next(&mut self.calls) {
                self.state().next_refresh.store(None);
                return Ok(refresh);
            }
            self.calls.answer(&Ok(None), false);
            let state = &self.cycle.state;
            // Tokio's clock stands still while the host is suspended, so the loop looks at the time of day now and
            // then.
            let sleep = sleep_until(state.set_next_refresh(now).min(now.instant + LONGEST_SLEEP));
            // The order is fixed so that a run can be repeated, and it is fair: whatever wakes the loop, it reads all
            // commands and the whole queue before it sleeps again. Only sources are read one event at a time, so they
            // come last.
            tokio::select! {
                biased;
                command = self.commands.recv() => self.calls.accept(command)?,
                () = sleep => {}
                () = state.queue.event_arrived.notified() => {}
                event = self.events.next() => put(state, &event, &self.events),
            }
        }
    }

    /// Runs a refresh while further callers join it.
    async fn refresh(&mut self, refresh: &PlannedRefresh) -> Result<Result<Outcome>, Ended> {
        let state = Arc::clone(&self.cycle.state);
        let mut cycle_run = pin!(self.cycle.run(refresh));
        loop {
            // The order is fixed so that a run can be repeated. The refresh comes first: it ends once and can starve
            // nothing, while commands and events may arrive without end. Commands precede events, because one of them
            // may be the end.
            tokio::select! {
                biased;
                outcome = &mut cycle_run => return Ok(outcome),
                command = self.commands.recv() => self.calls.accept(command)?,
                event = self.events.next() => put(&state, &event, &self.events),
            }
        }
    }

    /// Takes over the result of a refresh, and answers the callers that joined it.
    fn learn(&mut self, refresh: PlannedRefresh, outcome: Result<Outcome>) {
        metrics::refreshed(outcome.as_ref().map(|outcome| matches!(outcome, Outcome::Changed(_))));
        let (is_full, is_requested) = (refresh.is_full(), refresh.is_requested);
        self.planner.learn(refresh, &outcome);
        if !matches!(outcome, Err(_) | Ok(Outcome::Debounced(_))) {
            self.report_secrets();
        }
        let health = self.state().health_state();
        metrics::observed(health.consecutive_failures, health.age(self.state().now()));
        drop(health);
        let answer = outcome.map(|outcome| match outcome {
            Outcome::Changed(change) => Some(change),
            Outcome::Unchanged | Outcome::Debounced(_) => None,
        });
        // A refresh for credential reports alone answers no other caller.
        if is_full || !is_requested {
            self.calls.answer(&answer, is_full);
        }
        self.calls.reports.conclude(self.planner.known(), answer.as_ref().err());
    }

    /// Records the versions in use, and announces new facts about them.
    pub(super) fn report_secrets(&self) {
        let (state, known) = (self.state(), self.planner.known());
        let mut health = state.health_state();
        health.known = Arc::clone(known);
        let has_news = health.notices.announce(known, state.clock.now(), state.options.expiry_notice);
        drop(health);
        if has_news {
            self.cycle.waker.send_modify(|_| {});
        }
    }
}

/// Records the end of a loop that ends in any other way than [`run`](RefreshLoop::run) intends: its runtime was shut
/// down, or it panicked. Callers and watchers end after that, with the fields.
impl Drop for RefreshLoop {
    fn drop(&mut self) {
        // Without a handle there is no reader, and the program ends.
        if !self.state().health_state().is_following || self.commands.is_closed() {
            return;
        }
        let clause = match thread::panicking() {
            true => "settings are no longer refreshed: the background task panicked",
            false => "settings are no longer refreshed: the runtime of the start was shut down",
        };
        let error = Error::new(ErrorKind::Unavailable, clause).with_help(KEEP_THE_RUNTIME);
        tracing::warn!(%error, "settings stay as they are");
        self.state().next_refresh.store(None);
        self.state().health_state().record_loss(error);
        self.cycle.waker.send_modify(|failures| *failures += 1);
    }
}

/// Puts an event into the queue.
fn put(state: &SharedState, event: &PushEvent, events: &EventSources) {
    state.queue.put(event);
    state.queue.set_sources(events.len());
}

/// How long the loop sleeps before it looks at the time of day.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

const KEEP_THE_RUNTIME: &str = "keep the runtime of the start for as long as the settings, or call start_blocking";
