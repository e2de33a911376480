//! What is done when a server refuses what is in the settings.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::budget::{Allowance, Budget};
use super::rest::Rest;
use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{KnownSecrets, VersionState};
use crate::secret::SecretId;

/// What became of a credential that was [rejected](super::Live::rejected).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CredentialCheck {
    /// The settings have another version than the one that was refused: try again with the current ones.
    Changed,
    /// The vault has nothing else to try, or had nothing a moment ago. Whoever rotates may not be done yet: try again later.
    Same,
    /// The vault has nothing newer, and the settings have the version before: try again with the current ones.
    Previous,
}

/// Whether the version before may be tried in the place of one that a server refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PreviousVersion {
    /// Only the latest version is used.
    #[default]
    Never,
    /// The version before is tried if the vault has nothing newer: right where two credentials are valid in turns, as with
    /// the two keys of a storage account.
    Try,
}

/// The rejections that were not answered yet.
pub(super) struct Docket {
    cases: Vec<Case>,
    budgets: BTreeMap<SecretId, Budget>,
    /// Of the versions that were refused.
    rests: BTreeMap<SecretId, Rest>,
    allowance: Allowance,
    policy: PreviousVersion,
}

struct Case {
    /// What was refused, with versions.
    suspects: Vec<SecretId>,
    stage: Stage,
    reply: Verdict,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    New,
    /// The vault is asked for something newer.
    Asked,
    /// The version before is tried.
    Reverting,
}

pub(super) type Verdict = oneshot::Sender<Result<CredentialCheck>>;

impl Docket {
    pub(super) fn new(allowance: Allowance, policy: PreviousVersion) -> Self {
        Self { cases: Vec::new(), budgets: BTreeMap::new(), rests: BTreeMap::new(), allowance, policy }
    }

    /// Opens a case. What is refused twice is one case with two who wait.
    pub(super) fn open(&mut self, suspects: Vec<SecretId>, reply: Verdict) {
        let under_way = self.cases.iter().find(|case| case.suspects == suspects);
        let stage = under_way.map_or(Stage::New, |case| case.stage);
        self.cases.push(Case { suspects, stage, reply });
    }

    /// Tells whether a case is to be heard.
    pub(super) fn is_waiting(&self) -> bool {
        !self.cases.is_empty()
    }

    /// Hears the new cases: some can be answered at once, and the latest version is asked for on behalf of the others.
    pub(super) fn hear(&mut self, held: &mut KnownSecrets, now: Instant) -> BTreeSet<SecretId> {
        self.budgets.retain(|id, _| held.get(id).is_some());
        self.rests.retain(|id, _| held.get(&id.latest()).is_some_and(|holding| holding.secret().id() == id));
        let mut granted = BTreeSet::new();
        for mut case in std::mem::take(&mut self.cases) {
            if case.stage == Stage::New {
                // A version that is named in a reference has no other.
                case.suspects.retain(|id| held.get(&id.latest()).is_some());
                if let Some(verdict) = self.answer_at_once(&case, held, &mut granted, now) {
                    case.close(verdict);
                    continue;
                }
                for suspect in &case.suspects {
                    condemn(held, suspect);
                }
                case.stage = Stage::Asked;
            }
            self.cases.push(case);
        }
        granted
    }

    fn answer_at_once(
        &mut self,
        case: &Case,
        held: &KnownSecrets,
        granted: &mut BTreeSet<SecretId>,
        now: Instant,
    ) -> Option<Result<CredentialCheck>> {
        if case.suspects.is_empty() {
            return Some(Ok(CredentialCheck::Same));
        }
        if case.has_changed(held) {
            return Some(Ok(CredentialCheck::Changed));
        }
        let rests = |id: &SecretId| self.rests.get(id).is_some_and(|rest| !rest.is_over(now));
        // Who comes together with the one that begins a rest is asked for with that one.
        if case.suspects.iter().all(|suspect| !granted.contains(&suspect.latest()) && rests(suspect)) {
            return Some(Ok(CredentialCheck::Same));
        }
        for suspect in &case.suspects {
            let id = suspect.latest();
            if granted.contains(&id) {
                continue;
            }
            let budget = self.budgets.entry(id.clone()).or_insert_with(|| Budget::full(now));
            if let Err(wait) = budget.take(self.allowance, now) {
                let kind = ErrorKind::Throttled { retry_after: Some(wait) };
                let error = Error::new(kind, "secret was rejected so often that the vault is not asked again yet");
                return Some(Err(error.about(suspect)));
            }
            granted.insert(id);
            let rest = Rest::after(self.rests.get(suspect).copied(), self.allowance.refill, now);
            self.rests.insert(suspect.clone(), rest);
        }
        None
    }

    /// Tells for which secrets the version before is to be tried.
    pub(super) fn reverting(&self) -> BTreeSet<SecretId> {
        let reverting = self.cases.iter().filter(|case| case.stage == Stage::Reverting);
        reverting.flat_map(|case| case.suspects.iter().map(SecretId::latest)).collect()
    }

    /// Draws the consequences of a step.
    pub(super) fn conclude(&mut self, held: &KnownSecrets, failure: Option<&Error>) {
        for mut case in std::mem::take(&mut self.cases) {
            match (case.stage, case.has_changed(held), failure) {
                (Stage::New, ..) => self.cases.push(case),
                (Stage::Asked, true, _) => case.close(Ok(CredentialCheck::Changed)),
                (Stage::Asked, false, Some(error)) => {
                    // What the vault has is not known.
                    case.suspects.iter().for_each(|suspect| _ = self.rests.remove(suspect));
                    case.close(Err(error.clone()));
                }
                (Stage::Asked, false, None) if self.policy == PreviousVersion::Try => {
                    case.stage = Stage::Reverting;
                    self.cases.push(case);
                }
                (Stage::Reverting, true, _) => case.close(Ok(CredentialCheck::Previous)),
                (Stage::Asked | Stage::Reverting, false, _) => case.close(Ok(CredentialCheck::Same)),
            }
        }
    }
}

impl Case {
    fn has_changed(&self, held: &KnownSecrets) -> bool {
        self.suspects.iter().any(|id| held.get(&id.latest()).is_some_and(|holding| holding.secret().id() != id))
    }

    fn close(self, verdict: Result<CredentialCheck>) {
        // Whoever gave up waiting needs no answer.
        _ = self.reply.send(verdict);
    }
}

/// Remembers what was refused. Where that is the version before, the latest gets another chance.
fn condemn(held: &mut KnownSecrets, suspect: &SecretId) {
    let id = suspect.latest();
    if held.get(&id).is_some_and(|holding| *holding.state() == VersionState::Previous) {
        held.clear_rejected(&id);
    }
    if let Some(version) = suspect.version() {
        held.reject(&id, version);
    }
}
