//! The program that is run.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::environment::Environment;
use super::redactor::{Hidden, Redactor};
use super::signal::{self, Received};
use crate::failure::Failure;

/// What to run.
pub(crate) struct Program {
    /// The command and its arguments.
    pub(crate) words: Vec<std::ffi::OsString>,
    pub(crate) environment: Arc<Environment>,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        self.environment.apply(&mut command);
        command
    }

    /// Becomes the program: nothing of this process stays, so signals and exit codes are its own.
    pub(crate) fn exec(&self) -> Failure {
        let error = std::os::unix::process::CommandExt::exec(&mut self.command());
        self.not_started(&error)
    }

    /// Starts the program; what it writes goes through `hidden`, if there is anything to hide.
    pub(crate) fn spawn(&self, hidden: Option<Arc<Hidden>>) -> Result<Child, Failure> {
        let mut command = tokio::process::Command::from(self.command());
        if hidden.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut process = command.spawn().map_err(|error| self.not_started(&error))?;
        let (ended, is_ended) = watch::channel(false);
        let mut pumps = JoinSet::new();
        if let Some(hidden) = hidden {
            if let Some(out) = process.stdout.take() {
                pumps.spawn(pump(out, tokio::io::stdout(), Arc::clone(&hidden), is_ended.clone()));
            }
            if let Some(err) = process.stderr.take() {
                pumps.spawn(pump(err, tokio::io::stderr(), hidden, is_ended));
            }
        }
        Ok(Child { process, pumps, ended })
    }

    /// As a shell says it: 127 if there is no such program, 126 if it cannot be run.
    fn not_started(&self, error: &io::Error) -> Failure {
        let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let program = self.words[0].to_string_lossy();
        let clause = match error.kind() {
            io::ErrorKind::NotFound => "no such command".to_owned(),
            io::ErrorKind::ArgumentListTooLong => {
                "its arguments and variables are longer than the system takes".to_owned()
            }
            _ => error.to_string(),
        };
        Failure::Other { text: format!("cannot run {program}: {clause}"), code }
    }
}

/// The program while it runs.
pub(crate) struct Child {
    process: tokio::process::Child,
    pumps: JoinSet<()>,
    ended: watch::Sender<bool>,
}

impl Child {
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Passes a signal on, unless the child has it already.
    pub(crate) fn pass(&self, received: Received) {
        if !received.is_from_terminal {
            signal::send(&self.process, received.signal);
        }
    }

    /// Ends the child: asks, waits for `grace`, and kills. Gives the signal by which somebody wants more than that.
    pub(crate) async fn end(
        &mut self,
        grace: Duration,
        signals: &mut UnboundedReceiver<Received>,
    ) -> io::Result<(ExitStatus, Option<Received>)> {
        signal::send(&self.process, Signal::TERM);
        let mut wanted = None;
        let patience = sleep(grace);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                status = self.process.wait() => return Ok((status?, wanted)),
                () = &mut patience => {
                    self.process.start_kill()?;
                    return Ok((self.process.wait().await?, wanted));
                }
                Some(received) = signals.recv() => {
                    self.pass(received);
                    wanted = wanted.or(received.ends().then_some(received));
                }
            }
        }
    }

    /// Waits until everything that the child wrote is written. What it left behind may go on writing for a moment only.
    pub(crate) async fn drain(mut self) {
        self.ended.send_replace(true);
        while self.pumps.join_next().await.is_some() {}
    }
}

/// Tells what a shell would: the code, or 128 and the signal.
pub(crate) fn code(status: ExitStatus) -> u8 {
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let code = status.code().or(signal.map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Copies until the end, or until the reader goes away: then the child is told so by its broken pipe.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    hidden: Arc<Hidden>,
    mut is_ended: watch::Receiver<bool>,
) {
    let mut redactor = Redactor::new(&hidden);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let silence = async {
            // The sender is dropped with the child only.
            let _ = is_ended.wait_for(|ended| *ended).await;
            sleep(LAST_WORDS).await;
        };
        let (out, is_over) = tokio::select! {
            biased;
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => (redactor.flush(), true),
                Ok(length) => (redactor.feed(&buffer[..length]), false),
            },
            () = sleep(PAUSE), if redactor.is_holding() => (redactor.flush(), false),
            () = silence => (redactor.flush(), true),
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

/// A prompt that ends like a value begins is seen after this time.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a pipe may stay silent that a child of the child keeps open.
const LAST_WORDS: Duration = Duration::from_millis(500);
