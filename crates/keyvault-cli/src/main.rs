//! The command `keyvault`: Azure Key Vault secrets from the command line.
//!
//! Each subcommand has a module of its own, which holds its arguments, its help text and its `run` function:
//!
//! | module | subcommand |
//! |---|---|
//! | `run` | `keyvault run`: starts a program with references in its environment resolved |
//! | `render` | `keyvault render`: writes a file with the references in it resolved |
//! | `check` | `keyvault check`: reports whether every reference resolves |
//! | `doctor` | `keyvault doctor`: finds out why secrets cannot be read |
//! | `secret` | `keyvault secret …`: every operation of the secrets API |
//! | `emulator` | `keyvault emulator`: runs a vault on this machine |
//!
//! The other modules serve several subcommands. In reading order: `settings` parses settings files and finds the
//! references in them, `vault` resolves these, `report` shows the result, and `failure` maps it to an exit code.
//! `output` and `terminal` print, `atomic_file` writes the files that `output_path` allows to replace, and `shutdown`
//! waits for a signal.

#[cfg(unix)] // for `render` and `run`
mod arguments;
mod atomic_file;
mod check;
mod doctor;
mod emulator;
mod failure;
mod output;
mod output_path;
#[cfg(unix)] // file modes, process groups
mod render;
mod report;
#[cfg(unix)] // exec, signals
mod run;
mod secret;
mod settings;
mod shutdown;
mod terminal;
mod vault;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Runtime;

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
    #[cfg(unix)]
    Run(run::Run),
    Check(check::Check),
    #[cfg(unix)]
    Render(render::Render),
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
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 denied, \
                          5 vault unavailable or throttling";

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

/// Runs a command. `run`, `check` and `render` create a runtime only if they need one.
fn run_command(command: Command) -> Result<ExitCode, Failure> {
    let success = |()| ExitCode::SUCCESS;
    match command {
        #[cfg(unix)]
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        #[cfg(unix)]
        Command::Render(render) => render.run(),
        Command::Doctor(doctor) => block_on(doctor.run())?,
        Command::Secret(command) => block_on(command.run())?.map(success),
        Command::Emulator(arguments) => Ok(block_on(emulator::run(arguments))?.map(success)?),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "keyvault", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
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

    /// Returns the arguments of each command `keyvault` in the shell blocks of a page.
    fn commands(page: &str) -> Vec<Vec<String>> {
        let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let lines: Vec<String> = blocks.map(|block| block.replace("\\\n", " ")).collect();
        let lines = lines.iter().flat_map(|block| block.lines());
        let commands = lines.flat_map(|line| line.split("keyvault ").skip(1));
        // A command at the end of a path or of an option, such as `-p keyvault-cli`, is another.
        commands.map(words).filter(|words| words.first().is_some_and(|word| !word.starts_with('-'))).collect()
    }

    /// Splits the words of a command as a shell does, up to the end of the command.
    fn words(text: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (vec!["keyvault".to_owned()], None::<String>, None);
        for c in text.chars() {
            match (c, quote) {
                (c, Some(mark)) if c == mark => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                ('|' | ';' | '#' | ')' | '&', None) => break,
                (' ', None) => words.extend(word.take()),
                (c, _) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words
    }

    #[test]
    fn every_command_of_the_guides_is_accepted() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let pages = std::fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path());
        let pages = pages.chain([concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md").into()]);
        let mut count = 0;
        for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
            for command in commands(&std::fs::read_to_string(&page).unwrap()) {
                count += 1;
                if let Err(error) = Arguments::try_parse_from(&command) {
                    let is_help = error.kind() == clap::error::ErrorKind::DisplayHelp;
                    assert!(is_help, "{}: {command:?}: {error}", page.display());
                }
            }
        }
        assert!(count > 40, "only {count} commands were found");
    }

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
