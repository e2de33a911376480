//! The command `keyvault`.

mod check;
mod collision;
mod doctor;
mod emulator;
mod failure;
mod output;
#[cfg(unix)] // modes of files, groups of processes
mod render;
mod report;
#[cfg(unix)] // a program becomes another one, or passes its signals on
mod run;
mod secret;
mod settings;
mod terminal;
mod vault;
mod vaults;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Runtime;

use crate::failure::Failure;

/// Azure Key Vault secrets, from the command line.
#[derive(Parser)]
#[command(name = "keyvault", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(unix)]
    Run(run::Run),
    Check(check::Check),
    #[cfg(unix)]
    Render(render::Render),
    Doctor(doctor::Doctor),
    #[command(subcommand)]
    Secret(secret::Command),
    Emulator(emulator::Arguments),
    /// Print a script that completes commands and options
    ///
    /// Example: keyvault completions bash > /etc/bash_completion.d/keyvault
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell to write it for
        shell: Shell,
    },
}

const EXIT_CODES: &str = "Exit codes: 0 it worked, 1 the operation failed, 2 wrong usage, 3 not found, 4 denied, \
                          5 the vault is unavailable or throttles";

fn main() -> ExitCode {
    match start(Arguments::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("keyvault: {failure}");
            failure.exit_code()
        }
    }
}

/// Runs a command; the runtime is made by those that wait for something.
fn start(command: Command) -> Result<ExitCode, Failure> {
    let success = |()| ExitCode::SUCCESS;
    match command {
        #[cfg(unix)]
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        #[cfg(unix)]
        Command::Render(render) => render.run(),
        Command::Doctor(doctor) => runtime()?.block_on(doctor.run()),
        Command::Secret(command) => runtime()?.block_on(secret::run(command)).map(success),
        Command::Emulator(arguments) => Ok(runtime()?.block_on(emulator::run(arguments)).map(success)?),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "keyvault", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
