//! `keyvault check`: reports whether every reference resolves, before a program uses it.

mod collision;

use std::io;
use std::process::ExitCode;

use keyvault::report::ReportRow;
use keyvault::settings::Key;
use serde_json::json;
use zeroize::Zeroizing;

use self::collision::collisions;
use crate::failure::Failure;
use crate::output::{self, count};
use crate::report::{MAX_ROWS, ReferenceReport};
use crate::settings::{self, Entry, Format, Problem};
use crate::terminal::Style;
use crate::vault::AllowedVaultsArguments;

/// Check that every reference in settings files and in the environment resolves
///
/// Parses TOML, JSON, YAML, INI and .env files, and searches any other file as text. Reports for each reference the
/// file, line and key it is in, the secret it names, and its status. Never prints a value.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Check {
    /// The files, or - for standard input; checks the environment if no file is given
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// Parse all files in this format instead of the one that their names suggest
    #[arg(long)]
    format: Option<Format>,

    /// Also check the environment
    #[arg(long)]
    env: bool,

    /// Also check the variables that start with PREFIX: with --env-prefix SHOP_ the variable SHOP_DB__URL is db.url
    #[arg(long, value_name = "PREFIX")]
    env_prefix: Option<String>,

    /// Contact no vault: check the syntax, that the vaults are among those of --vault (if any is given), and that no
    /// two settings collide
    #[arg(long)]
    offline: bool,

    /// Show every reference, however many there are
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  Before a deployment, in a pipeline without a credential:
    keyvault check --offline settings.toml deploy/*.yaml --vault contoso

  "Which secret is it?", at 3 a.m., with the environment of the service:
    keyvault check settings.toml --env-prefix SHOP_ --vault contoso

  In a script:
    keyvault check .env --vault contoso --json |
      jq -r '.rows[] | select(.status != "Resolved") | .origin'

A collision is a key that a file sets twice, that differs from another key only
in case or in - and _, or that is a value in one place and a table in another,
if one of the two has a reference.

Exit codes: 0 every reference resolves (with --offline: is well formed and
allowed), 2 a reference or a file is malformed, or wrong usage, 3 a secret is
not found, 4 denied, 5 a vault is unavailable or throttles, 1 several of these,
or a file cannot be read"#;

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
        entries.extend(self.environment());
        problems.extend(collisions(&entries));
        let outcome = if self.offline || !entries.iter().any(Entry::may_contain_reference) {
            self.vaults.check_offline(&entries)?
        } else {
            let vaults = self.vaults.connect(true)?;
            crate::runtime()?.block_on(vaults.check(&entries))?
        };
        let transient = outcome.transient_settings();
        let rows = in_file_order(outcome.report, &entries);
        let report = ReferenceReport::new(&rows, &problems, transient);
        if self.json {
            print_json(&report, &rows, &problems)?;
        } else {
            let text = report.text(Style::of(&io::stdout()), if self.all { usize::MAX } else { MAX_ROWS });
            let blank_line = if text.is_empty() { "" } else { "\n" };
            output::print(&format!("{text}{blank_line}{}\n", self.summary(&report, &entries, &problems)))?;
        }
        Ok(ExitCode::from(report.exit_code()))
    }

    /// Reads the variables that the arguments select, or all variables if they select nothing.
    fn environment(&self) -> Vec<Entry> {
        let prefix = match &self.env_prefix {
            Some(prefix) => prefix.as_str(),
            None if self.env || self.files.is_empty() => "",
            None => return Vec::new(),
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
            entries.push(Entry { key, origin: format!("variable {name}"), document: 0, text: Some(text) });
        }
        entries
    }

    fn summary(&self, report: &ReferenceReport<'_>, entries: &[Entry], problems: &[Problem]) -> String {
        let mut sources = Vec::new();
        if !self.files.is_empty() {
            sources.push(count(self.files.len(), "file"));
        }
        if self.env_prefix.is_some() || self.env || self.files.is_empty() {
            sources.push("the environment".to_owned());
        }
        let problems = match problems.len() {
            0 => String::new(),
            number => format!("; {}", count(number, "problem")),
        };
        let values = count(entries.len(), "value");
        format!("{}{problems} (in {values} of {})", report.summary(), sources.join(" and "))
    }
}

/// Sorts the rows by the position of their settings. Skips it for long reports, where it would be slow.
fn in_file_order(mut rows: Vec<ReportRow>, entries: &[Entry]) -> Vec<ReportRow> {
    if rows.len() <= MAX_ROWS * MAX_ROWS {
        rows.sort_by_cached_key(|row| entries.iter().position(|entry| entry.origin == row.origin));
    }
    rows
}

fn print_json(report: &ReferenceReport<'_>, rows: &[ReportRow], problems: &[Problem]) -> io::Result<()> {
    let problems: Vec<_> =
        problems.iter().map(|problem| json!({ "origin": problem.origin, "detail": problem.message })).collect();
    output::print_json(&json!({ "resolved": report.exit_code() == 0, "problems": problems, "rows": rows }))
}
