//! A vault in a process of its own: its work is not done by the threads that are measured.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An emulator that runs as another process, until it is dropped.
#[derive(Debug)]
pub struct Vault {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    url: String,
    authority: String,
}

/// The name of a secret, 23 characters long.
pub fn name(n: usize) -> String {
    format!("settings-secret-{n:07}")
}

impl Vault {
    /// Starts `program`, the binary `vault` of this package, with that many secrets in it.
    ///
    /// # Errors
    ///
    /// A process that cannot be started, or does not say where it is.
    pub fn start(program: &str, latency_ms: u64, secrets: usize) -> io::Result<Self> {
        let mut process = Command::new(program)
            .args([latency_ms.to_string(), secrets.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let answers = BufReader::new(process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut vault = Self { process, orders, answers, url: String::new(), authority: String::new() };
        vault.url = vault.tell("url")?;
        vault.authority = vault.tell("authority")?.replace('|', "\n");
        Ok(vault)
    }

    /// Tells where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives its certificate authority, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Gives an order, and returns its answer: see the binary.
    ///
    /// # Errors
    ///
    /// A vault that is gone.
    pub fn tell(&mut self, order: &str) -> io::Result<String> {
        writeln!(self.orders, "{order}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
