//! Everything that the process logs, counts and prints in panics, on every thread.

use std::io::{self, Write};
use std::panic;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything recorded since the first test began.
pub(super) struct Record {
    /// Events and spans of `tracing` at every level, and the records of `log`.
    log: Mutex<Vec<u8>>,
    /// Every name, label and value of the metrics in a snapshot.
    metrics: Mutex<String>,
    /// The messages of panics.
    panics: Mutex<String>,
    snapshotter: Snapshotter,
}

impl Record {
    /// Returns the record of this process. The first call starts it.
    pub(super) fn get() -> &'static Self {
        static RECORD: OnceLock<Record> = OnceLock::new();
        RECORD.get_or_init(Self::begin)
    }

    fn begin() -> Self {
        // `init` captures `log` too. Spans are written when they begin and when they end, because a span may have no
        // event.
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_writer(|| ToLog)
            .init();
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().expect("no other recorder is installed");
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            lock(&Self::get().panics).push_str(&format!("{info}\n{info:?}\n"));
            before(info);
        }));
        Self { log: Mutex::default(), metrics: Mutex::default(), panics: Mutex::default(), snapshotter }
    }

    pub(super) fn logged(&self) -> usize {
        lock(&self.log).len()
    }

    /// Returns the log after its first `from` bytes.
    pub(super) fn log(&self, from: usize) -> Vec<u8> {
        lock(&self.log)[from..].to_vec()
    }

    pub(super) fn panics(&self) -> String {
        lock(&self.panics).clone()
    }

    /// Returns all metrics so far. They are accumulated, because a snapshot empties the histograms.
    pub(super) fn metrics(&self) -> String {
        let snapshot = self.snapshotter.snapshot().into_vec();
        let mut metrics = lock(&self.metrics);
        metrics.push_str(&format!("{snapshot:?}\n"));
        metrics.clone()
    }
}

struct ToLog;

impl Write for ToLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&Record::get().log).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Another test that failed must not fail this one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
