//! A local PostgreSQL server.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// A PostgreSQL server with its own data directory, on a free loopback port. Drop stops it and removes the data.
///
/// Roles log in with passwords (SCRAM). The administrator uses a socket in the data directory, without a password.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    data: TempDir,
    port: u16,
    server: Child,
}

impl Postgres {
    /// Starts a server. It ends together with the thread that calls this function.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if PostgreSQL is not installed. Other errors if it does not start.
    pub async fn start() -> Result<Self> {
        let programs = newest_programs().ok_or_else(|| Error::new(ErrorKind::NotFound, NOT_INSTALLED))?;
        let data = TempDir::with_prefix("keyvault-postgres-")?;
        if runs_as_root()? {
            let owned = Command::new("chown").arg("postgres").arg(data.path()).status()?;
            if !owned.success() {
                return Err(Error::other("chown failed"));
            }
        }
        let mut initdb = as_owner(&programs.join("initdb"))?;
        initdb.args(["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--no-sync", "--no-locale", "--encoding=UTF8", "--pgdata"]).arg(data.path());
        if !tokio::process::Command::from(quiet(initdb)).status().await?.success() {
            return Err(Error::other("initdb failed"));
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut server = as_owner(&programs.join("postgres"))?;
        server.arg("-D").arg(data.path()).arg("-k").arg(data.path()).args(["-p", &port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        let server = quiet(server).spawn()?;
        let mut this = Self { programs, data, port, server };
        this.wait_until_ready().await?;
        Ok(this)
    }

    /// Returns whether PostgreSQL is installed, and prints that `test` is skipped if it is not.
    ///
    /// # Panics
    ///
    /// Panics in CI if PostgreSQL is not installed: CI skips no test.
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

    /// Executes a statement as the administrator. The statement goes through a pipe, because every user of the host can
    /// read arguments.
    ///
    /// # Errors
    ///
    /// Fails if the server refuses the statement. The error does not quote it.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("--host").arg(self.data.path()).args(["--port", &self.port.to_string(), "--username=postgres"]);
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
                return Err(Error::other(format!("the server ended: {status}")));
            }
            if Instant::now() > deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT stops the server at once, without a checkpoint: the data is temporary.
        _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        _ = self.server.wait();
    }
}

/// Returns the folder with the newest version as Debian installs it, or else the first match in `PATH`.
fn newest_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(version).map(|path| path.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = newest.into_iter().chain(std::env::split_paths(&path)).collect();
    candidates.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// Runs a program as the user `postgres` if this process is root, because PostgreSQL refuses to run as root. The
/// program ends together with the thread that starts it.
fn as_owner(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    if runs_as_root()? {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program);
    Ok(command)
}

fn runs_as_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn quiet(mut command: Command) -> Command {
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

const NOT_INSTALLED: &str = "PostgreSQL is not installed (Debian: apt-get install postgresql)";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_executes_statements_and_removes_its_data() {
        if !Postgres::is_installed_or_skipped("postgres") {
            return;
        }
        let server = Postgres::start().await.unwrap();
        let data = server.data.path().to_owned();
        server.execute("create role ann login password 'first'").await.unwrap();
        server.execute("nonsense").await.unwrap_err();
        drop(server);
        assert!(!data.exists());
    }
}
