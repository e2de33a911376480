//! Who seals the secrets of live settings, beside them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::envelope::{self, Binding};
use super::health::SealedHealth;
use super::refusal::SealedRefusal;
use super::snapshot::SealedSnapshot;
use super::{file, offline};
use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{Resolver, Snapshot};

/// Opens the sealed snapshot of live settings, and writes it again, on threads that may block.
#[derive(Clone)]
pub(crate) struct Sealer {
    sealed: Arc<SealedSnapshot>,
    binding: Arc<Binding>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What waits to be written: the latest, for what it replaces is of no interest any more.
    waiting: Option<Sealing>,
    /// What writes, until nothing waits.
    writer: Option<JoinHandle<()>>,
    /// As of when that is, which the writer was given last, whatever became of it.
    given: Option<SystemTime>,
    health: SealedHealth,
}

/// The secrets of settings that were published, and when they were last known good.
struct Sealing {
    snapshot: Arc<Snapshot>,
    as_of: SystemTime,
}

impl Sealer {
    /// Checks that the file may be written for the vaults of `resolver`. Reads no file.
    pub(crate) fn new(sealed: SealedSnapshot, resolver: &Resolver) -> Result<Self> {
        sealed.check_places()?;
        let binding = Arc::new(sealed.binding(resolver));
        Ok(Self { sealed: Arc::new(sealed), binding, state: Arc::default() })
    }

    /// Tells how long a start waits for the vaults before it opens the file.
    pub(crate) fn patience(&self) -> Duration {
        self.sealed.patience
    }

    /// Opens the file: gives a resolver that answers from it, and when its secrets were last known good.
    pub(crate) async fn open(&self, resolver: &Resolver) -> Result<(Resolver, SystemTime)> {
        let (sealed, binding) = (Arc::clone(&self.sealed), Arc::clone(&self.binding));
        let opened = spawn_blocking(move || sealed.open(&binding, SystemTime::now())).await;
        // The thread does not panic; should the runtime end, nobody reads this.
        let (snapshot, as_of) = opened.unwrap_or(Err(SealedRefusal::Unreadable)).map_err(|refusal| {
            Error::from(refusal).at("the sealed snapshot", self.sealed.path().display().to_string())
        })?;
        Ok((offline::resolver(resolver, snapshot), as_of))
    }

    /// Seals the secrets of the published settings soon, and does not wait for it.
    ///
    /// Secrets that `changed` are sealed in any case; those that did not, to show that they are still good: once a minute
    /// is enough for that.
    pub(crate) fn save(&self, snapshot: &Arc<Snapshot>, age: Duration, changed: bool) {
        let Some(as_of) = SystemTime::now().checked_sub(age) else { return };
        let mut state = self.state();
        let since = state.given.map(|given| as_of.duration_since(given));
        let enough = RENEWED_EVERY.min(self.sealed.max_age / 10);
        if !changed && since.is_some_and(|since| since.is_ok_and(|since| since < enough)) {
            return;
        }
        state.given = Some(as_of);
        state.waiting = Some(Sealing { snapshot: Arc::clone(snapshot), as_of });
        if state.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            let this = self.clone();
            state.writer = Some(spawn_blocking(move || this.write_what_waits()));
        }
    }

    fn write_what_waits(&self) {
        loop {
            let sealing = {
                let mut state = self.state();
                let Some(sealing) = state.waiting.take() else {
                    state.writer = None;
                    return;
                };
                sealing
            };
            let outcome = self.write(&sealing);
            if let Err(error) = &outcome {
                tracing::warn!(%error, "secrets could not be sealed for a start in an outage");
            }
            let health = &mut self.state().health;
            match outcome {
                Ok(()) => (health.saved, health.last_error) = (Some(sealing.as_of), None),
                Err(error) => health.last_error = Some(error),
            }
        }
    }

    fn write(&self, Sealing { snapshot, as_of }: &Sealing) -> Result<()> {
        let bytes = envelope::seal(snapshot, *as_of, self.sealed.key(), &self.binding)?;
        file::write(self.sealed.path(), &bytes, |_| Ok(())).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "sealed snapshot could not be written")
                .caused_by(error.kind().to_string())
        })
    }

    /// Waits until what was to be sealed is, but not for long: a disk may hang.
    pub(crate) async fn finish(&self) {
        let writer = self.state().writer.take();
        if let Some(writer) = writer {
            _ = timeout(LONGEST_FINISH, writer).await;
        }
    }

    /// Tells how the writing went.
    pub(crate) fn health(&self) -> SealedHealth {
        self.state().health.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("sealed", &self.sealed).finish_non_exhaustive()
    }
}

const RENEWED_EVERY: Duration = Duration::from_secs(60);
const LONGEST_FINISH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::key::SealingKey;
    use super::*;
    use crate::store::InMemory;

    /// Its shutdown is promised within a second.
    #[tokio::test]
    async fn a_disk_that_hangs_is_not_waited_for() {
        let key = SealingKey::from_bytes(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let sealer = Sealer::new(SealedSnapshot::new("nowhere/x.sealed", key), &vault.into()).unwrap();
        let (disk, answer) = mpsc::channel::<()>();
        sealer.state().writer = Some(spawn_blocking(move || _ = answer.recv()));
        let finished = timeout(Duration::from_secs(1), sealer.finish()).await;
        // The thread ends, and with it the test.
        drop(disk);
        finished.expect("within a second");
    }
}
