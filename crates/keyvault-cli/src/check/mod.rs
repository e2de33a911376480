//! `keyvault check`: reports whether every reference resolves, before a program uses it.

mod annotation;
mod certificate;
mod collision;

use std::io;
use std::process::ExitCode;
use std::time::SystemTime;

use keyvault::report::ReportRow;
use keyvault::settings::Key;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::annotation::annotations;
use self::collision::collisions;
use crate::failure::Failure;
use crate::output::{self, count};
use crate::report::{MAX_ROWS, ReferenceReport};
use crate::settings::{self, Entry, Format, LEFT_ALONE, Problem, SelectionArguments};
use crate::store::{SelectedStoreArguments, SettingsStore, StorePrefixArguments};
use crate::terminal::{Style, printable, wrapped};
use crate::vault::AllowedVaultsArguments;

/// Check that every reference in settings files, in the environment and in App Configuration resolves
///
/// Parses TOML, JSON, YAML, INI, .properties and .env files, and searches any other file as text. Reports for each
/// reference the file, line and key it is in, or the key and the label of a store, the secret it names, and its status.
/// Never prints a value.
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

    /// Also check the variables that start with PREFIX: with --env-prefix SHOP_ the variable SHOP_DB__URL is db.url;
    /// with --env the others too
    #[arg(long, value_name = "PREFIX")]
    env_prefix: Option<String>,

    #[command(flatten)]
    selection: SelectionArguments,

    #[command(flatten)]
    store: SelectedStoreArguments,

    #[command(flatten)]
    store_prefixes: StorePrefixArguments,

    /// Also check this certificate: its name in the first --vault, or the URL of its secret; may be repeated
    #[arg(long = "certificate", value_name = "NAME|URL")]
    certificates: Vec<String>,

    /// Contact no vault and no store: check the syntax, that the vaults are among those of --vault (if any is given),
    /// and that no two settings collide
    #[arg(long)]
    offline: bool,

    /// Show every reference, however many there are
    #[arg(long)]
    all: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print workflow commands of GitHub Actions, which annotate the lines of a pull request
    #[arg(long, conflicts_with_all = ["json", "all"])]
    github: bool,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  Before a deployment, in a pipeline without a credential:
    keyvault check --offline settings.toml deploy/*.yaml --vault contoso

  "Which secret is it?", at 3 a.m., with the environment of the service:
    keyvault check settings.toml --env-prefix SHOP_ --vault contoso

  The references of an App Configuration store:
    keyvault check --app-configuration contoso --select 'shop:*@prod' \
      --vault contoso

  In a script:
    keyvault check .env --vault contoso --json |
      jq -r '.rows[] | select(.status != "Resolved") | .origin'

  The certificates of a service: the key, the names, and when they expire:
    keyvault check --certificate tls --vault contoso

Variables that CI systems and platforms fill with text of other people, such
as CI_COMMIT_MESSAGE, are left alone unless --only has their full name; the
guide docs/command-line.md lists them. A file that is invalid, and a template
such as Helm's, is searched as text. References with expressions of a template
(${...} in Bicep, Terraform and compose files, {{...}} of Helm) are checked for
their syntax. Text that looks like a reference with a mistake in it is a failure.

A certificate with its key, by --certificate or by any reference, is a note with
its names and its expiry, and another note if it expires in fewer than 14 days, or
in less than a third of its lifetime if that is shorter. An issuer that expires in
that time, or has expired, is a note too. A certificate that has expired itself or
is not valid yet is a failure.

A collision is a key that a file sets twice, that differs from another key only
in case or in - and _, or that is a value in one place and a table in another,
if one of the two has a reference. Two keys of a store that give the same
variable collide too, as in keyvault run.

Exit codes: 0 every reference resolves (with --offline: is well formed and
allowed), 2 a reference or a file is malformed, or wrong usage, 3 a secret is
not found, 4 denied, 5 a vault or store is unavailable or throttles, 1 several
of these, a certificate is not valid now, or a file cannot be read"#;

impl Check {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let store = match self.reads_store() {
            true => self.store.connect(&self.store_prefixes, &self.vaults.connection)?,
            false => None,
        };
        let mut found = Found::default();
        for file in &self.files {
            let contents = settings::read(file, self.format);
            found.entries.extend(contents.entries);
            found.problems.extend(contents.problems);
            found.notes.extend(contents.notes);
        }
        for text in &self.certificates {
            found.entries.push(certificate::entry(&self.vaults.certificate(text)?));
        }
        self.add_environment(&mut found);
        match &store {
            Some(store) => self.add_store(store, &mut found)?,
            None if self.store.is_named() => found.notes.push(Problem {
                origin: "App Configuration".to_owned(),
                message: "not read, because of --offline".to_owned(),
                code: 0,
            }),
            None => {}
        }
        let Found { entries, mut problems, mut notes, variables } = found;
        notes.extend(variables.iter().flat_map(|names| self.unmatched(names)));
        problems.extend(collisions(&entries));
        let outcome = if self.offline || !entries.iter().any(Entry::may_contain_reference) {
            self.vaults.check_offline(&entries)?
        } else {
            let vaults = self.vaults.connect(true)?;
            let (outcome, certificates) = crate::block_on(async {
                let outcome = vaults.check(&entries).await?;
                let certificates = vaults.certificates(&entries, &outcome).await;
                Ok::<_, Failure>((outcome, certificates))
            })??;
            let now = SystemTime::now();
            for (id, certificate) in &certificates {
                problems.extend(certificate::problem(id, certificate, now));
                notes.extend(certificate::notes(id, certificate, now));
            }
            outcome
        };
        let codes = outcome.exit_codes();
        let rows = in_file_order(outcome.report, &entries);
        let report = ReferenceReport::new(&rows, &problems, codes);
        if self.json {
            print_json(&report, &rows, &problems, &notes)?;
        } else if self.github {
            let annotations = annotations(&rows, &problems, &notes);
            output::print(&format!("{annotations}{}\n", self.summary(&report, &entries, &problems)))?;
        } else {
            let max_rows = if self.all { usize::MAX } else { MAX_ROWS };
            let text = notes_text(&notes, max_rows) + &report.text(Style::of(&io::stdout()), max_rows);
            let blank_line = if text.is_empty() { "" } else { "\n" };
            output::print(&format!("{text}{blank_line}{}\n", self.summary(&report, &entries, &problems)))?;
        }
        Ok(ExitCode::from(report.exit_code()))
    }

    fn reads_store(&self) -> bool {
        self.store.is_named() && !self.offline
    }

    /// Adds the variables that the arguments select, or all variables if they select nothing.
    fn add_environment(&self, found: &mut Found) {
        let is_whole = self.env || self.has_no_source();
        if !is_whole && self.env_prefix.is_none() {
            return;
        }
        let mut variables: Vec<_> = std::env::vars_os().collect();
        variables.sort();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let key: Key = match self.env_prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix)) {
                Some(rest) => rest.to_lowercase().splitn(MAX_SEGMENTS, "__").collect(),
                None if is_whole => Key::root().member(name),
                None => continue,
            };
            let text = Zeroizing::new(value.to_string_lossy().into_owned());
            let entry = Entry { key, origin: format!("variable {name}"), document: 0, text: Some(text) };
            found.add_variable(name, entry, &self.selection);
        }
        found.variables.get_or_insert_default();
    }

    /// Adds the settings of a store. A store that cannot be read is a problem, like a file that cannot be read.
    fn add_store(&self, store: &SettingsStore, found: &mut Found) -> Result<(), Failure> {
        let contents = match crate::block_on(store.read())? {
            Ok(contents) => contents,
            Err(error) => {
                found.problems.push(store.problem(&error));
                return Ok(());
            }
        };
        let (settings, problems) = contents.settings();
        found.problems.extend(problems);
        for setting in settings {
            let name = setting.variable();
            match setting.selected_text(&self.selection) {
                Ok(text) => {
                    let entry = Entry { key: setting.key(), origin: setting.origin(), document: 0, text: Some(text) };
                    found.add_variable(&name, entry, &self.selection);
                }
                Err(problem) => {
                    found.problems.push(problem);
                    found.variables.get_or_insert_default().push(name);
                }
            }
        }
        found.variables.get_or_insert_default();
        Ok(())
    }

    /// Returns a note for each pattern of `--only` and `--except` that matches none of `names`.
    fn unmatched(&self, names: &[String]) -> Vec<Problem> {
        let note =
            |pattern: &str| Problem { origin: pattern.to_owned(), message: "matches no variable".to_owned(), code: 0 };
        self.selection.unmatched(names).into_iter().map(note).collect()
    }

    /// Returns whether nothing says what to check, so that it is the environment.
    fn has_no_source(&self) -> bool {
        self.files.is_empty() && self.env_prefix.is_none() && self.certificates.is_empty()
    }

    fn summary(&self, report: &ReferenceReport<'_>, entries: &[Entry], problems: &[Problem]) -> String {
        let mut sources = Vec::new();
        if !self.files.is_empty() {
            sources.push(count(self.files.len(), "file"));
        }
        if self.env_prefix.is_some() || self.env || self.has_no_source() {
            sources.push("the environment".to_owned());
        }
        if self.reads_store() {
            sources.push("App Configuration".to_owned());
        }
        if !self.certificates.is_empty() {
            sources.push("--certificate".to_owned());
        }
        let problems = match problems.len() {
            0 => String::new(),
            number => format!("; {}", count(number, "problem")),
        };
        let values = count(entries.len(), "value");
        format!("{}{problems} (in {values} of {})", report.summary(), sources.join(" and "))
    }
}

/// What the sources have.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
    /// The names of the variables and of the settings of a store. `None` if only files were read.
    variables: Option<Vec<String>>,
}

impl Found {
    /// Adds a variable, or the setting of a store with the variable that `keyvault run` makes of it. Adds a note if it
    /// is left alone although it has a reference.
    fn add_variable(&mut self, name: &str, entry: Entry, selection: &SelectionArguments) {
        self.variables.get_or_insert_default().push(name.to_owned());
        if selection.includes(name) {
            self.entries.push(entry);
        } else if selection.protects(name) && entry.may_contain_reference() {
            self.notes.push(Problem { origin: entry.origin, message: LEFT_ALONE.to_owned(), code: 0 });
        }
    }
}

/// The number of segments of the longest key of a variable.
const MAX_SEGMENTS: usize = 128;

fn notes_text(notes: &[Problem], max_rows: usize) -> String {
    let shown = notes.iter().take(max_rows).map(|note| wrapped(&printable(&format!("note: {note}")), 0));
    let more = notes.len().saturating_sub(max_rows);
    let more = if more > 0 { format!("... and {} more notes\n", output::number(more)) } else { String::new() };
    shown.collect::<String>() + &more
}

/// Sorts the rows by the position of their settings. Skips it for long reports, where it would be slow.
fn in_file_order(mut rows: Vec<ReportRow>, entries: &[Entry]) -> Vec<ReportRow> {
    if rows.len() <= MAX_ROWS * MAX_ROWS {
        rows.sort_by_cached_key(|row| entries.iter().position(|entry| entry.origin == row.origin));
    }
    rows
}

fn print_json(
    report: &ReferenceReport<'_>,
    rows: &[ReportRow],
    problems: &[Problem],
    notes: &[Problem],
) -> io::Result<()> {
    let list = |problems: &[Problem]| -> Vec<Value> {
        problems.iter().map(|problem| json!({ "origin": problem.origin, "detail": problem.message })).collect()
    };
    output::print_json(&json!({
        "resolved": report.exit_code() == 0,
        "problems": list(problems),
        "notes": list(notes),
        "rows": rows,
    }))
}
