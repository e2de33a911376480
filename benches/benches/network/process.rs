//! A client in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyvault_benches::Vault;

use super::Measurement;

/// A process that runs one client.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(vault: &Vault, peer: &str, mode: &str, count: usize, http1: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--peer", peer, mode, vault.url(), vault.authority(), &count.to_string(), &http1.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        if matches!(mode, "refresh" | "event") {
            let mut ready = String::new();
            output.read_line(&mut ready).unwrap();
        }
        Self { child, input, output }
    }

    /// Starts the next measurement.
    pub(super) fn start_round(&mut self) {
        self.send("");
    }

    /// Starts the next measurement, with an argument.
    pub(super) fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits for the next measurement.
    pub(super) fn measurement(&mut self) -> Measurement {
        self.try_measurement().expect("the client does not fail")
    }

    /// Waits for the next measurement. `None` if the process failed.
    pub(super) fn try_measurement(&mut self) -> Option<Measurement> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
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

/// Measures R in milliseconds: the median of five requests over an open connection.
pub(super) fn round_trip(vault: &Vault) -> f64 {
    let (round_trip, _) = Process::start(vault, "bare", "one", 1, false).measurement();
    round_trip
}
