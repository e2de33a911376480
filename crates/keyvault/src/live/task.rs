//! The loop that replaces settings: a pause and a step.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Published;
use super::agenda::{Agenda, Due};
use super::engine::{Build, Built, Engine, Shared, Signal};
use super::events::Events;
use super::schedule::Schedule;
use super::validate::Validate;
use super::watcher::Change;
use crate::errand::{Errand, Wanted};
use crate::error::{Error, Result};
use crate::held::Held;
use crate::layers::Layers;
use crate::name::SecretVersion;
use crate::report::Report;
use crate::secret::SecretId;

/// The background task.
pub(super) struct Task<L, V, T> {
    engine: Engine<L, V>,
    held: Arc<Held>,
    agenda: Agenda,
    /// Of the passes that ask for everything.
    complete: Schedule,
    /// Of those that ask for single secrets.
    single: Schedule,
    shared: Arc<Shared<T>>,
    /// Watchers end when it is dropped.
    waker: watch::Sender<Signal>,
}

/// What reaches the task from outside, beside the inbox.
pub(super) struct Intake {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: Events,
}

/// What a handle asks for.
pub(super) enum Command {
    Refresh(Reply),
    Shutdown,
}

pub(super) type Reply = oneshot::Sender<Result<Option<Change>>>;

/// Who waits for a refresh.
#[derive(Default)]
struct Calls {
    complete: Vec<Reply>,
}

/// What is done in one step.
struct Job {
    errand: Errand,
    due: BTreeMap<SecretId, Due>,
}

impl Calls {
    /// Lets whoever asks for a refresh join it; the end is asked for by command, or by the last handle's going.
    fn heed(&mut self, command: Option<Command>) -> Option<()> {
        match command? {
            Command::Refresh(reply) => self.complete.push(reply),
            Command::Shutdown => return None,
        }
        Some(())
    }

    fn answer(&mut self, outcome: &Result<Option<Change>>) {
        for reply in self.complete.drain(..) {
            // Whoever gave up waiting needs no answer.
            _ = reply.send(outcome.clone());
        }
    }
}

