//! The command `keyvault`.

mod emulator;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Azure Key Vault secrets, from the command line.
#[derive(Parser)]
#[command(name = "keyvault", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Emulator(emulator::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Emulator(arguments) => emulator::run(arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keyvault: {error}");
            ExitCode::FAILURE
        }
    }
}
