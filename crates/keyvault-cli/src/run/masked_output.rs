//! Copying the output of the child through a redactor.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::sleep;

use super::redactor::{Automaton, Redactor};

/// Copies until `from` ends or `to` is closed. In the latter case the child's next write fails with a broken pipe.
pub(super) async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    masked: Arc<Automaton>,
    mut ended: watch::Receiver<bool>,
) {
    let mut redactor = Redactor::new(&masked);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let silence_after_end = async {
            // The sender is dropped only with the child.
            let _ = ended.wait_for(|ended| *ended).await;
            sleep(MAX_SILENCE).await;
        };
        let (out, is_over) = tokio::select! {
            biased;
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => (redactor.flush(), true),
                Ok(length) => (redactor.feed(&buffer[..length]), false),
            },
            () = sleep(MAX_DELAY), if redactor.is_holding_back() => (redactor.flush(), false),
            () = silence_after_end => (redactor.flush(), true),
        };
        let written = async {
            to.write_all(&out).await?;
            to.flush().await
        };
        if written.await.is_err() || is_over {
            return;
        }
    }
}

/// The time after which text that may be the start of a secret is written, for example a prompt.
const MAX_DELAY: Duration = Duration::from_millis(100);

/// The time without output after which a pipe is closed that another process holds open.
const MAX_SILENCE: Duration = Duration::from_millis(500);