impl<L, V, T> Task<L, V, T>
where
    L: Layers,
    V: Validate<T>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(engine: Engine<L, V>, held: Held, shared: Arc<Shared<T>>, waker: watch::Sender<Signal>) -> Self {
        let interval = engine.timing.interval;
        let mut complete = Schedule::new(interval);
        let pause = match shared.last_failure() {
            // The settings are those of a sealed snapshot, and the vault is to be asked as after any failure.
            Some(error) => complete.after_failure(&error, fastrand::f64()),
            None => complete.after_success(fastrand::f64()),
        };
        let agenda = Agenda::new(Instant::now() + pause);
        let mut task =
            Self { engine, held: Arc::default(), agenda, complete, single: Schedule::new(interval), shared, waker };
        task.hold(held);
        task
    }

    pub(super) async fn run(mut self, mut intake: Intake) {
        let mut calls = Calls::default();
        // What came out of a file is in there already, and no younger for having been read.
        if self.shared.last_failure().is_none() {
            self.shared.seal(true);
        }
        while let Some(job) = self.pause(&mut intake, &mut calls).await {
            let Some(outcome) = self.step_unless_ended(&job, &mut intake, &mut calls).await else { break };
            let is_complete = job.errand.is_complete();
            self.learn(job, &outcome);
            if is_complete {
                calls.answer(&outcome);
            }
        }
        self.shared.pulse().next_refresh = None;
        if let Some(sealer) = &self.shared.sealer {
            sealer.finish().await;
        }
    }

    /// Waits until something is due or asked for; none at the end.
    async fn pause(&mut self, intake: &mut Intake, calls: &mut Calls) -> Option<Job> {
        loop {
            // Whoever asked before the refresh begins is answered by this one.
            loop {
                match intake.commands.try_recv() {
                    Ok(command) => calls.heed(Some(command))?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return None,
                }
            }
            self.collect();
            if let Some(job) = self.begin(!calls.complete.is_empty()) {
                self.shared.pulse().next_refresh = None;
                return Some(job);
            }
            let next = self.agenda.next();
            self.shared.pulse().next_refresh = Some(next);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.shared.inbox.filled.notified() => {}
                event = intake.events.next() => self.shared.inbox.put(event),
                command = intake.commands.recv() => calls.heed(command)?,
            }
        }
    }

    /// Puts what came into the inbox on the agenda.
    fn collect(&mut self) {
        let mail = self.shared.inbox.empty();
        for (id, due) in mail.due {
            self.agenda.add(id, due);
        }
        if let Some(at) = mail.complete {
            self.agenda.complete_by(at);
        }
    }

    /// Begins what is due now, or everything if that is asked for; none if nothing is.
    fn begin(&mut self, is_asked: bool) -> Option<Job> {
        let now = Instant::now();
        let is_complete = is_asked || self.agenda.is_complete_due(now);
        let mut due = self.agenda.take(now, is_complete);
        due.retain(|id, due| self.is_news(id, &mut due.wanted));
        if due.is_empty() && !is_complete {
            return None;
        }
        let (held, time) = (Arc::clone(&self.held), self.engine.clock.now());
        let wanted = due.iter().map(|(id, due)| (id.clone(), due.wanted.clone())).collect();
        let errand = if is_complete {
            Errand::complete(held, time).with_due(wanted)
        } else {
            Errand::partial(held, time, wanted)
        };
        Some(Job { errand, due })
    }

    /// Tells whether anything is wanted that was not read since it became due.
    fn is_news(&self, id: &SecretId, wanted: &mut Wanted) -> bool {
        if let Some(holding) = self.held.get(id) {
            wanted.versions.retain(|version: &SecretVersion| !holding.has_seen(version));
        }
        wanted.latest || !wanted.versions.is_empty()
    }

    /// Takes the step, while everybody who asks for a refresh joins it; none if the end came first.
    async fn step_unless_ended(
        &self,
        job: &Job,
        intake: &mut Intake,
        calls: &mut Calls,
    ) -> Option<Result<Option<Change>>> {
        let mut step = pin!(self.step(&job.errand));
        loop {
            tokio::select! {
                outcome = &mut step => return Some(outcome),
                event = intake.events.next() => self.shared.inbox.put(event),
                command = intake.commands.recv() => calls.heed(command)?,
            }
        }
    }

    /// One refresh.
    async fn step(&self, errand: &Errand) -> Result<Option<Change>> {
        let published = self.shared.published.load_full();
        let deadline = self.engine.timing.refresh_deadline;
        match self.engine.build(deadline, Some(&*published), errand).await {
            Ok(Build { built, report, lapse }) => {
                let change = built.map(|built| self.publish(&published, built));
                if change.is_none() {
                    self.report_anew(&published, report);
                }
                self.settle(published.generation, lapse, errand);
                self.shared.seal(change.is_some());
                if change.is_some() {
                    // Whoever is told of it finds it in the health, too.
                    self.waker.send_modify(|_| {});
                }
                Ok(change)
            }
            Err(error) => {
                tracing::warn!(%error, generation = published.generation, "settings could not be refreshed and stay");
                self.shared.pulse().failed(error.clone(), errand.is_complete());
                self.waker.send_modify(|signal| signal.failures += 1);
                Err(error)
            }
        }
    }

    /// Writes down a refresh that succeeded. Where an earlier version of a secret stays in use, it did not in all.
    fn settle(&self, generation: u64, lapse: Option<Error>, errand: &Errand) {
        let Some(lapse) = lapse else {
            self.shared.pulse().succeeded(errand.is_complete());
            return;
        };
        for error in lapse.failures() {
            tracing::warn!(%error, generation, "a secret could not be read anew, and its last good version stays");
        }
        self.shared.pulse().lapsed(lapse, errand.is_complete());
        self.waker.send_modify(|signal| signal.failures += 1);
    }

    /// Replaces the report of settings that are the same.
    fn report_anew(&self, published: &Published<T>, report: Arc<Report>) {
        tracing::debug!(generation = published.generation, "settings are unchanged");
        if *published.report != *report {
            self.shared.published.store(Arc::new(published.with_report(report)));
        }
    }

    fn publish(&self, old: &Published<T>, built: Built<T>) -> Change {
        let new = built.publish(old.generation + 1);
        let change = Change { generation: new.generation, at: new.at, keys: old.origins.changed(&new.origins) };
        self.shared.published.store(Arc::new(new));
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        change
    }

    /// Draws the consequences of a step: what is held, and what is due next.
    fn learn(&mut self, job: Job, outcome: &Result<Option<Change>>) {
        let Job { errand, due } = job;
        let (is_complete, random) = (errand.is_complete(), fastrand::f64());
        let schedule = if is_complete { &mut self.complete } else { &mut self.single };
        // A secret whose last good version stayed is asked for again as after a failure.
        let lapse = self.shared.lapse();
        let pause = match outcome.as_ref().err().or(lapse.as_ref()) {
            None => schedule.after_success(random),
            Some(error) => schedule.after_failure(error, random),
        };
        let next = Instant::now() + pause;
        if is_complete {
            self.agenda.complete_at(next);
        }
        if outcome.is_err() {
            self.agenda.put_back(due, next);
            return;
        }
        if lapse.is_some() {
            self.agenda.put_back(due.clone(), next);
        }
        let mut found = errand.into_found();
        for (id, versions) in std::mem::take(&mut found.awaited) {
            self.wait_for(id, versions, &due);
        }
        let mut held = Arc::unwrap_or_clone(std::mem::take(&mut self.held));
        held.commit(found);
        self.hold(held);
    }

    /// Looks again for versions of which an event told and which the vault did not have: it copies what is written to
    /// its other machines within seconds.
    fn wait_for(&mut self, id: SecretId, versions: BTreeSet<SecretVersion>, due: &BTreeMap<SecretId, Due>) {
        let tries = due.get(&id).map_or(0, |due| due.tries) + 1;
        if tries > MOST_TRIES {
            tracing::warn!(secret = %id, "an event told of a version that the vault does not have");
            return;
        }
        let at = Instant::now() + FIRST_TRY * (1 << tries);
        self.agenda.add(id, Due { at, wanted: Wanted { versions, latest: false }, tries });
    }

    fn hold(&mut self, held: Held) {
        self.held = Arc::new(held);
        self.shared.inbox.learn(Arc::clone(&self.held));
    }
}

const MOST_TRIES: u8 = 4;
const FIRST_TRY: Duration = Duration::from_secs(1);
