//! `keyvault render`: writes a file of any kind with the references in it resolved.
//!
//! In reading order: `template` resolves the references of a text, `watch` repeats that and rewrites the file on a
//! change, and `hook` runs the command of `--then` after each write.

mod hook;
mod template;
mod watch;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use self::hook::Hook;
use self::watch::Watch;
use crate::arguments::PollArguments;
use crate::atomic_file::{self, Existing};
use crate::failure::Failure;
use crate::output;
use crate::vault::{AllowedVaults, AllowedVaultsArguments};

/// Write a file of any kind with the references in it resolved
///
/// The text around references stays as it is; @@KeyVault( becomes a literal @KeyVault(. A line with an optional
/// reference whose secret does not exist is left out. If a reference cannot be resolved, nothing is written, and a
/// report names its line.
///
/// With -o the file is replaced atomically: the text is written to a temporary file beside it, synced to disk and
/// renamed. The file gets the mode of --mode and belongs to you, whatever the old file's mode and owner are. A symbolic
/// link is replaced, not followed.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Render {
    /// The file with references, or - for standard input
    template: String,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The mode of the output file, in octal
    #[arg(long, value_parser = parse_mode, default_value = "600", requires = "output")]
    mode: u32,

    /// Keep running: check for new versions and for changes of the template, and rewrite the file when its content
    /// changes
    #[arg(long, requires = "output")]
    watch: bool,

    #[command(flatten)]
    poll: PollArguments,

    /// Run this command with sh after each write, and retry it with a growing delay if it fails
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    then: Option<String>,

    /// End the command of --then after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    then_timeout: Duration,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  A file for a program that can only read files:
    keyvault render app.conf.template -o app.conf --vault contoso

  Kept up to date, with a reload after each change:
    keyvault render nginx.conf.template -o nginx.conf --vault contoso \
      --watch --then 'nginx -s reload'

  Through a pipe:
    cat app.yaml | keyvault render - --vault contoso | kubectl apply -f -

With --watch the command fails if the first attempt fails. Later failures are
printed, and the file stays as it is. The command of --then gets no
credentials: AZURE_CLIENT_SECRET, KEYVAULT_TOKEN and similar variables are
removed from its environment.

Exit codes: 0 the file is written, 2 a reference or an option is wrong, 3 a
secret is not found, 4 denied, 5 a vault is unavailable or throttles, 1
several of these, or a file cannot be read or written"#;

impl Render {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output {
            self.check_output(path)?;
        }
        if self.watch && self.template == "-" {
            return Err(Failure::usage("standard input cannot be watched"));
        }
        let vaults = self.vaults.connect(true)?;
        crate::runtime()?.block_on(self.render(vaults))?;
        Ok(ExitCode::SUCCESS)
    }

    fn check_output(&self, path: &Path) -> Result<(), Failure> {
        atomic_file::check_replaceable(path).map_err(|error| Failure::of_file(path, error))?;
        let same = fs::canonicalize(path).ok().zip(fs::canonicalize(&self.template).ok());
        if same.is_some_and(|(output, template)| output == template) {
            return Err(Failure::usage("the output is the template itself: writing it would destroy the references"));
        }
        Ok(())
    }

    async fn render(self, vaults: AllowedVaults) -> Result<(), Failure> {
        let text = template::render(&self.template, &vaults).await?;
        let Some(path) = self.output else {
            if io::stdout().is_terminal() {
                eprintln!("keyvault: the following output contains secrets");
            }
            return Ok(output::print(&text)?);
        };
        if !self.watch {
            return write(&path, &text, self.mode);
        }
        let hook = self.then.map(|command| Hook { command, timeout: self.then_timeout });
        let interval = self.poll.interval;
        Watch { template: self.template, path, mode: self.mode, interval, vaults }.run(text, hook).await
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    atomic_file::write(path, text.as_bytes(), mode, Existing::Replace).map_err(|error| Failure::of_file(path, error))
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "must be octal, for example 600 or 0640".to_owned())
}
