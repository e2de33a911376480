//! `keyvault check`: every reference, before a program meets it.

use std::io;
use std::process::ExitCode;

use keyvault::Key;
use serde_json::json;
use zeroize::Zeroizing;

use crate::collision::collisions;
use crate::failure::Failure;
use crate::output;
use crate::report::{Findings, MOST_ROWS};
use crate::settings::{self, Entry, Format, Problem};
use crate::terminal::{Style, count};
use crate::vaults::VaultsArguments;

/// Check that every reference in settings files and in the environment resolves
///
/// Reads TOML, JSON, YAML, INI and .env files by their structure, any other file as text, and says of every reference in
/// which file, line and key it is, which secret it means and what became of it; never a value.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Check {
    /// The files, or - for standard input; without any, the environment is checked
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// Read the files in this format, whatever their names are
    #[arg(long)]
    format: Option<Format>,

    /// Check the environment, too
    #[arg(long)]
    env: bool,

    /// Check the variables that begin with this, too: with --env-prefix SHOP_ the variable SHOP_DB__URL is db.url
    #[arg(long, value_name = "PREFIX")]
    env_prefix: Option<String>,

    /// Ask no vault: check the syntax, whether the vaults are among those given by --vault (if any is), and that no two
    /// settings collide
    #[arg(long)]
    offline: bool,

    /// Show every reference, however many there are
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vaults: VaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  Before a deployment, in a pipeline without a credential:
    keyvault check --offline settings.toml deploy/*.yaml --vault contoso

  "Which secret is it?", at 3 a.m., with the environment of the service:
    keyvault check settings.toml --env-prefix SHOP_ --vault contoso

  For a script:
    keyvault check .env --vault contoso --json |
      jq -r '.rows[] | select(.status != "Resolved") | .origin'

A reference to another vault than the first needs that vault to be named by a
--vault of its own; no other vault is ever asked. A collision is a key that is
given twice in a file, that differs from another one in case or - and _ only,
or that is a value here and a table there, where one of the two has a
reference.

Exit codes: 0 every reference resolves (with --offline: is well formed and
allowed), 2 one is malformed, a file cannot be read as its format, or wrong
usage, 3 a secret is not found, 4 denied, 5 a vault is unavailable or
throttles, 1 several of these, or a file cannot be opened"#;

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for file in &self.files {
            match settings::read(file, self.format) {
                Ok(read) => entries.extend(read),
                Err(problem) => problems.push(problem),
            }
        }
        entries.extend(self.environment()?);
        problems.extend(collisions(&entries));
        let outcome = if self.offline || !entries.iter().any(Entry::is_marked) {
            self.vaults.check_offline(&entries)?
        } else {
            let vaults = self.vaults.build(true)?;
            crate::runtime()?.block_on(vaults.check(&entries))?
        };
        let waiting = outcome.waiting();
        let mut rows = outcome.report;
        // In the order in which a person reads the files.
        let order = |origin: &str| entries.iter().position(|entry| entry.place == origin);
        if rows.len() <= MOST_ROWS * MOST_ROWS {
            rows.sort_by_cached_key(|row| order(&row.origin));
        }
        let findings = Findings::of(&rows, &problems, waiting);
        if self.json {
            output::print_json(&json!({
                "resolved": findings.code() == 0,
                "problems": problems.iter().map(|at| json!({ "origin": at.place, "detail": at.clause })).collect::<Vec<_>>(),
                "rows": rows,
            }))?;
        } else {
            let most = if self.all { usize::MAX } else { MOST_ROWS };
            let text = findings.text(Style::of(&io::stdout()), most);
            let space = if text.is_empty() { "" } else { "\n" };
            output::print(&format!("{text}{space}{}\n", self.summary(&findings, &entries, &problems)))?;
        }
        Ok(ExitCode::from(findings.code()))
    }

    /// Reads the variables that were asked for; all of them if nothing was.
    fn environment(&self) -> Result<Vec<Entry>, Failure> {
        let prefix = match &self.env_prefix {
            Some(prefix) => prefix.as_str(),
            None if self.env || self.files.is_empty() => "",
            None => return Ok(Vec::new()),
        };
        let mut variables: Vec<_> = std::env::vars_os().collect();
        variables.sort();
        let mut entries = Vec::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) else { continue };
            let key: Key = if prefix.is_empty() {
                Key::root().member(name)
            } else {
                name[prefix.len()..].to_lowercase().split("__").collect()
            };
            let text = Zeroizing::new(value.to_string_lossy().into_owned());
            entries.push(Entry { key, place: format!("variable {name}"), document: 0, text: Some(text) });
        }
        Ok(entries)
    }

    fn summary(&self, findings: &Findings<'_>, entries: &[Entry], problems: &[Problem]) -> String {
        let mut what = Vec::new();
        if !self.files.is_empty() {
            what.push(count(self.files.len(), "file"));
        }
        if self.env_prefix.is_some() || self.env || self.files.is_empty() {
            what.push("the environment".to_owned());
        }
        let problems = match problems.len() {
            0 => String::new(),
            some => format!("; {}", count(some, "problem")),
        };
        let values = count(entries.len(), "value");
        format!("{}{problems} (in {values} of {})", findings.summary(), what.join(" and "))
    }
}
