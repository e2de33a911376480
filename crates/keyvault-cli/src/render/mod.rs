//! `keyvault render`: writes a file of any kind with the references in it resolved.
//!
//! In reading order: `template` resolves the references of a text, and `setting_reference` parses those to settings of
//! App Configuration. `insertion` puts secrets into a format with a structure, which `document` and `xml` parse
//! (`json_strings` finds the strings of JSON before that), and `escape` escapes each for its place. `watch` repeats
//! that and rewrites the file on a change.

mod document;
mod escape;
mod insertion;
mod json_strings;
mod setting_reference;
mod template;
mod watch;
mod xml;

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::watch::Watch;
use crate::access::Access;
use crate::arguments::PollArguments;
use crate::atomic_file::{self, Existing};
use crate::failure::Failure;
use crate::hook::HookArguments;
use crate::output;
use crate::output_path::OutputPath;
use crate::settings::Format;
use crate::store::{SelectedStoreArguments, SettingsStore, StorePrefixArguments};
use crate::vault::{AllowedVaults, AllowedVaultsArguments};

/// Write a file of any kind with the references in it resolved
///
/// The text around references stays as it is; @@KeyVault( becomes a literal @KeyVault(. A line with an optional
/// reference whose secret does not exist is left out. If a reference cannot be resolved, nothing is written, and a
/// report names its line.
///
/// With --app-configuration, @AppConfiguration(Key=shop:url) stands for the setting of that key, and Label= for one
/// with a label. If the setting is a Key Vault reference, its secret is written.
///
/// In JSON, YAML, TOML, XML, INI, .properties and .env files each secret is escaped for its place, and nothing is
/// written if the file would have another structure with the secrets than without them. References need quotes there,
/// except for a number, true or false in JSON. In a YAML block, the line break at its end is also that of the secret.
/// In any other file the secrets are written as they are.
///
/// With -o the file is replaced atomically: the text is written to a temporary file beside it, synced to disk and
/// renamed. The file gets the mode of --mode and belongs to you, whatever the old file's mode and owner are. On Windows
/// there is no --mode, and the file gets the permissions of its directory. A symbolic link to a file is replaced, not
/// followed. A pipe, a character device, an open descriptor and a link to one of these, such as /dev/stdout, are
/// written through and never replaced; anything else is refused.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Render {
    /// The file with references, or - for standard input
    template: String,

    /// Escape secrets for this format instead of the one that the name of the output or the template suggests; text
    /// escapes nothing
    #[arg(long)]
    format: Option<Format>,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The mode of the output file, in octal
    #[cfg(unix)]
    #[arg(long, value_parser = crate::access::parse_mode, default_value = "600", requires = "output")]
    mode: u32,

    /// Keep running: check for new versions and for changes of the template and the store, and rewrite the file when
    /// its content changes
    #[arg(long, requires = "output")]
    watch: bool,

    #[command(flatten)]
    poll: PollArguments,

    #[command(flatten)]
    hook: HookArguments,

    #[command(flatten)]
    store: SelectedStoreArguments,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  A file for a program that can only read files:
    keyvault render app.conf.template -o app.conf --vault contoso

  Kept up to date, with a reload after each change:
    keyvault render nginx.conf.template -o nginx.conf --vault contoso \
      --watch --then 'nginx -s reload'

  With settings of App Configuration, such as @AppConfiguration(Key=shop:url):
    keyvault render app.conf.template -o app.conf --app-configuration contoso \
      --select 'shop:*' --select 'shop:*@prod' --vault contoso

  Through a pipe:
    cat app.yaml | keyvault render - --vault contoso | kubectl apply -f -

With --watch the command fails if the first attempt fails. Later failures are
printed, and the file stays as it is. A file that was removed is written again
at the next check. The command of --then gets no credentials:
AZURE_CLIENT_SECRET, KEYVAULT_TOKEN and similar variables are removed from its
environment. On Windows every process that it started ends with it.

Exit codes: 0 the file is written, 2 a reference or an option is wrong, 3 a
secret or setting is not found, 4 denied, 5 a vault or store is unavailable or
throttles, 1 several of these, or a file cannot be read or written"#;

impl Render {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output {
            self.check_output(path)?;
        }
        if self.watch && self.template == "-" {
            return Err(Failure::usage("standard input cannot be watched"));
        }
        let vaults = self.vaults.connect(true)?;
        let store = self.store.connect(&StorePrefixArguments::default(), &self.vaults.connection)?;
        crate::block_on(self.render(vaults, store))??;
        Ok(ExitCode::SUCCESS)
    }

    #[cfg(unix)]
    fn access(&self) -> Access {
        Access::new(self.mode)
    }

    #[cfg(windows)]
    fn access(&self) -> Access {
        Access::private()
    }

    /// Returns the format of `--format`, or the one that the name of the output or of the template suggests.
    fn format(&self) -> Format {
        let output = self.output.as_deref().map(|path| path.to_string_lossy().into_owned());
        let names = output.iter().map(String::as_str).chain([self.template.as_str()]);
        let suggested = names.map(|name| Format::of(without_suffixes(name))).find(|format| *format != Format::Text);
        self.format.or(suggested).unwrap_or(Format::Text)
    }

    fn check_output(&self, path: &Path) -> Result<(), Failure> {
        let kind = OutputPath::of(path).map_err(|error| Failure::of_file(path, error))?;
        if self.watch && kind != OutputPath::File {
            return Err(Failure::usage(format!(
                "{} is not a regular file, so --watch cannot update it",
                path.display()
            )));
        }
        let same = fs::canonicalize(path).ok().zip(fs::canonicalize(&self.template).ok());
        if same.is_some_and(|(output, template)| output == template) {
            return Err(Failure::usage("the output is the template itself: writing it would destroy the references"));
        }
        Ok(())
    }

    async fn render(self, vaults: AllowedVaults, store: Option<SettingsStore>) -> Result<(), Failure> {
        let (format, access) = (self.format(), self.access());
        let rendered = template::render(&self.template, format, &vaults, store.as_ref()).await?;
        rendered.print_near_misses();
        let text = rendered.text;
        let Some(path) = self.output else {
            if io::stdout().is_terminal() {
                eprintln!("keyvault: the following output contains secrets");
            }
            return Ok(output::print(&text)?);
        };
        if !self.watch {
            return write(&path, &text, &access);
        }
        let interval = self.poll.interval;
        Watch { template: self.template, format, path, access, interval, vaults, store }.run(text, self.hook).await
    }
}

/// Removes what marks a file as a template: `app.json.template` is JSON.
fn without_suffixes(name: &str) -> &str {
    const SUFFIXES: [&str; 9] = [".template", ".tmpl", ".tpl", ".in", ".j2", ".dist", ".example", ".sample", ".kv"];
    let mut name = name;
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        name = shorter;
    }
    name
}

fn write(path: &Path, text: &str, access: &Access) -> Result<(), Failure> {
    atomic_file::write(path, text.as_bytes(), access, Existing::Replace).map_err(|error| Failure::of_file(path, error))
}
