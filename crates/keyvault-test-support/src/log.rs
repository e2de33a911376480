//! The log of one thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that this thread logs at any level, until the value is dropped. Use it on a single-threaded runtime.
#[derive(Debug)]
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
    _other: Dispatch,
}

impl Log {
    /// Starts to record this thread's log.
    pub fn begin() -> Self {
        Self::with_span_events(FmtSpan::NONE)
    }

    /// Starts to record this thread's log, with a line for each span when it ends.
    pub fn with_spans() -> Self {
        Self::with_span_events(FmtSpan::CLOSE)
    }

    fn with_span_events(events: FmtSpan) -> Self {
        // With a single subscriber, `tracing` caches the interest of the first thread that reaches a call site. That
        // may be the thread of another test, whose "never" would then count for all. With two it asks each thread.
        let other = Dispatch::new(NoSubscriber::default());
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Writer(Arc::clone(&text));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_span_events(events)
            .with_writer(move || writer.clone())
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber), _other: other }
    }

    /// Returns the text logged so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
