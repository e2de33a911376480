//! Masking what processes in the background print after `keyvault` has ended.
//!
//! A process that the command leaves behind may write to the pipe later. Another process of this command then takes the
//! pipe over, so that the output of a server in the background stays masked and reaches its reader, and `keyvault` ends
//! when the command ends.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::process_tree;
use crate::run::masked_output::{BUFFER_LENGTH, Target};
use crate::run::redactor::{Masker, Redactor};

/// The argument of the process that takes a pipe over. It is no subcommand for people.
pub(crate) const MASK_ARGUMENT: &str = "--mask-output-of-background-processes";

/// Starts a process that copies the rest of the pipe. Returns the pipe if that fails.
pub(in crate::run) async fn hand_over<R>(
    from: R,
    to: Target,
    secrets: Arc<[Zeroizing<String>]>,
    recent: Zeroizing<Vec<u8>>,
) -> Option<R>
where
    R: TryInto<Stdio>,
{
    let Ok((mut command, sender)) = prepare(to) else { return Some(from) };
    let Ok(stdin) = from.try_into() else { return None };
    let Ok(process) = command.stdin(stdin).spawn() else { return None };
    process_tree::exclude(process.id());
    // The command holds the other ends of its pipes.
    drop(command);
    let sent = tokio::task::spawn_blocking(move || send(sender, &secrets, &recent));
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
    command.stdout(stdio(to)?).stderr(receiver);
    Ok((command, sender))
}

fn stdio(target: Target) -> io::Result<Stdio> {
    Ok(Stdio::from(match target {
        Target::Stdout => io::stdout().as_fd().try_clone_to_owned()?,
        Target::Stderr => io::stderr().as_fd().try_clone_to_owned()?,
    }))
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
    let masker = Masker::new(secrets.iter().map(|secret| secret.as_str()));
    let mut redactor = Redactor::new(&masker);
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
