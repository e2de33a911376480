//! `keyvault run`: a program whose environment has secrets where it had references.

pub(crate) mod child;
pub(crate) mod environment;
mod poll;
pub(crate) mod redactor;
pub(crate) mod signal;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keyvault::NameMap;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use self::child::{Child, Program, code};
use self::environment::{Environment, Variables};
use self::poll::Poll;
use self::redactor::{Hidden, SHORTEST};
use self::signal::Received;
use crate::failure::Failure;
use crate::terminal;
use crate::vaults::{Vaults, VaultsArguments};

/// Run a command with the references in its environment resolved
///
/// Every variable whose value is a reference, or has references in it, gets the secrets in their place. What is optional
/// and does not exist is unset. If anything cannot be resolved, the command is not started and a report tells why.
///
/// Nothing of keyvault stays behind: without --mask and --restart-on-change it becomes the command. With them it passes
/// TERM, INT, HUP, QUIT, USR1 and USR2 on and ends as the command does.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Run {
    /// Take variables from this file of NAME=VALUE lines, too; may be given several times, the last one wins; the
    /// environment wins over files
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,

    /// Add the secrets of the default vault whose names begin with this as variables: with --prefix Shop-- the secret
    /// Shop--Db--Password is DB__PASSWORD; what is set already stays
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// Add all secrets of the default vault as variables: Db--Password is DB__PASSWORD
    #[arg(long, conflicts_with = "prefix")]
    all: bool,

    /// Write *** in the place of secrets in what the command prints; shorter than 4 characters they cannot be hidden
    #[arg(long)]
    mask: bool,

    /// Look for new versions and restart the command when its variables changed
    #[arg(long)]
    restart_on_change: bool,

    /// How often to look; longer after changes that follow each other
    #[arg(long, value_name = "TIME", value_parser = terminal::interval, default_value = "60s")]
    interval: Duration,

    /// How long the command may take to end before it is killed for a restart
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    grace: Duration,

    /// Pass on the variables that credentials are made of: KEYVAULT_TOKEN, AZURE_CLIENT_ID, AZURE_TENANT_ID,
    /// AZURE_CLIENT_SECRET and the like, IDENTITY_*, MSI_*
    #[arg(long)]
    keep_credentials: bool,

    #[command(flatten)]
    vaults: VaultsArguments,

    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = r#"Examples:
  A reference in the environment, as in App Service:
    export DB='@Microsoft.KeyVault(VaultName=contoso;SecretName=db)'
    keyvault run --vault contoso -- ./server

  In a file that can be committed, and inside a longer value:
    echo 'DB_URL=postgres://app:@KeyVault(SecretName=db)@db/shop' > .env
    keyvault run --env-file .env --vault contoso -- ./server

  Secrets by their names, without references:
    keyvault run --vault contoso --prefix Shop-- -- env

  A server that cannot reload, kept up to date, with its log clean:
    keyvault run --vault contoso --mask --restart-on-change -- ./server

The vaults of --vault are asked and no others: the first is the default, a
reference to any other vault needs a --vault of its own.

Exit codes: those of the command, and 128 and the number of the signal that
ended it; 127 no such command, 126 it cannot be run. Before the command is
started: 2 a reference or an option is wrong, 3 a secret is not found, 4
denied, 5 a vault is unavailable or throttles, 1 several of these.

With --mask the command writes to pipes and not to the terminal: most programs
leave colours out then. KILL sent to keyvault itself with --mask or
--restart-on-change leaves the command running. For Unix systems."#;

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let prefix = self.prefix.clone().unwrap_or_default();
        let names = (self.all || self.prefix.is_some()).then(|| NameMap::new().prefix(prefix));
        let variables = Variables::read(&self.env_file, names, self.keep_credentials)?;
        if variables.is_plain() && !self.mask && !self.restart_on_change {
            // Nobody to ask: no client, no threads, no time.
            return Err(self.program(variables.unresolved()).exec());
        }
        let runtime = crate::runtime()?;
        let vaults = self.vaults.build(!variables.is_plain())?;
        let environment = runtime.block_on(variables.resolve(&vaults))?;
        let program = self.program(environment);
        if !self.mask && !self.restart_on_change {
            drop(runtime);
            return Err(program.exec());
        }
        let code = runtime.block_on(self.supervise(program, variables, vaults));
        // A pipe that nobody reads must not keep what is over.
        runtime.shutdown_background();
        code.map(ExitCode::from)
    }

    fn program(&self, environment: Environment) -> Program {
        Program { words: self.command.clone(), environment: Arc::new(environment) }
    }

    /// Runs the program until it ends by itself, or because somebody wants it to.
    async fn supervise(&self, mut program: Program, variables: Variables, vaults: Vaults) -> Result<u8, Failure> {
        let mut signals = signal::catch()?;
        let (sender, mut changes) = mpsc::channel(1);
        if self.restart_on_change && !variables.is_plain() {
            let last = Arc::clone(&program.environment);
            tokio::spawn(Poll { variables, vaults, interval: self.interval, last }.run(sender));
        }
        let mut secrets: Vec<Zeroizing<String>> = Vec::new();
        loop {
            let mut child = program.spawn(self.hidden(&program.environment, &mut secrets))?;
            let mut is_ending = false;
            let newer = loop {
                tokio::select! {
                    biased;
                    Some(received) = signals.recv() => {
                        is_ending |= received.ends();
                        child.pass(received);
                    }
                    status = child.wait() => return finish(child, code(status?), &mut signals, is_ending).await,
                    Some(newer) = changes.recv(), if !is_ending => break newer,
                }
            };
            let (status, wanted) = child.end(self.grace, &mut signals).await?;
            if wanted.is_some() {
                return finish(child, code(status), &mut signals, true).await;
            }
            // Who does not read its last words must not keep the next one from starting.
            let _ = timeout(LAST_WORDS, child.drain()).await;
            program.environment = newer;
        }
    }

    /// What was hidden once stays hidden: a log may still tell of a value that was replaced.
    fn hidden(&self, environment: &Environment, secrets: &mut Vec<Zeroizing<String>>) -> Option<Arc<Hidden>> {
        if !self.mask {
            return None;
        }
        if environment.secrets().any(|secret| (1..SHORTEST).contains(&secret.trim().len())) {
            eprintln!("keyvault: a secret is shorter than {SHORTEST} characters and is not hidden in the output");
        }
        secrets.extend(environment.secrets().map(|secret| Zeroizing::new(secret.to_owned())));
        secrets.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        secrets.dedup();
        Some(Arc::new(Hidden::new(secrets.iter().map(|secret| secret.as_str()))))
    }
}

/// Waits for a reader that is slow, unless somebody wants an end.
async fn finish(
    child: Child,
    code: u8,
    signals: &mut UnboundedReceiver<Received>,
    is_ending: bool,
) -> Result<u8, Failure> {
    let wanted = async {
        while !is_ending && !signals.recv().await.is_none_or(Received::ends) {}
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = child.drain() => {}
        () = wanted => {}
    }
    Ok(code)
}

/// How long what is read already may take to be written where nobody waits for it.
const LAST_WORDS: Duration = Duration::from_secs(2);
