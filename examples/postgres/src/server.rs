//! A PostgreSQL server for one example.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// A PostgreSQL server with its own data directory, on a free loopback port. Drop stops it and deletes the data.
///
/// Roles log in over TCP with their passwords (SCRAM). The owner of the data directory logs in over a socket in it.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    server: Child,
}

impl PostgresServer {
    /// Starts a server. It stops when the calling thread ends.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if PostgreSQL is not installed; any other kind if the server does not start.
    pub async fn start() -> Result<Self> {
        let programs = newest_programs().ok_or_else(|| Error::new(ErrorKind::NotFound, NOT_INSTALLED))?;
        let data = std::env::temp_dir().join(format!("keyvault-postgres-{:016x}", fastrand::u64(..)));
        let mut initdb = as_owner(&programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--pgdata"]).arg(&data);
        let status = tokio::process::Command::from(quiet(initdb)).status().await?;
        if !status.success() {
            _ = fs::remove_dir_all(&data);
            return Err(Error::other("initdb failed"));
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = as_owner(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&data).args(["-p", &port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        let server = quiet(server).spawn()?;
        let mut this = Self { programs, data, port, server };
        this.wait_until_ready().await?;
        Ok(this)
    }

    /// Returns whether PostgreSQL is installed. If not, prints that `test` is skipped.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed and the variable `CI` is set: no test may be skipped there.
    pub fn is_installed_or_skipped(test: &str) -> bool {
        let is_installed = newest_programs().is_some();
        if !is_installed {
            assert!(std::env::var_os("CI").is_none(), "{NOT_INSTALLED}");
            eprintln!("SKIPPED: {test}: {NOT_INSTALLED}");
        }
        is_installed
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Executes a statement as the administrator. It goes through a pipe, because every user can read arguments.
    ///
    /// # Errors
    ///
    /// The server refuses the statement. The error does not quote it.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("--host").arg(&self.data).args(["--port", &self.port.to_string(), "--username=postgres"]);
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "postgres"]);
        let mut psql = tokio::process::Command::from(quiet(psql)).stdin(Stdio::piped()).spawn()?;
        if let Some(mut input) = psql.stdin.take() {
            input.write_all(statement.as_bytes()).await?;
        }
        match psql.wait().await?.success() {
            true => Ok(()),
            false => Err(Error::other("the server refused a statement")),
        }
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.execute("select 1").await.is_err() {
            if let Some(status) = self.server.try_wait()? {
                return Err(Error::other(format!("PostgreSQL exited: {status}")));
            }
            if Instant::now() > deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // QUIT stops the server at once: its data are deleted anyway.
        _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        _ = self.server.wait();
        _ = fs::remove_dir_all(&self.data);
    }
}

/// Returns the folder of the newest version that Debian installed, or the first on `PATH`.
fn newest_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(version).map(|path| path.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = newest.into_iter().chain(std::env::split_paths(&path)).collect();
    candidates.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// Returns a command that runs as `postgres` if this process runs as root, which PostgreSQL refuses.
///
/// The program stops when the calling thread ends.
fn as_owner(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    command
}

/// Returns the command without input and output.
fn quiet(mut command: Command) -> Command {
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const NOT_INSTALLED: &str = "PostgreSQL is not installed (Debian: apt-get install postgresql)";
