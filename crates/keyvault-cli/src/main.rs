//! The command `keyvault`.

mod emulator;
mod failure;
mod output;
mod secret;
mod vault;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

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

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Secret(command) => secret::run(command).await,
        Command::Emulator(arguments) => emulator::run(arguments).await.map_err(Failure::from),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "keyvault", &mut io::stdout());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("keyvault: {failure}");
            failure.exit_code()
        }
    }
}
