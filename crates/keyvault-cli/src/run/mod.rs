//! `keyvault run`: starts a program with the references in its environment resolved.
//!
//! In reading order: `variables` are those of one source, `unresolved` collects them from all sources, `environment` is
//! the result after they are resolved, and `program` starts the command with it. `code_variables` lists the names that
//! neither a secret nor a key of a store may set. With `--mask` or `--restart-on-change`, and always on Windows, the
//! command is a `child` under a `supervisor`: `change_poller` finds new versions, and `masked_output` copies the output
//! through the `redactor`. `unix` and `windows` hold what differs: starting, signals, and every process that the
//! command started.

mod change_poller;
mod child;
mod code_variables;
mod environment;
mod masked_output;
mod program;
mod redactor;
mod supervisor;
#[cfg(unix)]
mod unix;
mod unresolved;
mod variables;
#[cfg(windows)]
mod windows;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keyvault::NameMap;
use tokio::sync::mpsc::UnboundedReceiver;
use zeroize::Zeroizing;

use self::change_poller::ChangePoller;
use self::environment::{ChildEnvironment, Value};
use self::platform::ReceivedSignal;
use self::program::Program;
use self::supervisor::Supervisor;
#[cfg(unix)]
use self::unix as platform;
#[cfg(unix)]
pub(crate) use self::unix::{MASK_ARGUMENT, copy_for_background_processes};
use self::unresolved::UnresolvedEnvironment;
#[cfg(windows)]
use self::windows as platform;
use crate::arguments::PollArguments;
use crate::failure::Failure;
use crate::settings::SelectionArguments;
use crate::store::{SelectedStoreArguments, StorePrefixArguments};
use crate::vault::{AllowedVaultsArguments, credential_variables};

/// Run a command with the references in its environment resolved
///
/// Each reference in a variable is replaced by its secret, whether it is the whole value or a part of it. A variable
/// with an optional reference whose secret does not exist is unset. If a reference cannot be resolved, the command does
/// not start, and a report says why; the same applies to text that looks like a reference with a mistake in it.
///
/// Without --mask and --restart-on-change the command replaces the keyvault process. With them keyvault stays its
/// parent, forwards TERM, INT, HUP, QUIT, USR1 and USR2, and exits with its exit code. On Windows keyvault always stays
/// the parent.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(mut_arg("only", |only| only.num_args(1..)), mut_arg("except", |except| except.num_args(1..)))]
pub(crate) struct Run {
    /// Also set the variables of this file: NAME=VALUE lines, or the Values of a local.settings.json; repeat it for
    /// several files: a later file overrides an earlier one, and the environment overrides all files
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,

    #[command(flatten)]
    selection: SelectionArguments,

    #[command(flatten)]
    store: SelectedStoreArguments,

    #[command(flatten)]
    store_prefixes: StorePrefixArguments,

    /// Also set a variable for each secret of the default vault whose name starts with PREFIX: with --prefix Shop-- the
    /// secret Shop--Db--Password becomes DB__PASSWORD; a variable that is already set stays
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// Also set a variable for each secret of the default vault: Db--Password becomes DB__PASSWORD
    #[arg(long, conflicts_with = "prefix")]
    all: bool,

    /// Replace secrets by *** in the output of the command, also in base64, hexadecimal and the escapes of URLs, JSON,
    /// HTML, shells and Python, except secrets shorter than 4 characters
    #[arg(long)]
    mask: bool,

    /// Check for new versions and for changes of the store, and restart the command with everything that it started
    /// when its variables change; changes in a row lengthen the interval
    #[arg(long)]
    restart_on_change: bool,

    #[command(flatten)]
    poll: PollArguments,

    /// Kill the command if it does not end within this time at a restart; Windows ends it at once
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    grace: Duration,

    /// Let the command inherit credentials: KEYVAULT_TOKEN, KEYVAULT_APP_CONFIGURATION, AZURE_CLIENT_ID,
    /// AZURE_TENANT_ID, AZURE_CLIENT_SECRET and similar variables, IDENTITY_*, MSI_*, and the tokens of jobs in GitHub
    /// Actions and Azure Pipelines
    #[arg(long)]
    keep_credentials: bool,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,

    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = r#"Examples:
  A reference in the environment, as in App Service:
    export DB='@Microsoft.KeyVault(VaultName=contoso;SecretName=db)'
    keyvault run --vault contoso -- ./server

  In a file that can be committed, and inside a longer value:
    echo 'DB_URL=postgres://app:@KeyVault(SecretName=db;Encode=url)@db/shop' > .env
    keyvault run --env-file .env --vault contoso -- ./server

  Secrets by name, without references:
    keyvault run --vault contoso --prefix Shop-- -- env

  The settings of App Configuration, where a label wins over none:
    keyvault run --vault contoso --app-configuration contoso \
      --select 'shop:*' --select 'shop:*@prod' --trim-prefix shop: -- ./server

