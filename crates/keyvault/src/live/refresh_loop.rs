//! The background task: wait, refresh, learn.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::event_sources::EventSources;
use super::pending_calls::{Command, Ended, PendingCalls};
use super::planned_refresh::PlannedRefresh;
use super::planner::Planner;
use super::refresh_cycle::{Outcome, RefreshCycle, RunningRefresh, Stage, Step};
use super::shared_state::SharedState;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics;
use crate::push::PushEvent;

/// The background task that keeps settings current.
pub(super) struct RefreshLoop {
    pub(super) cycle: RefreshCycle,
    pub(super) planner: Planner,
    pub(super) calls: PendingCalls,
    /// The refreshes that wait for a vault or for the application's check. None waits for another.
    pub(super) running: FuturesUnordered<RunningRefresh>,
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
        while self.step().await.is_ok() {}
        self.state().next_refresh.store(None);
        self.state().health_state().is_following = false;
        if let Some(sealed_writer) = &self.state().sealed_writer {
            sealed_writer.finish().await;
        }
    }

    fn state(&self) -> &SharedState {
        &self.cycle.state
    }

    /// Begins every refresh that is due or requested, and waits until there is something else to do.
    async fn step(&mut self) -> Result<(), Ended> {
        // A caller joins a refresh that runs, and none that has ended.
        while let Some(Some((refresh, stage))) = self.running.next().now_or_never() {
            self.advance(refresh, stage);
        }
        // A refresh answers the commands that arrived before it begins.
        while let Some(command) = self.commands.recv().now_or_never() {
            self.calls.accept(command)?;
        }
        let now = self.planner.wake();
        for refresh in self.planner.next(&mut self.calls) {
            self.running.push(self.cycle.load(refresh));
        }
        if !self.planner.is_refreshing() {
            self.calls.answer(&Ok(None), false);
        }
        let state = &self.cycle.state;
        // Tokio's clock stands still while the host is suspended, so the loop looks at the time of day now and then.
        let longest = now.instant + LONGEST_SLEEP;
        let sleep = sleep_until(self.planner.set_next_refresh().unwrap_or(longest).min(longest));
        // The order is fixed so that a run can be repeated, and it is fair: whatever wakes the loop, it reads all
        // commands, begins everything that is due and reads the whole queue before it sleeps again. A refresh that ends
        // comes first: it ends once and can starve nothing. Only sources are read one event at a time, so they come
        // last.
        tokio::select! {
            biased;
            () = state.shutdown.notified() => return Err(Ended),
            Some((refresh, stage)) = self.running.next() => self.advance(refresh, stage),
            command = self.commands.recv() => self.calls.accept(command)?,
            () = sleep => {}
            () = state.queue.event_arrived.notified() => {}
            event = self.events.next() => put(state, &event, &self.events),
        }
        Ok(())
    }

    /// Continues a refresh after a step that waited.
    fn advance(&mut self, refresh: PlannedRefresh, stage: Stage) {
        match self.cycle.advance(refresh, stage, self.planner.known()) {
            Step::Run(refresh) => self.running.push(refresh),
            Step::End(refresh, outcome) => self.learn(*refresh, outcome),
        }
    }

    /// Takes over the result of a refresh, and answers the callers that joined it.
    fn learn(&mut self, refresh: PlannedRefresh, outcome: Result<Outcome>) {
        metrics::refreshed(outcome.as_ref().map(|outcome| matches!(outcome, Outcome::Changed(_))));
        let (is_complete, reported) = (refresh.plan.is_complete(), refresh.reported.clone());
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
        if reported.is_empty() {
            self.calls.answer(&answer, is_complete);
        }
        self.calls.reports.conclude(&reported, self.planner.known(), answer.as_ref().err());
    }

    /// Records the versions in use, and announces new facts about them.
    pub(super) fn report_secrets(&self) {
        let (state, known) = (self.state(), self.planner.known());
        let mut health = state.health_state();
        health.known = Arc::clone(known);
        let has_news = health.notices.announce(known, state.clock.now(), state.options.expiry_notice);
        drop(health);
        if has_news {
            self.cycle.waker.send_replace(());
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
        self.cycle.waker.send_replace(());
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
