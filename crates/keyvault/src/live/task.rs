//! The loop that replaces settings: a pause and a step.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Published;
use super::agenda::{Agenda, Due};
use super::calls::{Calls, Command};
use super::engine::{Build, Built, Engine, Made, Shared, Signal};
use super::events::Events;
use super::expiry::next_look;
use super::health::{Failure, Moment, SecretHealth, SecretStatus};
use super::rejected::Docket;
use super::revocation::{Revocation, takes_away};
use super::schedule::{Schedule, jittered};
use super::settle::Settling;
use super::validate::Validate;
use super::watcher::Change;
use crate::errand::{Errand, Wanted};
use crate::error::{Error, Result};
use crate::held::Held;
use crate::layers::Layers;
use crate::metrics;
use crate::name::SecretVersion;
use crate::push::PushEvent;
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
    /// The secrets that have an interval of their own.
    intervals: BTreeMap<SecretId, Duration>,
    settling: Option<Settling>,
    /// What was told about the versions in use.
    told: BTreeSet<(SecretId, SecretStatus)>,
    /// When the loop was last awake.
    awake: Moment,
    shared: Arc<Shared<T>>,
    /// Watchers end when it is dropped.
    waker: watch::Sender<Signal>,
}

/// What reaches the task from outside, beside the inbox.
pub(super) struct Intake {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: Events,
}

/// What is done in one step.
struct Job {
    errand: Errand,
    due: BTreeMap<SecretId, Due>,
    /// Whether somebody waits for it, so that changes are not left to settle.
    is_asked: bool,
}

/// What a step came to.
enum Outcome {
    Unchanged,
    Changed(Change),
    Settling(Settling),
}

