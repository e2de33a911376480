//! Copying the output of the child through a redactor.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::platform;
use super::redactor::{Masker, Redactor};

/// The secrets to mask.
#[derive(Debug)]
pub(super) struct MaskedSecrets {
    secrets: Arc<[Zeroizing<String>]>,
    masker: Masker,
}

impl MaskedSecrets {
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let masker = Masker::new(secrets.iter().map(|secret| secret.as_str()));
        Self { secrets: secrets.into(), masker }
    }
}

/// The stream of this process that output is copied to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Stdout,
    Stderr,
}

impl Target {
    fn writer(self) -> Box<dyn AsyncWrite + Send + Unpin> {
        match self {
            Self::Stdout => Box::new(tokio::io::stdout()),
            Self::Stderr => Box::new(tokio::io::stderr()),
        }
    }
}

/// Copies until `from` ends or `to` is closed. In the latter case the child's next write fails with a broken pipe.
///
/// After `ended`, a pipe without data is open only because another process holds it, and is handed over.
pub(super) async fn copy<R>(mut from: R, to: Target, masked: Arc<MaskedSecrets>, ended: watch::Receiver<bool>)
where
    R: AsyncRead + Unpin + Send + TryInto<Stdio>,
{
    let mut writer = to.writer();
    let mut redactor = Redactor::new(&masked.masker);
    let mut buffer = Zeroizing::new(vec![0; BUFFER_LENGTH]);
    let mut recent = Zeroizing::new(Vec::with_capacity(2 * BUFFER_LENGTH));
    let mut silence = MAX_SILENCE;
    loop {
        let has_ended = *ended.borrow();
        let (waiting, max_silence) = (Instant::now(), silence);
        let mut end = ended.clone();
        let silence_after_end = async move {
            // The sender is dropped only with the child.
            let _ = end.wait_for(|ended| *ended).await;
            sleep(max_silence).await;
        };
        let (out, is_over) = tokio::select! {
            biased;
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => (redactor.flush(), true),
                Ok(length) => {
                    remember(&mut recent, &buffer[..length]);
                    (redactor.feed(&buffer[..length]), false)
                }
            },
            () = sleep(MAX_DELAY), if redactor.is_holding_back() => (redactor.flush(), false),
            () = silence_after_end => {
                let out = redactor.flush();
                if write(&mut writer, &out).await.is_err() {
                    return;
                }
                if let Some(from) = platform::hand_over(from, to, Arc::clone(&masked.secrets), recent).await {
                    drain(from, &mut writer, &mut redactor).await;
                }
                return;
            }
        };
        if has_ended {
            // Data of the child itself needs no waiting: all of it is in the pipe.
            silence = silence.saturating_sub(waiting.elapsed());
        }
        if write(&mut writer, &out).await.is_err() || is_over {
            return;
        }
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), out: &[u8]) -> io::Result<()> {
    writer.write_all(out).await?;
    writer.flush().await
}

/// Copies the rest of a pipe that cannot be handed over.
async fn drain(mut from: impl AsyncRead + Unpin, writer: &mut (impl AsyncWrite + Unpin), redactor: &mut Redactor<'_>) {
    let mut buffer = Zeroizing::new(vec![0; BUFFER_LENGTH]);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut out = redactor.feed(&buffer[..length]);
        out.extend(redactor.flush());
        if write(writer, &out).await.is_err() {
            return;
        }
    }
}

/// Keeps the end of the stream, in which a secret may have begun.
fn remember(recent: &mut Vec<u8>, bytes: &[u8]) {
    if recent.len() + bytes.len() > 2 * BUFFER_LENGTH {
        recent.drain(..recent.len().saturating_sub(BUFFER_LENGTH));
    }
    recent.extend_from_slice(bytes);
}

pub(super) const BUFFER_LENGTH: usize = 64 * 1024;

/// The time after which text that may be the start of a secret is written, for example a prompt.
const MAX_DELAY: Duration = Duration::from_millis(100);

/// The time without output after which a pipe is handed over that another process holds open.
const MAX_SILENCE: Duration = Duration::from_millis(500);
