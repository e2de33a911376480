//! The command `keyvault`: Azure Key Vault secrets from the command line.
//!
//! Each subcommand has a module of its own, which holds its arguments, its help text and its `run` function:
//!
//! | module | subcommand |
//! |---|---|
//! | `run` | `keyvault run`: starts a program with references in its environment resolved |
//! | `render` | `keyvault render`: writes a file with the references in it resolved |
//! | `check` | `keyvault check`: reports whether every reference resolves |
//! | `certs` | `keyvault certs`: writes certificates as files and keeps them up to date |
//! | `doctor` | `keyvault doctor`: finds out why secrets cannot be read |
//! | `secret` | `keyvault secret …`: every operation of the secrets API |
//! | `emulator` | `keyvault emulator`: runs a vault on this machine |
//! | `completions` | `keyvault completions`, `keyvault man`: scripts for shells, and manual pages |
//!
//! The other modules serve several subcommands. In reading order: `settings` parses settings files and finds the
//! references in them, `store` reads App Configuration, `vault` resolves the references, `report` shows the result, and
//! `failure` maps it to an exit code. `output` and `terminal` print, `atomic_file` writes the files that `output_path`
//! allows to replace, for the readers that `access` names, and `hook` runs a command after it. `certificate_dates`
//! describes a certificate, `shutdown` waits for a signal, and on Windows `job` contains the processes that a command
//! starts.
//!
//! Code for one platform is in files that are named after it, such as `run/unix` and `run/windows.rs`. Both have the
//! same functions.

mod access;
mod arguments;
mod atomic_file;
mod certificate_dates;
mod certs;
mod check;
mod completions;
mod doctor;
mod emulator;
mod failure;
#[cfg(test)]
mod guides;
mod hook;
#[cfg(windows)]
mod job;
mod output;
mod output_path;
mod render;
mod report;
mod run;
mod secret;
mod settings;
mod shutdown;
mod store;
mod terminal;
mod vault;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::completions::Shell;
use crate::failure::Failure;

/// Azure Key Vault secrets from the command line
#[derive(Parser)]
#[command(name = "keyvault", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Render(render::Render),
    Certs(certs::Certs),
    Doctor(doctor::Doctor),
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    Emulator(emulator::EmulatorArguments),
    /// Print a shell script that completes commands and options
    ///
    /// Example: keyvault completions bash > /etc/bash_completion.d/keyvault
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell that will source the script
        shell: Shell,
    },
    /// Write the manual pages to a directory
    ///
    /// Example: keyvault man ~/.local/share/man/man1
    #[command(verbatim_doc_comment)]
    Man {
        /// The directory, which is created if it does not exist
        directory: PathBuf,
    },
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 denied, \
                          5 vault unavailable or throttling\n\
                          Not affiliated with Microsoft.";

fn main() -> ExitCode {
    #[cfg(unix)]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == run::MASK_ARGUMENT) {
        return run::copy_for_background_processes().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    match run_command(Arguments::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("keyvault: {failure}");
            failure.exit_code()
        }
    }
}

/// Runs a command. `run`, `check`, `render` and `certs` create the runtime themselves: `run` and `check` may need none,
/// and the others check their arguments first.
fn run_command(command: Command) -> Result<ExitCode, Failure> {
    let success = |()| ExitCode::SUCCESS;
    match command {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Render(render) => render.run(),
        Command::Certs(certs) => certs.run(),
        Command::Doctor(doctor) => block_on(doctor.run())?,
        Command::Secret(command) => block_on(command.run())?.map(success),
        Command::Emulator(arguments) => block_on(emulator::run(arguments))?,
        Command::Completions { shell } => {
            shell.print_script(Arguments::command())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { directory } => completions::write_manual(Arguments::command(), &directory).map(success),
    }
}

/// Runs a future on a runtime of its own. Waits for no thread that the future leaves behind, such as one that resolves
/// a name and gets no answer.
fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = runtime()?;
    let output = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(output)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_thread_without_an_answer_does_not_delay_the_end() {
        let started = Instant::now();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let hang = async {
            tokio::task::spawn_blocking(move || receiver.recv_timeout(Duration::from_secs(60)));
        };
        block_on(hang).unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
        drop(sender);
    }
}
