//! Copying the output of the child through a redactor.
//!
//! A process that the child leaves behind may write to the pipe later. Another process of this command then takes the
//! pipe over, so that the output of a server in the background stays masked and reaches its reader, and `keyvault` ends
//! when the child ends.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::redactor::{Masker, Redactor};

/// The secrets to mask.
#[derive(Debug)]
pub(super) struct MaskedSecrets {
    secrets: Vec<Zeroizing<String>>,
    masker: Masker,
}

impl MaskedSecrets {
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let masker = Masker::new(secrets.iter().map(|secret| secret.as_str()));
        Self { secrets, masker }
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

    fn stdio(self) -> io::Result<Stdio> {
        match self {
            Self::Stdout => Ok(Stdio::from(io::stdout().as_fd().try_clone_to_owned()?)),
            Self::Stderr => Ok(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?)),
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
                if let Some(from) = hand_over(from, to, &masked, &recent).await {
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
    let mut buffer = vec![0; BUFFER_LENGTH];
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

const BUFFER_LENGTH: usize = 64 * 1024;

/// The time after which text that may be the start of a secret is written, for example a prompt.
const MAX_DELAY: Duration = Duration::from_millis(100);

/// The time without output after which a pipe is handed over that another process holds open.
const MAX_SILENCE: Duration = Duration::from_millis(500);

/// The argument of the process that takes a pipe over. It is no subcommand for people.
pub(crate) const MASK_ARGUMENT: &str = "--mask-output-of-background-processes";

/// Starts a process that copies the rest of the pipe. Returns the pipe if that fails.
async fn hand_over<R>(from: R, to: Target, masked: &Arc<MaskedSecrets>, recent: &[u8]) -> Option<R>
where
    R: TryInto<Stdio>,
{
    let Ok((frame, sender)) = prepare(to) else { return Some(from) };
    let Ok(stdin) = from.try_into() else { return None };
    let mut command = frame;
    let Ok(process) = command.stdin(stdin).spawn() else { return None };
    super::family::exclude(process.id());
    // The command holds the other ends of its pipes.
    drop(command);
    let (masked, recent) = (Arc::clone(masked), Zeroizing::new(recent.to_vec()));
    let sent = tokio::task::spawn_blocking(move || send(sender, &masked.secrets, &recent));
    let _ = sent.await;
    None
}

/// Returns the command without its input, and the pipe that it reads the secrets from.
fn prepare(to: Target) -> io::Result<(Command, PipeWriter)> {
    let (receiver, sender) = io::pipe()?;
    let this = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(this);
    // It belongs to the processes in the background: it gets no signal of a terminal and holds no directory.
    command.arg(MASK_ARGUMENT).env_clear().process_group(0).current_dir("/");
    command.stdout(to.stdio()?).stderr(receiver);
    Ok((command, sender))
}

/// Sends the secrets and the end of the stream, each after its length.
fn send(mut pipe: PipeWriter, secrets: &[Zeroizing<String>], recent: &[u8]) -> io::Result<()> {
    for part in secrets.iter().map(|secret| secret.as_bytes()).chain([&[][..], recent]) {
        pipe.write_all(&(part.len() as u64).to_le_bytes())?;
        pipe.write_all(part)?;
    }
    Ok(())
}

/// Copies standard input to standard output until it ends. Reads the secrets from the pipe in place of standard error.
pub(crate) fn copy_for_background_processes() -> io::Result<()> {
    let mut pipe = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let mut secrets = Vec::new();
    loop {
        let part = receive(&mut pipe)?;
        if part.is_empty() {
            break;
        }
        secrets.push(Zeroizing::new(String::from_utf8_lossy(&part).into_owned()));
    }
    let recent = receive(&mut pipe)?;
    let masked = MaskedSecrets::new(secrets);
    let mut redactor = Redactor::new(&masked.masker);
    // The reader has this text already.
    redactor.feed(&recent);
    redactor.flush();
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = Zeroizing::new(vec![0; BUFFER_LENGTH]);
    loop {
        let length = from.read(&mut buffer)?;
        let mut out = redactor.feed(&buffer[..length]);
        // Without a clock, text that may be the start of a secret is not held back.
        out.extend(redactor.flush());
        to.write_all(&out)?;
        to.flush()?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn receive(pipe: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut length = [0; 8];
    pipe.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
    let mut part = Zeroizing::new(vec![0; length]);
    pipe.read_exact(&mut part)?;
    Ok(part)
}
