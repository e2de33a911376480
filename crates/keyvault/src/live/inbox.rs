//! News of secrets that was not acted on yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::agenda::Due;
use super::budget::{Allowance, Budget};
use crate::names::NameMap;
use crate::push::{PushEvent, SecretEvent, SecretEventKind};
use crate::resolver::{KnownSecrets, Resolver, Want};
use crate::secret::SecretId;

/// Where events go in without waiting, however many there are.
///
/// It keeps no queue: what is due is a set of secrets that the settings use, and a flag that everything is. An event that
/// tells nothing new leaves no trace but a count.
pub(super) struct Inbox {
    resolver: Resolver,
    names: Option<NameMap>,
    spread: Duration,
    state: Mutex<State>,
    pub(super) filled: Notify,
}

#[derive(Default)]
struct State {
    held: Arc<KnownSecrets>,
    mail: Mail,
    /// Versions whose expiry was acted on.
    expiries: BTreeSet<(SecretId, bool)>,
    /// How often events may yet make a secret due in vain, or everything.
    budgets: BTreeMap<Option<SecretId>, Budget>,
    news: News,
}

/// What there is to do.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) due: BTreeMap<SecretId, Due>,
    pub(super) complete: Option<Instant>,
}

/// How many events came, and when the last did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) received: u64,
    pub(super) heeded: u64,
    pub(super) last: Option<Instant>,
}

enum Sorted {
    Irrelevant,
    Secret(Want),
    Everything,
}

impl Inbox {
    pub(super) fn new(resolver: Resolver, names: Option<NameMap>, spread: Duration) -> Self {
        Self { resolver, names, spread, state: Mutex::default(), filled: Notify::new() }
    }

    /// Takes an event in. It is acted on after a random part of the spread.
    pub(super) fn put(&self, event: PushEvent) {
        let now = Instant::now();
        let spread = self.spread.mul_f64(fastrand::f64());
        let mut state = self.lock();
        state.news.received = state.news.received.saturating_add(1);
        state.news.last = Some(now);
        let (id, sorted) = match event {
            PushEvent::MayHaveLost => (None, Sorted::Everything),
            PushEvent::Secret(event) => (Some(event.id.latest()), self.sort(&mut state, &event)),
        };
        match (id, sorted) {
            (_, Sorted::Irrelevant) => return,
            (Some(id), Sorted::Secret(wanted)) => match state.mail.due.get_mut(&id) {
                Some(due) => due.wanted.join(wanted),
                None => {
                    let at = now + spread.max(state.pause(Some(&id), now));
                    state.mail.due.insert(id, Due::new(at, wanted));
                }
            },
            _ if state.mail.complete.is_some() => {}
            _ => state.mail.complete = Some(now + spread.max(state.pause(None, now))),
        }
        state.news.heeded = state.news.heeded.saturating_add(1);
        drop(state);
        self.filled.notify_one();
    }

    fn sort(&self, state: &mut State, event: &SecretEvent) -> Sorted {
        // Of a vault that is not allowed nothing is held, and the name map is for the default vault.
        let id = event.id.latest();
        let is_new = event.kind == SecretEventKind::NewVersion;
        match (state.held.get(&id), event.id.version()) {
            (Some(_), None) => Sorted::Secret(Want::latest()),
            (Some(holding), Some(version)) if is_new => match holding.has_seen(version) {
                true => Sorted::Irrelevant,
                false => Sorted::Secret(version_of(event)),
            },
            (Some(holding), Some(_)) => {
                // That an older version expires is no news, and neither is what was told before.
                let is_held = holding.secret().id() == &event.id;
                let told = (event.id.clone(), event.kind == SecretEventKind::Expired);
                if is_held && state.expiries.insert(told) { Sorted::Secret(Want::latest()) } else { Sorted::Irrelevant }
            }
            (None, _) if is_new && state.held.is_absent(&id) => Sorted::Secret(version_of(event)),
            (None, _) if is_new && self.takes(&state.held, &id) => Sorted::Everything,
            (None, _) => Sorted::Irrelevant,
        }
    }

    /// Tells whether the name map takes a secret that it did not take yet.
    fn takes(&self, held: &KnownSecrets, id: &SecretId) -> bool {
        let is_a_certificate = held.listing().get(id.name()).is_some_and(|item| item.managed());
        let takes = self.names.as_ref().is_some_and(|map| map.may_take(id.name(), is_a_certificate));
        takes && id.vault() == self.resolver.vault()
    }

    /// Hands out what there is to do.
    pub(super) fn empty(&self) -> Mail {
        std::mem::take(&mut self.lock().mail)
    }

    /// Learns what is held now, by which events are sorted.
    pub(super) fn learn(&self, held: Arc<KnownSecrets>) {
        let mut state = self.lock();
        let is_held = |id: &SecretId| held.get(&id.latest()).is_some_and(|holding| holding.secret().id() == id);
        state.expiries.retain(|(id, _)| is_held(id));
        let State { held: before, budgets, .. } = &mut *state;
        let version = |held: &KnownSecrets, id: &SecretId| held.get(id).map(|holding| holding.secret().id().clone());
        let is_known = |id: &SecretId| held.get(id).is_some() || held.is_absent(id);
        // Events that told of something new are no flood, however many there are.
        let is_in_vain = |id: &SecretId| version(before, id) == version(&held, id);
        budgets.retain(|id, _| id.as_ref().is_none_or(|id| is_known(id) && is_in_vain(id)));
        state.held = held;
    }

    /// Tells how many events came.
    pub(super) fn news(&self) -> News {
        self.lock().news
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells how long a secret, or everything, must wait because events made it due too often.
    fn pause(&mut self, id: Option<&SecretId>, now: Instant) -> Duration {
        let allowance = if id.is_some() { OF_ONE } else { OF_EVERYTHING };
        let budget = self.budgets.entry(id.cloned()).or_insert_with(|| Budget::full(now));
        let Err(wait) = budget.take(allowance, now) else { return Duration::ZERO };
        wait
    }
}

/// How often events may make one secret due in vain: a flood is no reason to ask without a pause.
const OF_ONE: Allowance = Allowance { burst: 5, refill: Duration::from_secs(5) };
/// How often they may make everything due.
const OF_EVERYTHING: Allowance = Allowance { burst: 3, refill: Duration::from_secs(20) };

fn version_of(event: &SecretEvent) -> Want {
    match event.id.version() {
        Some(version) => Want { versions: [version.clone()].into(), latest: false },
        None => Want::latest(),
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("news", &self.news()).finish_non_exhaustive()
    }
}
