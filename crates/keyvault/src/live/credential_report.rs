//! Reports that a server rejected a credential from the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{KnownSecret, KnownSecrets, VersionState};
use crate::secret::SecretId;
use crate::time::{Backoff, TokenBucket, TokenRate, instant_after};

/// The answer to a [reported](super::Live::report_rejected) credential.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CredentialCheck {
    /// The settings have another version than the rejected one: retry with the current settings.
    Changed,
    /// The vault has no other version to try, or had none a moment ago. The rotation may not be finished: retry later.
    Same,
    /// The vault has nothing newer, and the settings now have the version before: retry with the current settings.
    Previous,
}

/// Whether the version before may replace one that a server rejected.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PreviousVersion {
    /// Settings use the latest version only.
    #[default]
    Never,
    /// Settings use the version before if the vault has nothing newer. This suits credentials that are valid in turns,
    /// such as the two keys of a storage account.
    Try,
}

/// The reports that wait for an answer.
pub(super) struct CredentialReports {
    open: Vec<OpenReport>,
    buckets: BTreeMap<SecretId, TokenBucket>,
    /// When the vault may be asked again about a rejected version.
    pauses: BTreeMap<SecretId, ReportPause>,
    rate: TokenRate,
    policy: PreviousVersion,
    /// How long a report may wait for its answer.
    longest: Duration,
}

struct OpenReport {
    /// The rejected secrets, with their versions.
    rejected: Vec<SecretId>,
    progress: Progress,
    deadline: Instant,
    reply: ReportReply,
}

/// How far the vaults were asked.
#[derive(Clone)]
struct Progress {
    stage: ReportStage,
    /// The secrets whose refresh has not ended.
    waiting: BTreeSet<SecretId>,
    /// Why one of them could not be read.
    failure: Option<Error>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReportStage {
    New,
    /// Refreshes look for a newer version.
    Fetching,
    /// The vaults have nothing newer, so the version before is next.
    Fetched,
    /// Refreshes try the version before.
    Reverting,
}

/// Where the answer to a report goes.
pub(super) type ReportReply = oneshot::Sender<Result<CredentialCheck>>;

impl CredentialReports {
    pub(super) fn new(rate: TokenRate, policy: PreviousVersion, longest: Duration) -> Self {
        Self { open: Vec::new(), buckets: BTreeMap::new(), pauses: BTreeMap::new(), rate, policy, longest }
    }

    /// Opens a report. It joins an open report of the same versions.
    pub(super) fn open(&mut self, rejected: Vec<SecretId>, reply: ReportReply) {
        let joined = self.open.iter().find(|report| report.rejected == rejected);
        let progress =
            joined.map_or_else(|| Progress::to(ReportStage::New, BTreeSet::new()), |one| one.progress.clone());
        let deadline = instant_after(Instant::now(), self.longest);
        self.open.push(OpenReport { rejected, progress, deadline, reply });
    }

    /// Returns whether a report has not been looked at.
    pub(super) fn has_new(&self) -> bool {
        self.open.iter().any(|report| report.progress.stage == ReportStage::New)
    }

    /// Starts the new reports: answers some at once, and returns the secrets to fetch for the others.
    ///
    /// A report that is answered at once leaves `known` as it is: running refreshes load again when it changes.
    pub(super) fn start(&mut self, known: &mut Arc<KnownSecrets>, now: Instant) -> BTreeSet<SecretId> {
        self.buckets.retain(|id, _| known.get(id).is_some());
        self.pauses.retain(|id, _| known.get(&id.latest()).is_some_and(|secret| secret.secret().id() == id));
        let mut to_fetch = BTreeSet::new();
        for mut report in std::mem::take(&mut self.open) {
            if report.progress.stage == ReportStage::New {
                // A version that a reference pins has no replacement.
                report.rejected.retain(|id| known.get(&id.latest()).is_some());
                if let Some(answer) = self.answer_at_once(&report, known, &mut to_fetch, now).transpose() {
                    report.close(answer);
                    continue;
                }
                for rejected in &report.rejected {
                    mark_rejected(Arc::make_mut(known), rejected);
                }
                report.progress = Progress::to(ReportStage::Fetching, report.latest());
            }
            self.open.push(report);
        }
        to_fetch
    }

    fn answer_at_once(
        &mut self,
        report: &OpenReport,
        known: &KnownSecrets,
        to_fetch: &mut BTreeSet<SecretId>,
        now: Instant,
    ) -> Result<Option<CredentialCheck>> {
        if report.has_changed(known) {
            return Ok(Some(CredentialCheck::Changed));
        }
        let is_paused = |id: &SecretId| self.pauses.get(id).is_some_and(|pause| now < pause.until);
        // A report that arrives together with the one that begins a pause joins its request.
        if report.rejected.iter().all(|rejected| !to_fetch.contains(&rejected.latest()) && is_paused(rejected)) {
            return Ok(Some(CredentialCheck::Same));
        }
        for rejected in &report.rejected {
            if !to_fetch.contains(&rejected.latest()) {
                self.allow(rejected, now)?;
                to_fetch.insert(rejected.latest());
            }
        }
        Ok(None)
    }

