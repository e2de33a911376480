//! A provider in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use keyvault_benches::Vault;

/// A provider, and how it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Peer {
    Ours,
    Python,
    JavaScript,
    /// With `parallelSecretResolutionEnabled`.
    JavaScriptParallel,
}

impl Peer {
    pub(super) const ALL: [Self; 4] = [Self::Ours, Self::Python, Self::JavaScript, Self::JavaScriptParallel];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::JavaScriptParallel => "javascript-parallel",
        }
    }

    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::Ours => true,
            Self::Python => installed("bin/python").exists(),
            Self::JavaScript | Self::JavaScriptParallel => {
                installed("node_modules/@azure/app-configuration-provider").exists()
            }
        }
    }

    /// Returns the command of a process in this mode.
    fn command(self, mode: &str, connection: &str, vault: &Vault, authority: &Path) -> Command {
        let script = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/configuration").join(name);
        let (program, arguments, options): (PathBuf, Vec<PathBuf>, &[&str]) = match self {
            Self::Ours => (std::env::current_exe().unwrap(), vec!["--peer".into()], &[vault.authority()]),
            Self::Python => (installed("bin/python"), vec![script("provider.py")], &[authority.to_str().unwrap()]),
            Self::JavaScript => ("node".into(), vec![script("provider.cjs")], &["sequential"]),
            Self::JavaScriptParallel => ("node".into(), vec![script("provider.cjs")], &["parallel"]),
        };
        let mut command = Command::new(program);
        command.args(arguments).args([mode, connection, vault.url()]).args(options);
        command.env("NODE_PATH", installed("node_modules")).env("NODE_EXTRA_CA_CERTS", authority);
        command
    }
}

/// A process that runs one provider.
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(peer: Peer, mode: &str, vault: &mut Vault) -> Self {
        let connection = vault.command("connection").unwrap();
        let authority = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benchmark-authority.pem");
        std::fs::write(&authority, vault.authority()).unwrap();
        let mut child = peer
            .command(mode, &connection, vault, &authority)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        if mode == "refresh" {
            let mut ready = String::new();
            output.read_line(&mut ready).unwrap();
            assert_eq!(ready.trim(), "ready", "{}", peer.name());
        }
        Self { child, input, output }
    }

    /// Starts the next measurement.
    pub(super) fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits for the next measurement and returns its milliseconds.
    pub(super) fn measurement(&mut self, settings: usize) -> f64 {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let (wall, loaded) = line.trim().split_once(' ').expect("the provider does not fail");
        assert_eq!(loaded.parse(), Ok(settings));
        wall.parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Returns the path of what `.ci/sdks` installs.
fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk").join(path)
}

/// Measures R in milliseconds: the median of five requests for a secret over an open connection.
pub(super) fn round_trip(vault: &Vault) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let authority = reqwest::Certificate::from_pem(vault.authority().as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        let url = format!("{}/secrets/{}?api-version=7.4", vault.url(), keyvault_benches::name(0));
        let mut rounds = keyvault_benches::Rounds::default();
        for n in 0..6 {
            let started = Instant::now();
            let response = client.get(&url).bearer_auth("any-token-will-do").send().await.unwrap();
            response.error_for_status().unwrap().bytes().await.unwrap();
            // The first one opens the connection.
            if n > 0 {
                rounds.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        rounds.median()
    })
}
