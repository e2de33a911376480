//! The background writer of the sealed snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::health::SealedHealth;
use super::payload::{Binding, CLOCKS_AGREE_WITHIN};
use super::refusal::SealedRefusal;
use super::sealed_store;
use super::snapshot::SealedSnapshot;
use crate::error::{Error, Result};
use crate::resolver::{Resolver, Snapshot};

/// Opens and writes the sealed snapshot of live settings, on threads that may block.
#[derive(Clone, Debug)]
pub(crate) struct SealedWriter {
    sealed: Arc<SealedSnapshot>,
    binding: Arc<Binding>,
    state: Arc<Mutex<WriterState>>,
}

#[derive(Debug, Default)]
struct WriterState {
    /// The secrets to write next, and the time at which they were last known good. Later ones replace earlier ones.
    pending: Option<(Arc<Snapshot>, SystemTime)>,
    /// The running write, which ends when nothing is pending.
    writer: Option<JoinHandle<()>>,
    /// The time of the secrets that were read from the file or scheduled last, whether or not their write succeeded.
    scheduled: Option<SystemTime>,
    health: SealedHealth,
}

impl SealedWriter {
    /// Binds the file to the vaults of `resolver`.
    pub(crate) fn new(sealed: SealedSnapshot, resolver: &Resolver) -> Self {
        let binding = Arc::new(sealed.binding(resolver));
        Self { sealed: Arc::new(sealed), binding, state: Arc::default() }
    }

    /// Checks that the path names a file, and that the key is not in the same directory. Reads no file.
    pub(crate) fn check_paths(&self) -> Result<()> {
        self.sealed.check_paths()
    }

    /// Returns the time for which a start tries the vaults before it opens the file.
    pub(crate) fn use_after(&self) -> Duration {
        self.sealed.use_after
    }

    /// Opens the file. Returns a resolver that answers from it, and the time at which its secrets were last known good.
    pub(crate) async fn open(&self, resolver: &Resolver, now: SystemTime) -> Result<(Resolver, SystemTime)> {
        let (sealed, binding) = (Arc::clone(&self.sealed), Arc::clone(&self.binding));
        let opened = spawn_blocking(move || sealed.open(&binding, now)).await;
        // The thread does not panic. A join error means that the runtime ends, and then no caller reads the result.
        let (snapshot, as_of) = opened.unwrap_or(Err(SealedRefusal::Unreadable)).map_err(|refusal| {
            Error::from(refusal).at("the sealed snapshot", self.sealed.path.display().to_string())
        })?;
        self.state().scheduled = Some(as_of);
        Ok((sealed_store::resolver(resolver, snapshot), as_of))
    }

