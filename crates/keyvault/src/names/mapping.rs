//! The mapping of one load: which secrets become settings, under which keys.

use std::sync::Arc;
use std::time::SystemTime;

use super::collision::{Contributors, collisions, is_clear};
use super::name_map::NameMap;
use super::requested_secret::{RequestedSecret, Requirement};
use super::validity::Consequence;
use crate::error::{Error, Result};
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::settings::{HELP_WITH_DISABLED, Key, MappedSecret, MappedSecrets, MappingNote, SecretIssue};

/// Builds the mapping of one load, one secret after the other.
pub(crate) struct MappingBuilder<'m> {
    map: &'m NameMap,
    now: SystemTime,
    candidates: Vec<Candidate>,
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
        match self.map.validity().check(item, self.now) {
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
        if let Some((issue, consequence)) = self.map.validity().check(secret.properties(), self.now) {
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
            _ if error.is_disabled() => match self.map.validity().disabled() {
                (_, Consequence::Fail) => self.fail(key, id, error.with_help(HELP_WITH_DISABLED)),
                (issue, skip) => self.note(key, &SecretProperties::new(id.clone()), issue, skip),
            },
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
        self.notes.push(MappingNote::new(key.clone(), secret, issue, is_taken, is_warning));
    }

    fn fail(&mut self, key: &Key, id: &SecretId, error: Error) {
        self.failures.push(error.at(key.to_string(), MappedSecrets::origin(id)));
    }

    fn take(&mut self, key: Key, secret: Arc<Secret>) {
        match self.map.expand(&secret, &key) {
            None => self.candidates.push(Candidate { key, member: String::new(), secret: MappedSecret::whole(secret) }),
            Some(Err(error)) => self.fail(&key, &secret.id().clone(), error),
            Some(Ok(values)) => self.candidates.extend(values.into_iter().map(|value| Candidate {
                key: value.key,
                member: value.member,
                secret: MappedSecret::part(Arc::clone(&secret), value.content),
            })),
        }
    }

    /// Ends the mapping.
    ///
    /// # Errors
    ///
    /// Every failure and every collision, in one error.
    pub(crate) fn finish(mut self) -> Result<MappedSecrets> {
        self.candidates.sort_by(|one, other| one.key.cmp(&other.key));
        if !is_clear(self.candidates.iter().map(|candidate| &candidate.key)) {
            let mut contributors = Contributors::new();
            for candidate in &self.candidates {
                contributors.entry(candidate.key.clone()).or_default().push(candidate.contributor());
            }
            self.failures.extend(collisions(&contributors));
        }
        self.failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
        self.notes.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some(error) = Error::join(self.failures) {
            return Err(error);
        }
        let secrets = self.candidates.into_iter().map(|candidate| (candidate.key, candidate.secret)).collect();
        Ok(MappedSecrets::new(secrets, self.notes.into()))
    }
}

/// A secret, or a value in an expanded JSON secret, that becomes a setting.
struct Candidate {
    key: Key,
    /// The path of the value in an expanded JSON secret; empty for the whole secret.
    member: String,
    secret: MappedSecret,
}

impl Candidate {
    /// Returns the name of the secret, with the member, for an error about a collision.
    fn contributor(&self) -> String {
        let name = self.secret.id().name();
        match self.member.as_str() {
            "" => name.to_string(),
            member => format!("{name} (member {member})"),
        }
    }
}
