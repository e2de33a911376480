//! The loop that replaces settings: a pause and a step.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::agenda::{Agenda, Due};
use super::bulletin::Bulletin;
use super::calls::{Calls, Command};
use super::clock::Moment;
use super::engine::{Engine, Shared, Signal};
use super::events::Events;
use super::job::Job;
use super::pulse::Failure;
use super::rejected::Docket;
use super::schedule::Schedule;
use super::settle::Settling;
use super::step::Outcome;
use super::validate::Validate;
use super::watcher::Change;
use crate::error::{Error, Result};
use crate::metrics;
use crate::push::PushEvent;
use crate::resolver::{FetchPlan, KnownSecrets, Want};
use crate::secret::{SecretId, SecretVersion};
use crate::settings::Layers;

/// The background task.
pub(super) struct Task<L, V, T> {
    pub(super) engine: Engine<L, V>,
    held: Arc<KnownSecrets>,
    agenda: Agenda,
    /// Of the passes that ask for everything.
    complete: Schedule,
    /// Of those that ask for single secrets.
    single: Schedule,
    pub(super) settling: Option<Settling>,
    bulletin: Bulletin,
    /// When the loop was last awake.
    awake: Moment,
    pub(super) shared: Arc<Shared<T>>,
    /// Watchers end when it is dropped.
    pub(super) waker: watch::Sender<Signal>,
}

/// What reaches the task from outside, beside the inbox.
pub(super) struct Intake {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: Events,
}

