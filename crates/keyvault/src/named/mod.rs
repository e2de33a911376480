//! Secrets under the keys that their names give.

mod naming;
mod tree;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::{Fuse, join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::sleep;

use self::naming::Naming;
pub use self::tree::NamedTree;
use crate::error::{Error, ErrorKind, Result};
use crate::held::Listing;
use crate::ids::Fixed;
use crate::key::Key;
use crate::name_map::{Finding, NameMap, Presence, Requested};
use crate::opened::Content;
use crate::pass::Pass;
use crate::properties::SecretProperties;
use crate::secret::{Secret, SecretId};
use crate::status::ReferenceStatus;

/// Secrets under the keys that their names give.
///
/// `Clone` is cheap. `Debug` shows keys and secrets' names.
#[derive(Clone, Default)]
pub struct NamedSecrets {
    /// In the order of the keys.
    secrets: Arc<[(Key, NamedSecret)]>,
    notes: Arc<[NameNote]>,
}

/// One setting that a secret's name gives: the secret, or a value in a JSON secret that was opened.
#[derive(Clone)]
pub struct NamedSecret {
    secret: Arc<Secret>,
    /// None for the whole secret.
    part: Option<Arc<Content>>,
}

/// What kind of value a [`NamedSecret`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamedKind {
    /// Text; every other kind is of an opened JSON secret.
    Text,
    /// A table without members.
    EmptyTable,
    /// A list without elements.
    EmptyList,
    /// Nothing, which holds a place in a list.
    Null,
}

/// Something about a secret that a name map takes, or would have taken, which people should know.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NameNote {
    /// The setting that the secret gives.
    pub key: Key,
    /// Which secret: with its version if it was got.
    pub secret: SecretId,
    /// What is the matter with it.
    pub finding: Finding,
    /// Whether it was taken all the same.
    pub is_taken: bool,
    is_loud: bool,
    /// Tells versions apart where a list, which names none, is all that is known.
    created: Option<SystemTime>,
}

impl NamedSecrets {
    /// Gives every secret with its key, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &NamedSecret)> {
        self.secrets.iter().map(|(key, secret)| (key, secret))
    }

    /// Finds what the secret at `key` is.
    pub fn get(&self, key: &Key) -> Option<&NamedSecret> {
        let at = self.secrets.binary_search_by(|(one, _)| one.cmp(key)).ok()?;
        Some(&self.secrets[at].1)
    }

    /// Tells what was found about secrets that are disabled, outside their dates, or missing where they may be; in the
    /// order of the keys.
    pub fn notes(&self) -> &[NameNote] {
        &self.notes
    }
}

impl NameNote {
    /// Tells where the setting would have been written.
    pub(crate) fn origin(&self) -> String {
        origin(&self.secret)
    }
}

impl NamedSecret {
    pub(crate) fn secret(&self) -> &Arc<Secret> {
        &self.secret
    }

    /// Tells which secret the setting comes from, with its version.
    pub fn id(&self) -> &SecretId {
        self.secret.id()
    }

    /// Tells everything about that secret but its value.
    pub fn properties(&self) -> &SecretProperties {
        self.secret.properties()
    }

    /// Tells what kind of value it is.
    pub fn kind(&self) -> NamedKind {
        match self.part.as_deref() {
            None | Some(Content::Text(_)) => NamedKind::Text,
            Some(Content::EmptyTable) => NamedKind::EmptyTable,
            Some(Content::EmptyList) => NamedKind::EmptyList,
            Some(Content::Null) => NamedKind::Null,
        }
    }

    /// Gives out the plaintext, which is empty if the value is no text.
    pub fn expose_secret(&self) -> &str {
        match self.part.as_deref() {
            None => self.secret.expose_secret(),
            Some(Content::Text(text)) => text,
            Some(_) => "",
        }
    }
}

impl fmt::Debug for NamedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, secret)| (key.to_string(), secret.id()))).finish()
    }
}

impl fmt::Debug for NamedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedSecret").field("id", self.id()).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Display for NameNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.is_taken { "taken" } else { "left out" };
        write!(f, "{} is {outcome}: {}: {}", self.key, self.finding, self.secret)
    }
}

