//! What became of references, for people.

use std::collections::BTreeMap;

use keyvault::{ReferenceStatus, ReportRow};

use crate::failure::Failure;
use crate::output;
use crate::settings::Problem;
use crate::terminal::{Style, WIDTH, count, number, printable, wrapped};
use crate::vaults::Waiting;

/// Everything that was found: what became of references, and what is wrong with the files they are in.
pub(crate) struct Findings<'f> {
    rows: &'f [ReportRow],
    problems: &'f [Problem],
    waiting: Waiting,
}

impl<'f> Findings<'f> {
    pub(crate) fn of(rows: &'f [ReportRow], problems: &'f [Problem], waiting: Waiting) -> Self {
        Self { rows, problems, waiting }
    }

    /// Fails with the report if anything is wrong.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        match self.code() {
            0 => Ok(()),
            code => {
                let style = Style::of(&std::io::stderr());
                let failed = self.failed().count();
                let all = count(self.rows.len(), "reference");
                let head = match (failed, self.rows.len()) {
                    (0, _) => String::new(),
                    (failed, rows) if failed == rows => format!("{all} cannot be resolved\n"),
                    (failed, _) => format!("{} of {all} cannot be resolved\n", number(failed)),
                };
                Err(Failure::References { report: head + &self.bad(style, MOST_ROWS), code })
            }
        }
    }

    /// What everything that is wrong has in common: 2 malformed, 3 not found, 4 denied, 5 unavailable, 1 nothing.
    pub(crate) fn code(&self) -> u8 {
        let rows =
            self.failed().map(|row| if self.waiting.contains(&row.setting) { 5 } else { status_code(row.status) });
        common(rows.chain(self.problems.iter().map(|problem| problem.code)))
    }

    fn failed(&self) -> impl Iterator<Item = &'f ReportRow> + use<'f> {
        self.rows.iter().filter(|row| row.is_failed())
    }

    /// Writes everything, `most` rows of a kind.
    pub(crate) fn text(&self, style: Style, most: usize) -> String {
        let mut text = self.bad(style, most);
        let good: Vec<&ReportRow> = self.rows.iter().filter(|row| !row.is_failed()).collect();
        for status in [ReferenceStatus::Initialized, ReferenceStatus::Resolved] {
            let rows: Vec<&ReportRow> =
                good.iter().copied().filter(|row| !row.is_absent && row.status == status).collect();
            let head = if status == ReferenceStatus::Initialized { "Well formed, not asked for" } else { "Resolved" };
            text.push_str(&section(&style.good(head), &rows, most, style));
        }
        let absent: Vec<&ReportRow> = good.iter().copied().filter(|row| row.is_absent).collect();
        text.push_str(&section(&style.doubtful("Optional and absent"), &absent, most, style));
        text
    }

    /// Writes what is wrong: one section for all that have the same cause.
    fn bad(&self, style: Style, most: usize) -> String {
        let mut text = String::new();
        for problem in self.problems.iter().take(most) {
            text.push_str(&wrapped(&printable(&problem.to_string()), 0));
        }
        if self.problems.len() > most {
            text.push_str(&format!("... and {} more of these\n", number(self.problems.len() - most)));
        }
        let mut causes: BTreeMap<(&str, &str, &str), Vec<&ReportRow>> = BTreeMap::new();
        for row in self.failed() {
            let (mut detail, advice) = (row.detail.as_deref().unwrap_or(""), row.advice.as_deref().unwrap_or(""));
            if status_code(row.status) == 3 {
                // That the vault said so is no other cause.
                detail = detail.split(", caused by").next().unwrap_or(detail);
            }
            causes.entry((row.status.as_str(), detail, advice)).or_default().push(row);
        }
        for ((status, detail, advice), rows) in causes.iter().take(most) {
            let head = wrapped(&format!("{status}: {}", printable(detail)), 0);
            let head = head.trim_end().replacen(status, &style.bad(status), 1);
            text.push_str(&section(head.trim_end_matches(": "), rows, most, style));
            if !advice.is_empty() {
                text.push_str(&wrapped(&format!("help: {}", printable(advice)), INDENT));
            }
        }
        if causes.len() > most {
            text.push_str(&format!("... and {} more causes; --json has all\n", number(causes.len() - most)));
        }
        text
    }

    /// Writes how many there are of what.
    pub(crate) fn summary(&self) -> String {
        let absent = self.rows.iter().filter(|row| row.is_absent).count();
        let failed = self.failed().count();
        let untried = self.rows.iter().filter(|row| row.status == ReferenceStatus::Initialized).count();
        let resolved = self.rows.len() - absent - failed - untried;
        let counts = [
            (resolved, "resolved"),
            (untried, "well formed"),
            (absent, "absent and optional"),
            (failed, "not resolved"),
        ];
        let counts =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", number(*count)));
        let counts: Vec<String> = counts.collect();
        match self.rows.len() {
            0 => "no references".to_owned(),
            rows => format!("{}: {}", count(rows, "reference"), counts.join(", ")),
        }
    }
}

