//! `keyvault completions` and `keyvault man`: what a package installs beside the command.

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::{Generator, generate};
use clap_complete_nushell::Nushell;

use crate::failure::Failure;
use crate::output;

/// A shell that completes commands and options.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

impl Shell {
    /// Prints the script of this shell.
    pub(crate) fn print_script(self, command: Command) -> io::Result<()> {
        let script = match self {
            Self::Bash => script(clap_complete::Shell::Bash, command),
            Self::Elvish => script(clap_complete::Shell::Elvish, command),
            Self::Fish => script(clap_complete::Shell::Fish, command),
            Self::Nushell => script(Nushell, command),
            Self::Powershell => script(clap_complete::Shell::PowerShell, command),
            Self::Zsh => script(clap_complete::Shell::Zsh, command),
        };
        output::print(&String::from_utf8_lossy(&script))
    }
}

fn script(generator: impl Generator, mut command: Command) -> Vec<u8> {
    let mut script = Vec::new();
    generate(generator, &mut command, "keyvault", &mut script);
    script
}

/// Writes a manual page for the command and one for each subcommand to a directory, which is created.
pub(crate) fn write_manual(command: Command, directory: &Path) -> Result<(), Failure> {
    let write = || {
        std::fs::create_dir_all(directory)?;
        clap_mangen::generate_to(command, directory)
    };
    write().map_err(|error| Failure::of_file(directory, error))
}
