//! `keyvault render`: a file of any kind with secrets where it had references.

mod file;
mod hook;
mod template;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;
use zeroize::Zeroizing;

use self::hook::Hook;
use crate::failure::Failure;
use crate::output;
use crate::terminal;
use crate::vaults::{Vaults, VaultsArguments};

/// Write a file of any kind with the references in it resolved
///
/// Whatever is around references stays as it is; @@KeyVault( is a literal @KeyVault(. A line with an optional reference
/// whose secret does not exist is left out. If anything cannot be resolved, nothing is written and a report tells the line.
///
/// With -o the file is there whole or as it was: it is written beside, to the disk, and put in its place at one moment,
/// with mode 0600 and your ownership, whatever the old one had. A symbolic link is replaced and not followed.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Render {
    /// The file with references, or - for standard input
    template: String,

    /// Write to this file and not to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The mode of that file, in octal
    #[arg(long, value_parser = mode, default_value = "600", requires = "output")]
    mode: u32,

    /// Go on: look for new versions and for changes of the template, and write the file when it is another one
    #[arg(long, requires = "output")]
    watch: bool,

    /// How often to look
    #[arg(long, value_name = "TIME", value_parser = terminal::interval, default_value = "60s")]
    interval: Duration,

    /// Run this after each writing, by sh; a failure is tried again, longer and longer apart
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    then: Option<String>,

    /// How long that may take before it is ended
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    then_timeout: Duration,

    #[command(flatten)]
    vaults: VaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  A file for a program that knows files only:
    keyvault render app.conf.template -o app.conf --vault contoso

  Kept up to date, with a reload after each change:
    keyvault render nginx.conf.template -o nginx.conf --vault contoso \
      --watch --then 'nginx -s reload'

  Through a pipe:
    cat app.yaml | keyvault render - --vault contoso | kubectl apply -f -

With --watch a first failure ends the command; later ones are told and the
file stays as it is. The command of --then gets no credentials:
AZURE_CLIENT_SECRET, KEYVAULT_TOKEN and the like are taken out of its
environment.

Exit codes: 0 the file is written, 2 a reference or an option is wrong, 3 a
secret is not found, 4 denied, 5 a vault is unavailable or throttles, 1
several of these, or a file cannot be read or written"#;

impl Render {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output {
            self.is_writable(path)?;
        }
        if self.watch && self.template == "-" {
            return Err(Failure::usage("standard input cannot be watched"));
        }
        let vaults = self.vaults.build(true)?;
        let runtime = crate::runtime()?;
        runtime.block_on(self.render(&vaults))?;
        Ok(ExitCode::SUCCESS)
    }

    fn is_writable(&self, path: &Path) -> Result<(), Failure> {
        file::is_replaceable(path).map_err(|error| Failure::of_file(path, error))?;
        let same = fs::canonicalize(path).ok().zip(fs::canonicalize(&self.template).ok());
        if same.is_some_and(|(output, template)| output == template) {
            return Err(Failure::usage("the output is the template itself: its references would be gone"));
        }
        Ok(())
    }

    async fn render(&self, vaults: &Vaults) -> Result<(), Failure> {
        let text = template::render(&self.template, vaults).await?;
        let Some(path) = &self.output else {
            if io::stdout().is_terminal() {
                eprintln!("keyvault: what follows has secrets in it");
            }
            return Ok(output::print(&text)?);
        };
        if !self.watch {
            return self.write(path, &text);
        }
        self.watch(path, text, vaults).await
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        file::replace(path, text.as_bytes(), self.mode).map_err(|error| Failure::of_file(path, error))
    }

    /// Goes on until a signal. Nothing that fails from now on ends it.
    async fn watch(&self, path: &Path, first: Zeroizing<String>, vaults: &Vaults) -> Result<(), Failure> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let (writings, written) = watch::channel(0u64);
        let hook = self.then.clone().map(|command| Hook { command, timeout: self.then_timeout });
        let hook = async {
            match hook {
                Some(hook) => hook.run(written).await,
                None => std::future::pending().await,
            }
        };
        // A program that reads the file already has it, if it is the same.
        let is_there = fs::read(path).is_ok_and(|bytes| bytes == first.as_bytes());
        if !is_there {
            self.write(path, &first)?;
            writings.send_modify(|count| *count += 1);
        }
        let look = async {
            let mut written = first;
            let mut told = String::new();
            loop {
                sleep(self.interval).await;
                let outcome = match template::render(&self.template, vaults).await {
                    Ok(text) if text == written => Ok(()),
                    Ok(text) => self.write(path, &text).map(|()| {
                        written = text;
                        writings.send_modify(|count| *count += 1);
                        eprintln!("keyvault: {} is written anew", path.display());
                    }),
                    Err(failure) => Err(failure),
                };
                let failure = outcome.err().map(|failure| failure.to_string()).unwrap_or_default();
                // The same failure is told once.
                if !failure.is_empty() && failure != told {
                    eprintln!("keyvault: {} stays as it is: {failure}", path.display());
                }
                told = failure;
            }
        };
        tokio::select! {
            () = hook => Ok(()),
            () = look => Ok(()),
            _ = term.recv() => Ok(()),
            _ = int.recv() => Ok(()),
        }
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "a mode is octal, as 600 or 0640".to_owned())
}