impl<L, V, T> Task<L, V, T>
where
    L: Layers,
    V: Validate<T>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(
        engine: Engine<L, V>,
        errand: Errand,
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
            intervals: BTreeMap::new(),
            settling: None,
            told: BTreeSet::new(),
            awake: engine.now(),
            engine,
            shared,
            waker,
        };
        task.commit(errand);
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
            let is_complete = job.errand.is_complete();
            let failure = outcome.as_ref().err().cloned();
            let answer = self.learn(job, outcome);
            calls.answer(&answer, is_complete);
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
            tokio::select! {
                () = sleep_until(next.min(self.awake.instant + LONGEST_DOZE)) => {}
                () = self.shared.inbox.filled.notified() => {}
                event = intake.events.next() => self.hear(event, &intake.events),
                command = intake.commands.recv() => calls.heed(command)?,
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
        let mut is_asked = false;
        if calls.docket.is_waiting() {
            let reverting = calls.docket.reverting();
            if !reverting.is_empty() {
                let errand = Errand::partial(Arc::clone(&self.held), time, BTreeMap::new()).reverting(reverting);
                return Some(Job { errand, due: BTreeMap::new(), is_asked: true });
            }
            for id in calls.docket.hear(Arc::make_mut(&mut self.held), now) {
                is_asked = true;
                self.agenda.add(id, Due::new(now, Wanted::latest()));
            }
        }
        let is_complete = calls.want_everything() || self.agenda.is_complete_due(now);
        let mut due = self.agenda.take(now, is_complete);
        due.retain(|id, due| self.is_news(id, &mut due.wanted));
        if due.is_empty() && !is_complete {
            return None;
        }
        let held = Arc::clone(&self.held);
        let wanted = due.iter().map(|(id, due)| (id.clone(), due.wanted.clone())).collect();
        let errand = if calls.want_everything() {
            Errand::complete(held, time).with_due(wanted)
        } else if is_complete {
            let spared = self.intervals.keys().filter(|id| self.agenda.is_spared(id, now)).cloned().collect();
            Errand::complete(held, time).with_due(wanted).sparing(spared)
        } else {
            Errand::partial(held, time, wanted)
        };
        Some(Job { errand, due, is_asked: is_asked || calls.want_everything() })
    }

    /// Tells whether anything is wanted that was not read since it became due.
    fn is_news(&self, id: &SecretId, wanted: &mut Wanted) -> bool {
        if let Some(holding) = self.held.get(id) {
            wanted.versions.retain(|version: &SecretVersion| !holding.has_seen(version));
        }
        wanted.latest || !wanted.versions.is_empty()
    }

    /// Takes the step, while everybody who asks for a refresh joins it; none if the end came first.
    async fn step_unless_ended(&self, job: &Job, intake: &mut Intake, calls: &mut Calls) -> Option<Result<Outcome>> {
        let mut step = pin!(self.step(job));
        loop {
            tokio::select! {
                outcome = &mut step => return Some(outcome),
                event = intake.events.next() => self.hear(event, &intake.events),
                command = intake.commands.recv() => calls.heed(command)?,
            }
        }
    }

    /// One refresh.
    async fn step(&self, job: &Job) -> Result<Outcome> {
        let published = self.shared.published.load_full();
        let settle = self.engine.timing.settle.filter(|_| !job.is_asked);
        let settling = |origins: &_| settle?.see(self.settling.as_ref(), origins, Instant::now());
        let deadline = self.engine.timing.refresh_deadline;
        let Build { made, report, lapse } =
            match self.engine.build(deadline, Some(&*published), &job.errand, settling).await {
                Ok(build) => build,
                Err(error) => {
                    self.fail(&published, &error, &job.errand);
                    return Err(error);
                }
            };
        let is_complete = job.errand.is_complete();
        Ok(match made {
            Made::Settling(settling) => {
                tracing::debug!(generation = published.generation, "settings change and are left to settle");
                Outcome::Settling(settling)
            }
            Made::Same => {
                self.report_anew(&published, report);
                self.write_down(published.generation, lapse, is_complete);
                self.shared.seal(false);
                Outcome::Unchanged
            }
            Made::New(built) => {
                let change = self.publish(&published, built, lapse, is_complete);
                self.shared.seal(true);
                Outcome::Changed(change)
            }
        })
    }

    /// Writes down a refresh that succeeded. Where an earlier version of a secret stays in use, it did not in all.
    fn write_down(&self, generation: u64, lapse: Option<Error>, is_complete: bool) {
        let Some(lapse) = lapse else {
            self.shared.pulse().succeeded(is_complete, self.engine.now());
            return;
        };
        for error in lapse.failures() {
            tracing::warn!(%error, generation, "a secret could not be read anew, and its last good version stays");
        }
        self.shared.pulse().lapsed(lapse, is_complete);
        self.waker.send_modify(|signal| signal.failures += 1);
    }

    /// Replaces the report of settings that are the same.
    fn report_anew(&self, published: &Published<T>, report: Arc<Report>) {
        tracing::debug!(generation = published.generation, "settings are unchanged");
        if *published.report != *report {
            self.shared.published.store(Arc::new(published.with_report(report)));
        }
    }

    fn publish(&self, old: &Published<T>, built: Built<T>, lapse: Option<Error>, is_complete: bool) -> Change {
        let new = built.publish(old.generation + 1);
        let change = Change { generation: new.generation, at: new.at, keys: old.origins.changed(&new.origins) };
        self.shared.published.store(Arc::new(new));
        self.write_down(old.generation, lapse, is_complete);
        self.waker.send_modify(|_| {});
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        change
    }

    fn fail(&self, published: &Published<T>, error: &Error, errand: &Errand) {
        let is_used = |id: &SecretId| published.snapshot.get(id).is_some();
        let is_revocation = self.engine.choices.revocation == Revocation::Revoke
            && (takes_away(error, is_used) || errand.has_lost_a_name());
        tracing::warn!(%error, is_revocation, generation = published.generation, "settings could not be refreshed and stay");
        self.shared.pulse().failed(Failure { error: error.clone(), is_revocation }, errand.is_complete());
        self.waker.send_modify(|signal| signal.failures += 1);
    }

    /// Draws the consequences of a step: what is held, and what is due next.
    fn learn(&mut self, job: Job, outcome: Result<Outcome>) -> Result<Option<Change>> {
        let Job { errand, due, .. } = job;
        let (now, is_complete, random) = (Instant::now(), errand.is_complete(), fastrand::f64());
        metrics::refreshed(outcome.as_ref().map(|outcome| matches!(outcome, Outcome::Changed(_))));
        let schedule = if is_complete { &mut self.complete } else { &mut self.single };
        let change = match outcome {
            Ok(Outcome::Settling(settling)) => {
                let end = self.engine.timing.settle.map_or(now, |settle| settle.end(&settling));
                self.settling = Some(settling);
                self.agenda.complete_at(end);
                self.agenda.put_back(due, end);
                return Ok(None);
            }
            Err(error) => {
                // What is not valid yet is refused by whoever tries it, and is worth a try when it is.
                let valid = errand.until_valid().map(|left| left + SHORTEST_SLEEP.mul_f64(random));
                let next = now + schedule.after_failure(&error, random).min(valid.unwrap_or(Duration::MAX));
                if is_complete {
                    self.agenda.complete_at(next);
                }
                self.agenda.put_back(due, next);
                self.observe();
                return Err(error);
            }
            Ok(Outcome::Changed(change)) => Some(change),
            Ok(Outcome::Unchanged) => None,
        };
        // A secret whose last good version stayed is asked for again as after a failure.
        let lapse = self.shared.lapse();
        let next = now
            + match &lapse {
                None => schedule.after_success(random),
                Some(error) => schedule.after_failure(error, random),
            };
        if is_complete {
            self.agenda.complete_at(next);
        }
        self.settling = None;
        if lapse.is_some() {
            self.agenda.put_back(due.clone(), next);
        }
        for (id, versions) in errand.awaited() {
            self.wait_for(id, versions, &due);
        }
        self.commit(errand);
        self.observe();
        Ok(change)
    }

    fn observe(&self) {
        let now = self.engine.now();
        let pulse = self.shared.pulse();
        metrics::observed(pulse.consecutive_failures(), pulse.age(now));
    }

    /// Looks again for versions of which an event told and which the vault did not have: it copies what is written to
    /// its other machines within seconds.
    fn wait_for(&mut self, id: SecretId, versions: BTreeSet<SecretVersion>, due: &BTreeMap<SecretId, Due>) {
        let tries = due.get(&id).map_or(0, |due| due.tries) + 1;
        if tries > MOST_TRIES {
            tracing::warn!(secret = %id, "an event told of a version that the vault does not have");
            return;
        }
        let at = Instant::now() + FIRST_TRY * (1 << (tries - 1));
        self.agenda.add(id, Due { at, wanted: Wanted { versions, latest: false }, tries });
    }

    /// Takes over what was found, now that its settings stand.
    fn commit(&mut self, errand: Errand) {
        let found = errand.into_found();
        let asked: BTreeSet<SecretId> = found.standings.keys().cloned().collect();
        Arc::make_mut(&mut self.held).commit(found);
        self.shared.inbox.learn(Arc::clone(&self.held));
        self.plan(&asked);
        self.report();
    }

    /// Plans when single secrets are looked at: by their own interval and by their own dates.
    fn plan(&mut self, asked: &BTreeSet<SecretId>) {
        let now = self.engine.now();
        let published = self.shared.published.load();
        self.intervals.clear();
        for (subject, interval) in &self.engine.choices.intervals {
            for id in subject.secrets(&published.origins) {
                let known = self.intervals.entry(id.latest()).or_insert(*interval);
                *known = (*known).min(*interval);
            }
        }
        self.agenda.forget_looks(|id| self.held.get(id).is_some());
        for (id, holding) in self.held.iter().filter(|(id, _)| id.version().is_none()) {
            if !asked.contains(id) && self.agenda.has_look(id) {
                continue;
            }
            let own = self.intervals.get(id).map(|interval| jittered(*interval, fastrand::f64()));
            let dates = next_look(holding.secret().properties(), now.time, fastrand::f64());
            let look = own.into_iter().chain(dates).min();
            self.agenda.look_at(id, look.map(|look| now.instant + look));
        }
    }

    /// Tells, once for each version, what is to be known about secrets.
    fn report(&mut self) {
        let now = self.engine.now();
        let mut pulse = self.shared.pulse();
        pulse.learn(self.held.iter());
        let mut standing = BTreeSet::new();
        let before = pulse.told();
        for (_, holding) in self.held.iter() {
            let secret = holding.secret();
            metrics::expires(secret);
            let status = SecretStatus::of(secret, Some(holding.standing()), now.time, self.shared.expiry_notice);
            if status == SecretStatus::Current {
                continue;
            }
            let fact = (secret.id().clone(), status);
            if !self.told.contains(&fact) {
                tracing::warn!(secret = %secret.id(), %status, "a secret in use is not as it should be");
                pulse.tell(SecretHealth::new(secret, status));
            }
            standing.insert(fact);
        }
        let is_news = pulse.told() != before;
        drop(pulse);
        self.told = standing;
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
