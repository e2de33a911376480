//! A vault in a process of its own, so that its work is not measured.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An emulator in another process. Drop ends the process.
#[derive(Debug)]
pub struct Vault {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    url: String,
    authority: String,
}

/// Returns the name of a secret, 23 characters long.
pub fn name(n: usize) -> String {
    format!("settings-secret-{n:07}")
}

impl Vault {
    /// Starts `program`, the binary `vault` of this package, with `secrets` secrets.
    ///
    /// # Errors
    ///
    /// The process cannot be started, or ends early.
    pub fn start(program: &str, latency_ms: u64, secrets: usize) -> io::Result<Self> {
        let mut process = Command::new(program)
            .args([latency_ms.to_string(), secrets.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = BufReader::new(process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut vault = Self { process, input, output, url: String::new(), authority: String::new() };
        vault.url = vault.command("url")?;
        vault.authority = vault.command("authority")?.replace('|', "\n");
        Ok(vault)
    }

    /// Returns the URL of the vault.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the certificate authority of the vault, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Sends a command and returns the response. The documentation of the binary lists the commands.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn command(&mut self, command: &str) -> io::Result<String> {
        writeln!(self.input, "{command}")?;
        let mut response = String::new();
        self.output.read_line(&mut response)?;
        Ok(response.trim_end().to_owned())
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