  A server that cannot reload, kept up to date, without secrets in its log:
    keyvault run --vault contoso --mask --restart-on-change -- ./server

Variables that CI systems and platforms fill with text of other people, such
as CI_COMMIT_MESSAGE and ARGO_TEMPLATE, are left alone unless --only has their
full name; the guide docs/command-line.md lists them. --all, --prefix and
--app-configuration never set variables that make programs run code, such as
LD_PRELOAD and PATH.

--app-configuration sets a variable for each key-value of the store: the key
Db:Password becomes DB__PASSWORD, and :, / and . separate levels. A Key Vault
reference becomes its secret, JSON stays text, and feature flags are left out.
The environment overrides files, files override the store, and the store
overrides --all and --prefix. Without a connection string, the store needs the
credential of --credential; KEYVAULT_TOKEN is for vaults alone.

Exit codes: the command's own, or 128 plus the number of the signal that ended
it; 127 command not found, 126 it cannot be run. Before the command starts: 2 a
reference or an option is wrong, 3 a secret is not found, 4 denied, 5 a vault
or store is unavailable or throttles, 1 several of these.

With --mask the command writes to pipes instead of the terminal, so most
programs print no colours. The output of processes in the background stays
masked after keyvault has ended. As process 1 keyvault reaps what it inherits. A KILL signal
to keyvault itself, with --mask or --restart-on-change, leaves the command
running.

On Windows the command and every process that it started end when it or keyvault
ends, so nothing stays in the background. Ctrl-C, Ctrl-Break and the end of the
console reach the command, and keyvault waits for it. A restart ends the command
at once, because Windows cannot ask it to end. Batch files are found without
their extension: npm is npm.cmd. An exit code may be larger than 255."#;

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let prefix = self.prefix.clone().unwrap_or_default();
        let names = (self.all || self.prefix.is_some()).then(|| NameMap::new().prefix(prefix));
        let store = self.store.connect(&self.store_prefixes, &self.vaults.connection)?;
        let unresolved = UnresolvedEnvironment::read(&self.env_file, self.selection.clone(), self.keep_credentials)?
            .with_lower_layers(store, names);
        // Windows cannot replace a process by another program.
        #[cfg(unix)]
        let replaces_process = !self.mask && !self.restart_on_change;
        #[cfg(unix)]
        if unresolved.is_plain() && replaces_process {
            // The fast path creates no client and no threads.
            return Err(self.program(unresolved.into_plain()).exec());
        }
        let runtime = crate::runtime()?;
        let vaults = self.vaults.connect(!unresolved.is_plain())?;
        let program = match runtime.block_on(unresolved.resolve(&vaults)) {
            Ok(environment) => self.program(environment),
            Err(failure) => {
                runtime.shutdown_background();
                return Err(failure);
            }
        };
        #[cfg(unix)]
        if replaces_process {
            // Dropping it would wait for a thread that resolves a name.
            runtime.shutdown_background();
            return Err(program.exec());
        }
        let poller = (self.restart_on_change && !unresolved.is_plain()).then(|| ChangePoller {
            unresolved,
            vaults,
            interval: self.poll.interval,
            current: Arc::clone(&program.environment),
        });
        let supervisor = Supervisor::new(program, self.mask, self.grace);
        let code = runtime.block_on(async { supervisor.run(platform::listen()?, poller).await });
        // A write to a pipe without a reader blocks a runtime thread for good. Do not wait for it.
        runtime.shutdown_background();
        code.map(exit_code)
    }

    fn program(&self, environment: ChildEnvironment) -> Program {
        Program {
            words: self.command.clone(),
            environment: Arc::new(environment),
            is_restarted: self.restart_on_change,
        }
    }
}

/// The signals that are forwarded to a command. From its creation on, none of them ends this process.
pub(crate) struct Signals(UnboundedReceiver<ReceivedSignal>);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        platform::listen().map(Self)
    }
}

/// Runs a command with further variables and without the credentials of our environment. Forwards signals to it, and
/// returns its exit code. Does not start it after a termination signal.
pub(crate) async fn supervise(
    words: &[OsString],
    variables: Vec<(&str, String)>,
    signals: Signals,
) -> Result<i32, Failure> {
    let values = variables.into_iter().map(|(name, text)| (name.to_owned(), Value::plain(Zeroizing::new(text))));
    let environment =
        ChildEnvironment { values: values.collect(), withheld: credential_variables().collect(), secrets: Vec::new() };
    let program = Program { words: words.to_vec(), environment: Arc::new(environment), is_restarted: false };
    Supervisor::new(program, false, Duration::ZERO).run(signals.0, None).await
}

/// Returns the exit code of the command as ours. Ends the process if the code is larger than an `ExitCode`, as those of
/// Windows may be.
pub(crate) fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or_else(|_| std::process::exit(code), ExitCode::from)
}