impl Pass<'_> {
    /// Gives the secrets of the default vault that `map` takes, under their keys.
    ///
    /// Of a list, one request for 25 secrets of the vault and one for each that changed; fetching begins while the list
    /// goes on. Of names, one request for each.
    pub(crate) async fn named(&mut self, map: &NameMap) -> Result<NamedSecrets> {
        // One time for all, so that two secrets that expire together do.
        let mut naming = Naming::new(map, self.time());
        let candidates = match map.requested()? {
            Some(requested) => self.fetch_by_name(requested).await,
            None => self.fetch_by_list(&mut naming).await?,
        };
        candidates.into_iter().for_each(|candidate| self.decide(&mut naming, candidate));
        let named = naming.finish()?;
        self.warn(&named.notes);
        self.keep_notes(&named.notes);
        Ok(named)
    }

    /// Decides about a secret that was taken.
    fn decide(&self, naming: &mut Naming<'_>, candidate: Requested) {
        let id = SecretId::new(self.vault().clone(), candidate.name.clone());
        self.judged_by_name(&id);
        naming.decide(candidate, &id, self.taken(&id));
    }

    async fn fetch_by_name(&self, requested: Vec<Requested>) -> Vec<Requested> {
        let ids = requested.iter().map(|request| SecretId::new(self.vault().clone(), request.name.clone()));
        join_all(ids.map(|id| self.fetch_one(id))).await;
        requested
    }

    async fn fetch_by_list(&mut self, naming: &mut Naming<'_>) -> Result<Vec<Requested>> {
        let mut listed = Listing::with_capacity_and_hasher(self.size(), Fixed::default());
        let mut list = self.list().fuse();
        let mut fetches = FuturesUnordered::new();
        let (mut candidates, mut waiting) = (Vec::new(), Vec::new());
        let mut head_start = pin!(Fuse::terminated());
        loop {
            tokio::select! {
                biased;
                item = list.next(), if !list.is_done() => {
                    let Some(item) = item else {
                        fetches.extend(waiting.drain(..).map(|item| self.fetch_listed(item)));
                        // While the last answers are waited for.
                        naming.sort();
                        continue;
                    };
                    let item = item.map_err(|error| self.unlisted(error))?;
                    let name = item.id().name().clone();
                    let is_due = self.is_due(item.id());
                    if let Some(key) = naming.admit(&item, is_due) {
                        let candidate = Requested { name: name.clone(), key, presence: Presence::Listed };
                        if self.take_known(&item) {
                            // There is time for it while the list goes on.
                            self.decide(naming, candidate);
                        } else if is_due {
                            candidates.push(candidate);
                            fetches.push(self.fetch_listed(item.clone()));
                        } else {
                            candidates.push(candidate);
                            if waiting.is_empty() {
                                head_start.set(async { sleep(HEAD_START).await }.fuse());
                            }
                            waiting.push(item.clone());
                        }
                    }
                    listed.insert(name, item);
                }
                () = &mut head_start, if !waiting.is_empty() => {
                    fetches.extend(waiting.drain(..).map(|item| self.fetch_listed(item)));
                }
                Some(()) = fetches.next() => {}
                else => break,
            }
        }
        drop(fetches);
        self.keep_list(listed);
        Ok(candidates)
    }

    /// Says what a list was for, which names no secret.
    fn unlisted(&self, error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::Denied => error.with_help(
                "let the identity list secrets (role Key Vault Secrets User, or List in an access policy), or do without: \
                 NameMap::only_keys_of or only, or references_only()",
            ),
            _ => error,
        };
        error.at("the secrets by name", format!("vault {}", self.vault()))
    }

    /// Warns of each version once, for a refresh finds the same as the last.
    fn warn(&self, notes: &[NameNote]) {
        for note in notes.iter().filter(|note| note.is_loud && self.is_news(note)) {
            let NameNote { key, secret, finding, is_taken, .. } = note;
            tracing::warn!(setting = %key, %secret, is_taken, "{finding}");
        }
    }
}

/// How long the secrets of a page wait after the next page was asked for. The answers of 25 secrets come all at once and
/// keep the processor busy; a page whose answer came among them would come later, and all pages after it.
const HEAD_START: Duration = Duration::from_millis(1);

fn origin(id: &SecretId) -> String {
    format!("the names in vault {}", id.vault())
}

/// The kind says that there is no value, and the status that there is a secret.
pub(crate) fn is_disabled(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.status() == ReferenceStatus::AccessToKeyVaultDenied
}
