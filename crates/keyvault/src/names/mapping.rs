//! The mapping of one load: which secrets become settings, under which keys.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::collision::collisions;
use super::name_map::NameMap;
use super::requested_secret::{RequestedSecret, Requirement};
use super::validity::Consequence;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::settings::{HELP_WITH_DISABLED, Key, MappedSecret, MappedSecrets, MappingNote, SecretIssue, mixed_lists};

/// Builds the mapping of one load, one secret after the other.
pub(crate) struct MappingBuilder<'m> {
    map: &'m NameMap,
    now: SystemTime,
    /// The settings, each with its contributor.
    candidates: Vec<(Key, Candidate)>,
    notes: Vec<MappingNote>,
    failures: Vec<Error>,
}

impl<'m> MappingBuilder<'m> {
    pub(crate) fn new(map: &'m NameMap, now: SystemTime) -> Self {
        Self { map, now, candidates: Vec::new(), notes: Vec::new(), failures: Vec::new() }
    }

    /// Returns the key of a listed secret if the load has to read it. A due secret is always read: the list may not
    /// show its new version yet.
    pub(crate) fn admit(&mut self, item: &SecretProperties, is_due: bool) -> Option<Key> {
        let key = self.map.key(item.id().name())?;
        if is_due {
            return Some(key);
        }
        if !self.map.takes(item, false) {
            return None;
        }
        match self.map.rules.check(item, self.now) {
            // The secret is checked again after it is read, because it may be newer than the list.
            None | Some((_, Consequence::Take { .. })) => Some(key),
            Some((issue, consequence)) => {
                self.note(&key, item, issue, consequence);
                None
            }
        }
    }

    /// Adds a requested secret with the result of reading it.
    pub(crate) fn add(&mut self, request: RequestedSecret, id: &SecretId, result: Result<Arc<Secret>>) {
        let RequestedSecret { key, requirement, .. } = request;
        let secret = match result {
            Ok(secret) => secret,
            Err(error) => return self.add_failure(&key, id, requirement, error),
        };
        let is_named = matches!(requirement, Requirement::Required | Requirement::Optional);
        if !self.map.takes(secret.properties(), is_named) {
            return;
        }
        if let Some((issue, consequence)) = self.map.rules.check(secret.properties(), self.now) {
            self.note(&key, secret.properties(), issue, consequence);
            if !matches!(consequence, Consequence::Take { .. }) {
                return;
            }
        }
        self.take(key, secret);
    }

    fn add_failure(&mut self, key: &Key, id: &SecretId, requirement: Requirement, error: Error) {
        match requirement {
            Requirement::Possible if error.is_missing() => {}
            Requirement::Optional if error.is_missing() => {
                let properties = SecretProperties::new(id.clone());
                self.note(key, &properties, SecretIssue::Missing, Consequence::Skip { warn: false });
            }
            _ if error.is_disabled() => match self.map.rules.disabled() {
                (_, Consequence::Fail) => self.fail(key, id, error.with_help(HELP_WITH_DISABLED)),
                (issue, skip) => self.note(key, &SecretProperties::new(id.clone()), issue, skip),
            },
            Requirement::Listed if is_denied_by_vault(&error) => self.fail(key, id, error.with_help(HELP_WITH_DENIED)),
            _ => self.fail(key, id, error),
        }
    }

    fn note(&mut self, key: &Key, secret: &SecretProperties, issue: SecretIssue, consequence: Consequence) {
        let id = secret.id();
        let (is_taken, is_warning) = match consequence {
            Consequence::Take { warn } => (true, warn),
            Consequence::Skip { warn } => (false, warn),
            Consequence::Fail => return self.fail(key, id, issue.error().about(id)),
        };
        let (key, secret, created) = (key.clone(), id.clone(), secret.created());
        self.notes.push(MappingNote { key, secret, issue, is_taken, is_warning, created });
    }

    fn fail(&mut self, key: &Key, id: &SecretId, error: Error) {
        self.failures.push(error.at(key.to_string(), MappedSecrets::origin(id)));
    }

    fn take(&mut self, key: Key, secret: Arc<Secret>) {
        match self.map.expand(&secret, &key) {
            None => {
                let candidate = Candidate { member: String::new(), secret: MappedSecret { secret, part: None } };
                self.candidates.push((key, candidate));
            }
            Some(Err(error)) => self.fail(&key, &secret.id().clone(), error),
            Some(Ok(values)) => self.candidates.extend(values.into_iter().map(|value| {
                let secret = MappedSecret { secret: Arc::clone(&secret), part: Some(Arc::new(value.part)) };
                (value.key, Candidate { member: value.member, secret })
            })),
        }
    }

    /// Returns whether secrets give the same setting, or settings that exclude each other.
    pub(crate) fn has_collisions(&mut self) -> bool {
        !self.collisions().is_empty()
    }

    fn collisions(&mut self) -> Vec<Error> {
        self.candidates.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mixed = mixed_lists(self.candidates.iter().map(|(key, candidate)| (key, &candidate.secret)));
        collisions(&self.candidates, mixed)
    }

    /// Keeps only the settings for which `keeps` returns `true`.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&Key, &SecretId) -> bool) {
        self.candidates.retain(|(key, candidate)| keeps(key, candidate.secret.id()));
    }

    /// Ends the mapping.
    ///
    /// # Errors
    ///
    /// Every failure and every collision, in one error.
    pub(crate) fn finish(mut self) -> Result<MappedSecrets> {
        let collisions = self.collisions();
        self.failures.extend(collisions);
        self.failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
        self.notes.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some(error) = Error::join(self.failures) {
            return Err(error);
        }
        let secrets = self.candidates.into_iter().map(|(key, candidate)| (key, candidate.secret)).collect();
        let mut mapped = MappedSecrets::from_sorted(secrets);
        mapped.notes = self.notes.into();
        Ok(mapped)
    }
}

/// Returns whether the identity may not read this secret. A firewall denies every secret.
fn is_denied_by_vault(error: &Error) -> bool {
    let has_other_advice = !matches!(error.inner_code(), Some("ForbiddenByRbac" | "AccessDenied") | None);
    error.kind() == ErrorKind::Denied && !has_other_advice
}

const HELP_WITH_DENIED: &str = "let the identity read the secret (role Key Vault Secrets User, which takes minutes to \
                                apply, or Get in the access policy), or take fewer secrets by name: NameMap::prefix, \
                                tag or only_keys_of, or references_only()";

/// A secret, or a value in an expanded JSON secret, that becomes a setting.
struct Candidate {
    /// The path of the value in an expanded JSON secret; empty for the whole secret.
    member: String,
    secret: MappedSecret,
}

/// Writes the name of the secret, with the member, for an error about a collision.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.secret.id().name();
        match self.member.as_str() {
            "" => write!(f, "{name}"),
            member => write!(f, "{name} (member {member})"),
        }
    }
}
