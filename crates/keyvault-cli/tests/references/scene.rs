//! An emulator with secrets, a directory, and the command beside them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use keyvault_emulator::Emulator;

/// Values that must never be printed by a command that is not asked to print them.
pub(crate) const CANARY: &str = "canary-7f3a9c";

pub(crate) struct Scene {
    pub(crate) emulator: Emulator,
    pub(crate) directory: PathBuf,
}

impl Scene {
    pub(crate) async fn begin(name: &str) -> Self {
        let emulator = Emulator::start().await.expect("the emulator starts");
        let directory = std::env::temp_dir().join(format!("keyvault-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        emulator.write_ca(directory.join("ca.pem")).expect("the authority is written");
        Self { emulator, directory }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("the path is text").to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Makes the command with the vault, in the directory, in an environment of its own.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.command_without_vault(name);
        command.args(["--vault", self.emulator.vault_url()]);
        command
    }

    pub(crate) fn command_without_vault(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyvault"));
        command
            .arg(name)
            .args(["--ca-file", "ca.pem"])
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KEYVAULT_TOKEN", self.emulator.token())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Asserts the code, and that no value is in the output.
    pub(crate) fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn is_clean(&self) -> &Self {
        assert!(!self.out.contains(CANARY) && !self.err.contains(CANARY), "{}\n{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("output is JSON: {}", self.out))
    }
}

/// Runs a command to its end, off the runtime, which serves it meanwhile.
pub(crate) async fn run(command: Command) -> Said {
    run_with(command, "").await
}

pub(crate) async fn run_with(mut command: Command, input: &str) -> Said {
    let input = input.to_owned();
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let run = move || {
        let mut child = command.spawn().expect("the command starts");
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).ok();
        }
        said(child.wait_with_output().expect("the command ends"))
    };
    tokio::task::spawn_blocking(run).await.expect("the command runs")
}

pub(crate) fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Waits for something to be so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} within 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn signal(child: &Child, signal: &str) {
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
}

/// Waits for a child's end and gives what it said.
pub(crate) async fn end(child: Child) -> Said {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().expect("the command ends"));
    said(output.await.expect("the command runs"))
}
