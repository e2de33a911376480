//! What becomes of secrets by name: which are taken, under which keys, and what is to be known of them.

use std::sync::Arc;
use std::time::SystemTime;

use super::{NameNote, NamedSecret, NamedSecrets, is_disabled, origin};
use crate::check::is_missing;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::name_map::{
    Consequence, Finding, Givers, HELP_WITH_DISABLED, NameMap, Presence, Requested, collisions, is_clear,
};
use crate::properties::SecretProperties;
use crate::secret::{Secret, SecretId};

/// What becomes of the secrets of one load, one after the other.
pub(super) struct Naming<'m> {
    map: &'m NameMap,
    now: SystemTime,
    given: Vec<Given>,
    notes: Vec<NameNote>,
    failures: Vec<Error>,
}

impl<'m> Naming<'m> {
    pub(super) fn new(map: &'m NameMap, now: SystemTime) -> Self {
        Self { map, now, given: Vec::new(), notes: Vec::new(), failures: Vec::new() }
    }

    /// Tells the key of a listed secret if it is to be fetched: that is also how to know of one with news.
    pub(super) fn admit(&mut self, item: &SecretProperties, has_news: bool) -> Option<Key> {
        let key = self.map.key(item.id().name())?;
        if has_news {
            return Some(key);
        }
        if !self.map.takes(item, false) {
            return None;
        }
        match self.map.rules().judge(item, self.now) {
            // What is taken is judged again when it is here: it may be newer than the list.
            None | Some((_, Consequence::Take { .. })) => Some(key),
            Some((finding, consequence)) => {
                self.note(&key, item, finding, consequence);
                None
            }
        }
    }

    /// Decides about a secret that was asked for.
    pub(super) fn decide(&mut self, request: Requested, id: &SecretId, answer: Result<Arc<Secret>>) {
        let Requested { key, presence, .. } = request;
        let secret = match answer {
            Ok(secret) => secret,
            Err(error) if presence == Presence::Possible && is_missing(&error) => return,
            Err(error) if presence == Presence::Optional && is_missing(&error) => {
                let properties = SecretProperties::new(id.clone());
                return self.note(&key, &properties, Finding::Missing, Consequence::Leave { loud: false });
            }
            Err(error) if is_disabled(&error) => match self.map.rules().of_disabled() {
                (_, Consequence::Refuse) => return self.fail(&key, id, error.with_help(HELP_WITH_DISABLED)),
                (finding, left) => return self.note(&key, &SecretProperties::new(id.clone()), finding, left),
            },
            Err(error) => return self.fail(&key, id, error),
        };
        let is_named = matches!(presence, Presence::Required | Presence::Optional);
        if !self.map.takes(secret.properties(), is_named) {
            return;
        }
        if let Some((finding, consequence)) = self.map.rules().judge(secret.properties(), self.now) {
            self.note(&key, secret.properties(), finding, consequence);
            if !matches!(consequence, Consequence::Take { .. }) {
                return;
            }
        }
        self.take(key, secret);
    }

    fn note(&mut self, key: &Key, secret: &SecretProperties, finding: Finding, consequence: Consequence) {
        let id = secret.id();
        let (is_taken, is_loud) = match consequence {
            Consequence::Take { loud } => (true, loud),
            Consequence::Leave { loud } => (false, loud),
            Consequence::Refuse => return self.fail(key, id, finding.error().about(id)),
        };
        let (key, secret, created) = (key.clone(), id.clone(), secret.created());
        self.notes.push(NameNote { key, secret, finding, is_taken, is_loud, created });
    }

    fn fail(&mut self, key: &Key, id: &SecretId, error: Error) {
        self.failures.push(error.at(key.to_string(), origin(id)));
    }

    fn take(&mut self, key: Key, secret: Arc<Secret>) {
        match self.map.open(&secret, &key) {
            None => self.given.push(Given { key, member: String::new(), secret: NamedSecret { secret, part: None } }),
            Some(Err(error)) => self.fail(&key, &secret.id().clone(), error),
            Some(Ok(opened)) => self.given.extend(opened.into_iter().map(|opened| {
                let part = Some(Arc::new(opened.content));
                let secret = NamedSecret { secret: Arc::clone(&secret), part };
                Given { key: opened.key, member: opened.member, secret }
            })),
        }
    }

    /// Brings what is given in order. To do so before everything is there leaves little to be done after it.
    pub(super) fn sort(&mut self) {
        self.given.sort_by(|one, other| one.key.cmp(&other.key));
    }

    pub(super) fn finish(mut self) -> Result<NamedSecrets> {
        self.sort();
        if !is_clear(self.given.iter().map(|given| &given.key)) {
            let mut givers = Givers::new();
            for given in &self.given {
                givers.entry(given.key.clone()).or_default().push(given.giver());
            }
            self.failures.extend(collisions(&givers));
        }
        self.failures.sort_by(|one, other| one.setting().cmp(&other.setting()));
        self.notes.sort_by(|one, other| one.key.cmp(&other.key));
        if let Some(error) = Error::join(self.failures) {
            return Err(error);
        }
        let secrets = self.given.into_iter().map(|given| (given.key, given.secret)).collect();
        Ok(NamedSecrets { secrets, notes: self.notes.into() })
    }
}

/// A setting that a secret gives.
struct Given {
    key: Key,
    /// Which member of a secret that was opened; empty for the whole.
    member: String,
    secret: NamedSecret,
}

impl Given {
    fn giver(&self) -> String {
        let name = self.secret.id().name();
        match self.member.as_str() {
            "" => name.to_string(),
            member => format!("{name} (member {member})"),
        }
    }
}
