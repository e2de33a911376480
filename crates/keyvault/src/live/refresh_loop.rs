//! The background task: wait, refresh, learn.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::sleep_until;

use super::event_sources::EventSources;
use super::pending::{Command, Ended, PendingCalls};
use super::planned_refresh::PlannedRefresh;
use super::planner::Planner;
use super::publication::Change;
use super::refresh_cycle::{Outcome, RefreshCycle};
use super::shared_state::SharedState;
use crate::error::Result;
use crate::metrics;
use crate::push::PushEvent;

/// The background task that keeps settings current.
pub(super) struct RefreshLoop {
    pub(super) cycle: RefreshCycle,
    pub(super) planner: Planner,
    pub(super) calls: PendingCalls,
    pub(super) inputs: Inputs,
}

/// The commands and event sources that reach the loop from outside.
pub(super) struct Inputs {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: EventSources,
}

impl RefreshLoop {
    /// Refreshes until the last handle is gone or asks for the end.
    pub(super) async fn run(mut self) {
        // Settings that were read from the sealed snapshot are in it already, and no younger for that.
        if self.state().last_failure().is_none() {
            self.state().seal(true);
        }
        while let Ok(refresh) = self.wait().await {
            let Ok(outcome) = self.refresh(&refresh).await else { break };
            self.learn(refresh, outcome);
        }
        self.state().health_state().next_refresh = None;
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
            self.accept_commands()?;
            let now = self.planner.wake();
            if let Some(refresh) = self.planner.next(&mut self.calls) {
                self.state().health_state().next_refresh = None;
                return Ok(refresh);
            }
            self.calls.nothing_is_due();
            let state = &self.cycle.state;
            let next = state.queue.timetable(|timetable| timetable.next());
            state.health_state().next_refresh = Some(next);
            state.queue.set_next_due(next, now);
            // Tokio's clock stands still while the host is suspended, so the loop looks at the time of day now and
            // then.
            let sleep = sleep_until(next.min(now.instant + LONGEST_SLEEP));
            let Inputs { commands, events } = &mut self.inputs;
            // The order is fixed so that a run can be repeated, and it is fair: whatever wakes the loop, it reads all
            // commands and the whole queue before it sleeps again. Only sources are read one event at a time, so they
            // come last.
            tokio::select! {
                biased;
                command = commands.recv() => self.calls.accept(command)?,
                () = sleep => {}
                () = state.queue.event_arrived() => {}
                event = events.next() => put(state, &event, events),
            }
        }
    }

    /// Accepts the commands that arrived before a refresh begins, so that it answers them.
    fn accept_commands(&mut self) -> Result<(), Ended> {
        loop {
            match self.inputs.commands.try_recv() {
                Ok(command) => self.calls.accept(Some(command))?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Ended),
            }
        }
    }

    /// Runs a refresh while further callers join it.
    async fn refresh(&mut self, refresh: &PlannedRefresh) -> Result<Result<Outcome>, Ended> {
        let Self { cycle, planner, calls, inputs } = self;
        let Inputs { commands, events } = inputs;
        let mut cycle_run = pin!(cycle.run(refresh, planner.pending_changes()));
        loop {
            // The order is fixed so that a run can be repeated. The refresh comes first: it ends once and can starve
            // nothing, while commands and events may arrive without end. Commands precede events, because one of them
            // may be the end.
            tokio::select! {
                biased;
                outcome = &mut cycle_run => return Ok(outcome),
                command = commands.recv() => calls.accept(command)?,
                event = events.next() => put(&cycle.state, &event, events),
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
        self.observe();
        let answer = outcome.map(|outcome| match outcome {
            Outcome::Changed(change) => Some(change),
            Outcome::Unchanged | Outcome::Debounced(_) => None,
        });
        self.answer(&answer, is_full, is_requested);
    }

    fn answer(&mut self, answer: &Result<Option<Change>>, is_full: bool, is_requested: bool) {
        // A refresh for credential reports alone answers no other caller.
        if is_full || !is_requested {
            self.calls.answer(answer, is_full);
        }
        self.calls.reports.conclude(self.planner.known(), answer.as_ref().err());
    }

    /// Records the versions in use, and announces new facts about them.
    pub(super) fn report_secrets(&self) {
        let state = self.state();
        let known = self.planner.known();
        let mut health = state.health_state();
        health.record_versions(known);
        let has_news = health.notices.announce(known, state.clock.now(), state.limits.expiry_notice);
        drop(health);
        if has_news {
            self.cycle.waker.send_modify(|_| {});
        }
    }

    fn observe(&self) {
        let health = self.state().health_state();
        metrics::observed(health.consecutive_failures(), health.age(self.state().now()));
    }
}

/// Puts an event into the queue.
fn put(state: &SharedState, event: &PushEvent, events: &EventSources) {
    state.queue.put(event);
    state.health_state().sources = events.len();
}

/// How long the loop sleeps before it looks at the time of day.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