impl<L, V, T> Task<L, V, T>
where
    L: Layers,
    V: Validate<T>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(
        engine: Engine<L, V>,
        errand: FetchPlan,
        shared: Arc<Shared<T>>,
        waker: watch::Sender<Signal>,
    ) -> Self {
        let interval = engine.timing.interval;
        let mut complete = Schedule::new(interval);
        let pause = match shared.last_failure() {
            // The settings are those of a sealed snapshot, and the vault is to be asked as after any failure.
            Some(Failure { error, .. }) => complete.after_failure(&error, fastrand::f64()),
            None => complete.after_success(fastrand::f64()),
        };
        let agenda = Agenda::new(Instant::now() + pause);
        let mut task = Self {
            held: Arc::default(),
            agenda,
            complete,
            single: Schedule::new(interval),
            settling: None,
            bulletin: Bulletin::default(),
            awake: engine.now(),
            engine,
            shared,
            waker,
        };
        task.commit(errand, &BTreeSet::new());
        task
    }

    pub(super) async fn run(mut self, mut intake: Intake) {
        let mut calls = Calls::new(Docket::new(self.engine.timing.rejections, self.engine.choices.previous_version));
        // What came out of a file is in there already, and no younger for having been read.
        if self.shared.last_failure().is_none() {
            self.shared.seal(true);
        }
        while let Some(job) = self.pause(&mut intake, &mut calls).await {
            let Some(outcome) = self.step_unless_ended(&job, &mut intake, &mut calls).await else { break };
            let (is_complete, is_asked) = (job.errand.is_full(), job.is_asked);
            let failure = outcome.as_ref().err().cloned();
            let answer = self.learn(job, outcome);
            // What was done for a rejection alone is no answer to anybody else.
            if is_complete || !is_asked {
                calls.answer(&answer, is_complete);
            }
            calls.docket.conclude(&self.held, failure.as_ref());
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
            if let Some(job) = self.begin(calls) {
                self.shared.pulse().next_refresh = None;
                return Some(job);
            }
            calls.nothing_is_due();
            let next = self.agenda.next();
            self.shared.pulse().next_refresh = Some(next);
            self.shared.due.set(next, self.awake);
            // A clock that stood still while the host slept cannot wake anybody in time, so the time of day is looked at.
            let doze = sleep_until(next.min(self.awake.instant + LONGEST_DOZE));
            // In a fixed order, so that a run can be repeated. It favours nobody: whatever wakes the loop, it looks at all
            // commands, at the inbox and at the agenda before it sleeps again. Only a source of events is heard one event at
            // a time, so it comes last.
            tokio::select! {
                biased;
                command = intake.commands.recv() => calls.heed(command)?,
                () = doze => {}
                () = self.shared.inbox.filled.notified() => {}
                event = intake.events.next() => self.hear(event, &intake.events),
            }
        }
    }

    fn hear(&self, event: PushEvent, events: &Events) {
        self.shared.inbox.put(event);
        self.shared.pulse().sources = events.len();
    }

    /// Puts what came into the inbox on the agenda, and takes the time that the host slept off it.
    fn collect(&mut self) {
        let now = self.engine.now();
        let slept = self.awake.sleep_until(now);
        self.awake = now;
        if slept >= SHORTEST_SLEEP {
            self.agenda.advance(slept, now.instant);
        }
        let mail = self.shared.inbox.empty();
        for (id, due) in mail.due {
            self.agenda.add(id, due);
        }
        if let Some(at) = mail.complete {
            self.agenda.complete_by(at);
        }
    }

    /// Begins what is asked for, or due; none if nothing is.
    fn begin(&mut self, calls: &mut Calls) -> Option<Job> {
        let Moment { instant: now, time } = self.awake;
        if calls.docket.is_waiting() {
            let reverting = calls.docket.reverting();
            if !reverting.is_empty() {
                return Some(Job::reverting(Arc::clone(&self.held), time, reverting).asked());
            }
            let granted = calls.docket.hear(Arc::make_mut(&mut self.held), now);
            if !granted.is_empty() {
                // Somebody cannot log in. Nothing else that is due or broken may keep them waiting.
                let due = granted.into_iter().map(|id| (id, Due::new(now, Want::latest()))).collect();
                return Some(Job::partial(Arc::clone(&self.held), time, due).asked());
            }
        }
        let (is_asked, is_due) = (calls.want_everything(), self.agenda.is_complete_due(now));
        let mut due = self.agenda.take(now, is_asked || is_due);
        due.retain(|id, due| self.is_news(id, &mut due.wanted));
        let held = Arc::clone(&self.held);
        match (is_asked, is_due) {
            (true, _) => Some(Job::complete(held, time, due, BTreeSet::new()).asked()),
            (false, true) => Some(Job::complete(held, time, due, self.agenda.spared(now))),
            (false, false) if due.is_empty() => None,
            (false, false) => Some(Job::partial(held, time, due)),
        }
    }

    /// Tells whether anything is wanted that was not read since it became due.
    fn is_news(&self, id: &SecretId, wanted: &mut Want) -> bool {
        if let Some(holding) = self.held.get(id) {
            wanted.versions.retain(|version: &SecretVersion| !holding.has_seen(version));
        }
        wanted.latest || !wanted.versions.is_empty()
    }

    /// Takes the step, while everybody who asks for a refresh joins it; none if the end came first.
    async fn step_unless_ended(&self, job: &Job, intake: &mut Intake, calls: &mut Calls) -> Option<Result<Outcome>> {
        let mut step = pin!(self.step(job));
        loop {
            // In a fixed order, so that a run can be repeated. The step comes first: it is over once, so it can starve nobody,
            // while commands and events may come without end. Of these the commands are first, for one may be the end.
            tokio::select! {
                biased;
                outcome = &mut step => return Some(outcome),
                command = intake.commands.recv() => calls.heed(command)?,
                event = intake.events.next() => self.hear(event, &intake.events),
            }
        }
    }

    /// Draws the consequences of a step: what is held, and what is due next.
    fn learn(&mut self, job: Job, outcome: Result<Outcome>) -> Result<Option<Change>> {
        metrics::refreshed(outcome.as_ref().map(|outcome| matches!(outcome, Outcome::Changed(_))));
        let answer = match outcome {
            Ok(Outcome::Changed(change)) => {
                self.conclude(job);
                Ok(Some(change))
            }
            Ok(Outcome::Unchanged) => {
                self.conclude(job);
                Ok(None)
            }
            Ok(Outcome::Settling(settling)) => {
                self.let_settle(job, settling);
                Ok(None)
            }
            Err(error) => {
                self.try_again(job, &error);
                Err(error)
            }
        };
        let now = self.engine.now();
        let pulse = self.shared.pulse();
        metrics::observed(pulse.consecutive_failures(), pulse.age(now));
        drop(pulse);
        answer
    }

    fn schedule(&mut self, job: &Job) -> &mut Schedule {
        if job.errand.is_full() { &mut self.complete } else { &mut self.single }
    }

    /// Plans the next try after a step that failed. What was due and is not to blame need not wait for it.
    fn try_again(&mut self, mut job: Job, error: &Error) {
        let (now, random) = (Instant::now(), fastrand::f64());
        // What is not valid yet is refused by whoever tries it, and is worth a try when it is.
        let valid = job.errand.until_valid().map(|left| left + SHORTEST_SLEEP.mul_f64(random));
        let pause = self.schedule(&job).after_failure(error, random).min(valid.unwrap_or(Duration::MAX));
        if job.errand.is_full() {
            self.agenda.complete_at(now + pause);
        }
        self.agenda.put_back(job.held_back(error), now);
        self.agenda.put_back(job.due, now + pause);
    }

    /// Plans the next look at changes that were seen and are not published. The vault answered, so failures count anew.
    fn let_settle(&mut self, job: Job, settling: Settling) {
        let now = Instant::now();
        let end = self.engine.timing.settle.map_or(now, |settle| settle.end(&settling));
        self.schedule(&job).after_success(fastrand::f64());
        self.settling = Some(settling);
        if job.errand.is_full() {
            self.agenda.complete_at(end);
        } else {
            // Passes that ask for single secrets see each its own change, and would put off the one that sees all for ever.
            self.agenda.complete_by(end);
        }
        self.agenda.put_back(job.due, end);
    }

    /// Takes over what was found, now that its settings stand, and plans the next refresh.
    fn conclude(&mut self, mut job: Job) {
        let (now, random, is_complete) = (Instant::now(), fastrand::f64(), job.errand.is_full());
        let tries: BTreeMap<SecretId, u8> = job.due.iter().map(|(id, due)| (id.clone(), due.tries)).collect();
        // A secret whose last good version stayed is asked for again as after a failure.
        let lapse = self.shared.lapse();
        job.due.retain(|id, _| lapse.is_some() && !job.errand.has_read(id));
        let pause = match &lapse {
            Some(error) if is_complete || !job.due.is_empty() => self.schedule(&job).after_failure(error, random),
            _ => self.schedule(&job).after_success(random),
        };
        if is_complete {
            self.agenda.complete_at(now + pause);
            // Every secret was asked for, those that are due by themselves too.
            self.single.after_success(random);
        }
        self.agenda.put_back(std::mem::take(&mut job.due), now + pause);
        self.settling = None;
        for (id, versions) in job.errand.take_awaited() {
            let tries = tries.get(&id).copied().unwrap_or_default() + 1;
            self.wait_for(id, versions, tries);
        }
        let kept = lapse.iter().flat_map(Error::failures).filter_map(Error::secret).map(SecretId::latest).collect();
        self.commit(job.errand, &kept);
    }

    /// Looks again for versions of which an event told and which the vault did not have: it copies what is written to
    /// its other machines within seconds.
    fn wait_for(&mut self, id: SecretId, versions: BTreeSet<SecretVersion>, tries: u8) {
        if tries > MOST_TRIES {
            tracing::warn!(secret = %id, "an event told of a version that the vault does not have");
            return;
        }
        let at = Instant::now() + FIRST_TRY * (1 << (tries - 1));
        self.agenda.add(id, Due { at, wanted: Want { versions, latest: false }, tries });
    }

    /// Takes over what was found, now that its settings stand; some of them with `kept` secrets.
    fn commit(&mut self, errand: FetchPlan, kept: &BTreeSet<SecretId>) {
        let found = errand.into_observed();
        let asked: BTreeSet<SecretId> = found.states.keys().cloned().collect();
        Arc::make_mut(&mut self.held).commit(found, kept);
        self.shared.inbox.learn(Arc::clone(&self.held));
        let (now, published) = (self.engine.now(), self.shared.published.load());
        let intervals = self.engine.choices.intervals.iter().flat_map(|(subject, interval)| {
            subject.secrets(&published.origins).into_iter().map(|id| (id.latest(), *interval))
        });
        self.agenda.set_intervals(intervals);
        self.agenda.plan(&self.held, &asked, now, fastrand::f64);
        let mut pulse = self.shared.pulse();
        pulse.learn(self.held.iter());
        let is_news = self.bulletin.tell(&self.held, &mut pulse, now.time, self.shared.expiry_notice);
        drop(pulse);
        if is_news {
            self.waker.send_modify(|_| {});
        }
    }
}

/// How long the loop waits before it looks at the time of day.
const LONGEST_DOZE: Duration = Duration::from_secs(30);
/// Clocks drift apart without anybody having slept.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);

const MOST_TRIES: u8 = 5;
const FIRST_TRY: Duration = Duration::from_secs(1);