    /// Takes a token for a request about `rejected`, and begins the pause after it.
    fn allow(&mut self, rejected: &SecretId, now: Instant) -> Result<()> {
        let bucket = self.buckets.entry(rejected.latest()).or_insert_with(|| TokenBucket::full(self.rate, now));
        bucket.take(now).map_err(|wait| {
            let kind = ErrorKind::Throttled { retry_after: Some(wait) };
            Error::new(kind, "secret was reported as rejected too often; the vault is not asked again yet")
                .about(rejected)
        })?;
        let pause = ReportPause::after(self.pauses.get(rejected).copied(), self.rate.refill, now);
        self.pauses.insert(rejected.clone(), pause);
        Ok(())
    }

    /// Starts to try the version before where the vaults have nothing newer. Returns the secrets, each with the time by
    /// which its reports need an answer.
    pub(super) fn revert(&mut self) -> BTreeMap<SecretId, Instant> {
        let mut reverting = BTreeMap::new();
        for report in self.open.iter_mut().filter(|report| report.progress.stage == ReportStage::Fetched) {
            report.progress = Progress::to(ReportStage::Reverting, report.latest());
            for id in report.latest() {
                let deadline = reverting.entry(id).or_insert(report.deadline);
                *deadline = report.deadline.min(*deadline);
            }
        }
        reverting
    }

    /// Answers the reports that a refresh settled, and moves the others on. The refresh fetched the `reported` secrets
    /// for reports.
    pub(super) fn conclude(&mut self, reported: &BTreeSet<SecretId>, known: &KnownSecrets, failure: Option<&Error>) {
        for mut report in std::mem::take(&mut self.open) {
            let Progress { stage, waiting, failure: failed } = &mut report.progress;
            for id in reported.iter().filter(|id| waiting.remove(id)) {
                // Settings that keep the last good version hide that it could not be read.
                let kept = known.get(id).and_then(KnownSecret::failure);
                *failed = failed.take().or_else(|| failure.or(kept).cloned());
            }
            let (stage, is_ended, failed) = (*stage, waiting.is_empty(), failed.clone());
            match (stage, report.has_changed(known)) {
                (ReportStage::New, _) => self.open.push(report),
                (ReportStage::Reverting, true) => report.close(Ok(CredentialCheck::Previous)),
                (_, true) => report.close(Ok(CredentialCheck::Changed)),
                (ReportStage::Fetched, false) => self.open.push(report),
                (_, false) if !is_ended => self.open.push(report),
                (ReportStage::Fetching, false) => match failed {
                    Some(error) => {
                        // The vault's latest version is unknown, so the next report asks again.
                        report.rejected.iter().for_each(|rejected| _ = self.pauses.remove(rejected));
                        report.close(Err(error));
                    }
                    None if self.policy == PreviousVersion::Try => {
                        report.progress.stage = ReportStage::Fetched;
                        self.open.push(report);
                    }
                    None => report.close(Ok(CredentialCheck::Same)),
                },
                (ReportStage::Reverting, false) => {
                    // Without the version before, whatever refused it, the vault's latest stays.
                    let outage = failed.filter(Error::is_transient);
                    report.close(outage.map_or(Ok(CredentialCheck::Same), Err));
                }
            }
        }
    }
}

impl Progress {
    fn to(stage: ReportStage, waiting: BTreeSet<SecretId>) -> Self {
        Self { stage, waiting, failure: None }
    }
}

impl OpenReport {
    /// Returns the rejected secrets without their versions.
    fn latest(&self) -> BTreeSet<SecretId> {
        self.rejected.iter().map(SecretId::latest).collect()
    }

    fn has_changed(&self, known: &KnownSecrets) -> bool {
        self.rejected.iter().any(|id| known.get(&id.latest()).is_some_and(|secret| secret.secret().id() != id))
    }

    fn close(self, answer: Result<CredentialCheck>) {
        // A caller that gave up needs no answer.
        _ = self.reply.send(answer);
    }
}

/// Marks a version as rejected. If that is the version before, the latest gets another chance.
fn mark_rejected(known: &mut KnownSecrets, rejected: &SecretId) {
    let id = rejected.latest();
    if known.get(&id).is_some_and(|secret| *secret.state() == VersionState::Previous) {
        known.clear_rejected(&id);
    }
    if let Some(version) = rejected.version() {
        known.reject(&id, version);
    }
}

/// The pause before the vault is asked again about a rejected version: it had nothing newer a moment ago.
///
/// Pauses double, so that a storm of reports does not use up in a moment the budget for a whole rotation, and a new
/// version is found after at most twice the time that it took to appear.
#[derive(Clone, Copy, Debug)]
struct ReportPause {
    until: Instant,
    count: u32,
}

impl ReportPause {
    /// Begins a pause of at most `longest`, after `last` if there was one.
    fn after(last: Option<Self>, longest: Duration, now: Instant) -> Self {
        // After a long time without reports this is another rotation.
        let last = last.filter(|last| now < instant_after(last.until, longest));
        let count = last.map_or(1, |last| last.count.saturating_add(1));
        Self { until: instant_after(now, Backoff { first: FIRST_PAUSE, longest }.exact(count)), count }
    }
}

/// Longer than a request takes, and too short for a user to notice.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_last_until_no_report_came_for_long() {
        let longest = Duration::from_secs(15);
        let (mut now, mut last) = (Instant::now(), None);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let next = ReportPause::after(last, longest, now);
            pauses.push((next.until - now).as_millis());
            (now, last) = (next.until, Some(next));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000]);
        let later = now + longest;
        assert_eq!(ReportPause::after(last, longest, later).until, later + FIRST_PAUSE);
        assert_eq!(ReportPause::after(None, Duration::from_millis(50), now).until, now + Duration::from_millis(50));
    }
}