    /// Schedules a write of the secrets of published settings, which were last known good at `as_of`. Returns without
    /// waiting.
    ///
    /// Changed secrets are always written. Unchanged secrets are written at most once a minute, to record that they are
    /// still good.
    pub(crate) fn save(&self, snapshot: &Arc<Snapshot>, as_of: SystemTime, changed: bool) {
        let mut state = self.state();
        // The age is measured by another clock, which drifts. A file must look newer than the one it replaces: with the
        // same time, `SealedSnapshot::not_older_than` would accept the replaced file too.
        let is_drift = |last: &SystemTime| last.duration_since(as_of).is_ok_and(|back| back <= CLOCKS_AGREE_WITHIN);
        let known = [state.scheduled, self.sealed.newest].into_iter().flatten();
        let as_of = known.filter(is_drift).max().map_or(as_of, |last| last + SMALLEST_STEP);
        let since = state.scheduled.map(|scheduled| as_of.duration_since(scheduled));
        let interval = RENEWED_EVERY.min(self.sealed.max_age / 10);
        if !changed && since.is_some_and(|since| since.is_ok_and(|since| since < interval)) {
            return;
        }
        state.scheduled = Some(as_of);
        state.pending = Some((Arc::clone(snapshot), as_of));
        if state.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            let this = self.clone();
            state.writer = Some(spawn_blocking(move || this.write_pending()));
        }
    }

    fn write_pending(&self) {
        while let Some((snapshot, as_of)) = self.next_pending() {
            let written = self.sealed.write(&snapshot, as_of, &self.binding);
            if let Err(error) = &written {
                tracing::warn!(%error, "sealed snapshot for a start in an outage could not be written");
            }
            let health = &mut self.state().health;
            match written {
                Ok(()) => (health.saved, health.last_error) = (Some(as_of), None),
                Err(error) => health.last_error = Some(error),
            }
        }
    }

    /// Takes the next secrets to write. Without any, the writer ends in the same step.
    fn next_pending(&self) -> Option<(Arc<Snapshot>, SystemTime)> {
        let mut state = self.state();
        if state.pending.is_none() {
            state.writer = None;
        }
        state.pending.take()
    }

    /// Waits for the running write, at most 500 ms: a disk may hang.
    pub(crate) async fn finish(&self) {
        let writer = self.state().writer.take();
        if let Some(writer) = writer {
            _ = timeout(LONGEST_FINISH, writer).await;
        }
    }

    /// Returns the health of the writes.
    pub(crate) fn health(&self) -> SealedHealth {
        self.state().health.clone()
    }

    fn state(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const RENEWED_EVERY: Duration = Duration::from_secs(60);
/// The resolution of [`SystemTime`] on Windows. Other systems and the file keep nanoseconds.
const SMALLEST_STEP: Duration = Duration::from_nanos(100);
const LONGEST_FINISH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::key::SealingKey;
    use super::*;
    use crate::store::InMemory;

    fn writer(path: impl Into<std::path::PathBuf>) -> SealedWriter {
        let key = SealingKey::from_bytes(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        SealedWriter::new(SealedSnapshot::new(path, key), &vault.into())
    }

    #[tokio::test]
    async fn a_file_looks_newer_than_the_one_it_replaces_though_clocks_drift() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(directory.path().join("x.sealed"));
        let mut saved = Vec::new();
        for age in [0, 5, 2, CLOCKS_AGREE_WITHIN.as_secs() + 1] {
            saved.push(save(&writer, age).await);
            let read = writer.sealed.open(&writer.binding, SystemTime::now()).unwrap().1;
            assert_eq!(read, *saved.last().unwrap(), "the file keeps the step");
        }
        assert_eq!((saved[1], saved[2]), (saved[0] + SMALLEST_STEP, saved[0] + SMALLEST_STEP * 2));
        assert!(saved[3] < saved[0], "the clock was set back");
    }

    #[tokio::test]
    async fn a_replaced_file_is_refused_though_clocks_drift() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        let writer = writer(&path);
        save(&writer, 0).await;
        let replaced = std::fs::read(&path).unwrap();
        let newest = save(&writer, 5).await;
        let next_start = SealedSnapshot::clone(&writer.sealed).not_older_than(newest);
        let opened = |sealed: &SealedSnapshot| sealed.open(&writer.binding, SystemTime::now()).map(|(_, as_of)| as_of);
        assert_eq!(opened(&next_start).unwrap(), newest);
        std::fs::write(&path, replaced).unwrap();
        assert_eq!(opened(&next_start).unwrap_err(), SealedRefusal::RolledBack);

        // A start that read the vaults knows only the stored time of the file that it replaces.
        let started = SealedWriter { sealed: Arc::new(next_start), state: Arc::default(), ..writer.clone() };
        assert_eq!(save(&started, 5).await, newest + SMALLEST_STEP);
    }

    /// Writes the file, and returns its time.
    async fn save(writer: &SealedWriter, age: u64) -> SystemTime {
        writer.save(&Arc::default(), SystemTime::now() - Duration::from_secs(age), true);
        let running = writer.state().writer.take();
        if let Some(running) = running {
            running.await.unwrap();
        }
        writer.health().saved.unwrap()
    }

    /// A shutdown ends within one second.
    #[tokio::test]
    async fn a_hanging_disk_does_not_delay_the_shutdown() {
        let writer = writer("nowhere/x.sealed");
        let (disk, answer) = mpsc::channel::<()>();
        writer.state().writer = Some(spawn_blocking(move || _ = answer.recv()));
        let finished = timeout(Duration::from_secs(1), writer.finish()).await;
        // Ends the thread, so that the test can end.
        drop(disk);
        finished.expect("within a second");
    }
}
