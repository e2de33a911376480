//! A client that is measured, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyvault_benches::Vault;

use super::Answered;

/// A process that is measured.
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(vault: &Vault, peer: &str, mode: &str, count: usize, http1: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--peer", peer, mode, vault.url(), vault.authority(), &count.to_string(), &http1.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        if matches!(mode, "refresh" | "event") {
            let mut ready = String::new();
            answers.read_line(&mut ready).unwrap();
        }
        Self { child, orders, answers }
    }

    pub(super) fn go(&mut self) {
        self.tell("");
    }

    pub(super) fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    pub(super) fn measured(&mut self) -> Answered {
        self.outcome().expect("the peer measures, and does not fail")
    }

    /// Gives what was measured; none if the process failed.
    pub(super) fn outcome(&mut self) -> Option<Answered> {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let (wall, loaded) = line.trim().split_once(' ')?;
        Some((wall.parse().unwrap(), loaded.parse().unwrap()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Measures R, in milliseconds: the median of some requests over a connection that is open.
pub(super) fn round_trip(vault: &Vault) -> f64 {
    let (round_trip, _) = Process::start(vault, "bare", "one", 1, false).measured();
    round_trip
}
