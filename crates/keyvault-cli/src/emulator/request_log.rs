//! One line of standard error for each request.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use keyvault_emulator::LoggedRequest;

/// The log of requests. A slow reader does not slow the vault down: it loses lines instead.
pub(super) struct RequestLog(SyncSender<String>);

impl RequestLog {
    /// Starts a thread that writes the lines, because a pipe without a reader blocks its writer.
    pub(super) fn start() -> Self {
        let (sender, lines) = sync_channel::<String>(MAX_PENDING_LINES);
        thread::spawn(move || {
            while let Ok(line) = lines.recv() {
                // The emulator keeps serving if standard error is closed.
                let _ = writeln!(io::stderr(), "{line}");
            }
        });
        Self(sender)
    }

    pub(super) fn record(&self, request: &LoggedRequest, time: Duration) {
        let _ = self.0.try_send(line(request, time));
    }
}

/// The number of lines that wait for the writer before further lines are dropped.
const MAX_PENDING_LINES: usize = 10_000;

/// Formats a request without its query, which can be long.
fn line(request: &LoggedRequest, time: Duration) -> String {
    let path = request.path_and_query.split('?').next().unwrap_or_default();
    let status = if request.status == 0 { "---".to_owned() } else { request.status.to_string() };
    format!("{} {path} {status} {:.1} ms", request.method, time.as_secs_f64() * 1e3)
}
