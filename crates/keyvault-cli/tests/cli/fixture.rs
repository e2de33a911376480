//! An emulator, a temporary directory, and the command that runs in it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use keyvault_emulator::Emulator;
use tempfile::TempDir;

/// A secret value that a command never prints unless the user asks for it.
pub(crate) const CANARY: &str = "canary-7f3a9c";

pub(crate) struct Fixture {
    pub(crate) emulator: Emulator,
    directory: TempDir,
}

impl Fixture {
    /// Starts an emulator and writes its certificate authority to `ca.pem`.
    pub(crate) async fn start() -> Self {
        let emulator = Emulator::start().await.expect("the emulator starts");
        let directory = tempfile::tempdir().expect("a directory");
        emulator.write_ca(directory.path().join("ca.pem")).expect("the authority is written");
        Self { emulator, directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        path_in(&self.directory, name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        write_in(&self.directory, name, text)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Returns the subcommand `name` with the vault, the directory and an environment of its own.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.command_without_vault(name);
        command.args(["--vault", self.emulator.vault_url()]);
        command
    }

    /// Returns `keyvault run` of a command.
    #[cfg(unix)]
    pub(crate) fn run_command(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.command("run");
        command.args(options).arg("--").args(words);
        command
    }

    /// Returns the subcommand `name`. Several words name a subcommand of a subcommand.
    pub(crate) fn command_without_vault(&self, name: &str) -> Command {
        let mut command = keyvault();
        command
            .args(name.split(' '))
            .args(["--ca-file", "ca.pem"])
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KEYVAULT_TOKEN", self.emulator.token());
        // Windows opens no socket without the first, and finds no batch file without the second.
        for name in ["SystemRoot", "PATHEXT"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }
}

/// Returns the words of a command that runs a shell script.
#[cfg(unix)]
pub(crate) fn sh(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

pub(crate) fn path_in(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().expect("the path is text").to_owned()
}

pub(crate) fn write_in(directory: &TempDir, name: &str, text: &str) -> String {
    let path = path_in(directory, name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// Returns the command without arguments, with its output piped.
pub(crate) fn keyvault() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit code and the output of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl CommandOutput {
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn assert_no_canary(&self) -> &Self {
        assert!(!self.out.contains(CANARY) && !self.err.contains(CANARY), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn text(&self) -> String {
        self.out.clone() + &self.err
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("output is JSON: {}", self.out))
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub(crate) async fn run(command: Command) -> CommandOutput {
    run_with(command, "").await
}

/// Runs a command to its end with `input` on standard input. The emulator's runtime stays free meanwhile.
pub(crate) async fn run_with(mut command: Command, input: &str) -> CommandOutput {
    let input = input.to_owned();
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let run = move || {
        let mut child = command.spawn().expect("the command starts");
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).ok();
        }
        child.wait_with_output().expect("the command ends").into()
    };
    tokio::task::spawn_blocking(run).await.expect("the command runs")
}

/// Polls until `is_true` returns true.
pub(crate) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} within 60 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(unix)]
pub(crate) fn send_signal(child: &Child, signal: &str) {
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
}

/// Waits for the end of a child.
pub(crate) async fn wait(child: Child) -> CommandOutput {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().expect("the command ends"));
    output.await.expect("the command runs").into()
}
