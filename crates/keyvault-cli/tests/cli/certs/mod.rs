//! `keyvault certs`.

mod files;
mod settings;
mod watch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::authority::Issued;
use crate::fixture::{CommandOutput, Fixture, eventually};

impl Fixture {
    /// Returns `keyvault certs` of the certificate `tls`.
    fn certs(&self) -> Command {
        let mut command = self.command("certs");
        command.args(["--certificate", "tls", "--out", "certs"]);
        command
    }

    /// Returns the name of a file of a certificate.
    fn name(&self, certificate: &str, rest: &str) -> String {
        format!("{}.{certificate}{rest}", self.vault())
    }

    /// Returns the path of a file of `tls`.
    fn file(&self, rest: &str) -> String {
        format!("certs/{}", self.name("tls", rest))
    }

    /// Returns the emulator in the names of files: `127.0.0.1-8443`.
    pub(crate) fn vault(&self) -> String {
        self.emulator.vault_url().trim_start_matches("https://").trim_end_matches('/').replace(':', "-")
    }

    /// Returns the version that the link of `tls` leads to. Empty without a link.
    fn linked_version(&self) -> String {
        let target = fs::read_link(self.path(&self.file(""))).unwrap_or_default();
        target.to_string_lossy().rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// Waits for a number of further requests.
    async fn polls(&self, count: u64) {
        let before = self.emulator.requests().total;
        eventually("polls", || self.emulator.requests().total >= before + count).await;
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else { return Vec::new() };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string();
        let mut names: Vec<String> = entries.map(|entry| name(entry).expect("text")).collect();
        names.sort();
        names
    }
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Reads `file` in `directory` as another user, on Linux. Only root can.
fn cat_as(user: &str, group: &str, directory: &Path, file: &str) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", group, "--clear-groups", "cat", file]);
    command.current_dir(directory).output().expect("setpriv runs")
}

fn assert_no_key(output: &CommandOutput, issued: &[&Issued]) {
    for issued in issued {
        assert!(!output.text().contains(issued.key_part()), "{}", output.text());
    }
}