/// More of a kind do not tell a person more.
pub(crate) const MOST_ROWS: usize = 20;

const INDENT: usize = 4;

/// Gives the code that all have in common: 0 if there is none, 1 if there are several.
pub(crate) fn common(mut codes: impl Iterator<Item = u8>) -> u8 {
    match codes.next() {
        None => 0,
        Some(first) if codes.all(|code| code == first) => first,
        Some(_) => 1,
    }
}

/// Tells what a command ends with for this reason.
pub(crate) fn status_code(status: ReferenceStatus) -> u8 {
    match status {
        ReferenceStatus::InvalidSyntax => 2,
        ReferenceStatus::SecretNotFound | ReferenceStatus::SecretVersionNotFound => 3,
        ReferenceStatus::AccessToKeyVaultDenied
        | ReferenceStatus::MsiNotEnabled
        | ReferenceStatus::UnauthorizedClient => 4,
        ReferenceStatus::VaultNotFound | ReferenceStatus::FetchTimedOut => 5,
        _ => 1,
    }
}

/// Writes a head and rows under it: in columns where they fit, else each on lines of its own.
fn section(head: &str, rows: &[&ReportRow], most: usize, style: Style) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let shown = &rows[..rows.len().min(most)];
    let cells: Vec<[String; 3]> =
        shown.iter().map(|row| [printable(&row.origin), setting(row), printable(&what(row))]).collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let [place, setting, secret] = [width(0), width(1), width(2)];
    let is_table = INDENT + place + 2 + setting + 2 + secret <= WIDTH;
    let mut text = format!("{head}\n");
    for (row, [at, key, what]) in shown.iter().zip(&cells) {
        let line = if is_table {
            format!("{:INDENT$}{at:<place$}  {key:<setting$}  {what}", "")
        } else {
            let rest = wrapped(&format!("{key}  {what}"), 2 * INDENT);
            format!("{:INDENT$}{at}\n{}", "", rest.trim_end())
        };
        text.push_str(line.trim_end());
        text.push('\n');
        if let Some(notes) = notes(row) {
            text.push_str(&style.faint(wrapped(&notes, 2 * INDENT).trim_end()));
            text.push('\n');
        }
    }
    if rows.len() > most {
        text.push_str(&format!("{:INDENT$}... and {} more; --json has all\n", "", number(rows.len() - most)));
    }
    text
}

/// A variable is its own setting.
fn setting(row: &ReportRow) -> String {
    let is_said = row.origin.ends_with(&format!(" {}", row.setting)) || row.setting.starts_with("line ");
    if is_said { String::new() } else { printable(&row.setting) }
}

fn what(row: &ReportRow) -> String {
    match (&row.secret, &row.vault) {
        (Some(secret), Some(vault)) => format!("{secret} in {vault}"),
        (Some(secret), None) => secret.clone(),
        _ => String::new(),
    }
}

fn notes(row: &ReportRow) -> Option<String> {
    let version = row.version.as_deref().filter(|_| row.is_pinned);
    let notes = [
        version.map(|version| format!("pinned to version {version}: never rotates")),
        row.expires.map(|time| {
            let expired = time < std::time::SystemTime::now();
            format!("{} {}", if expired { "expired" } else { "expires" }, output::date(Some(time)))
        }),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
