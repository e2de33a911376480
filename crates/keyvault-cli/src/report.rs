//! The report on references that people read, and the exit code that it leads to.

use std::collections::BTreeMap;

use keyvault::ReferenceStatus;
use keyvault::report::ReportRow;

use crate::failure::Failure;
use crate::output::{self, count, number};
use crate::settings::{Problem, is_line_of_text};
use crate::terminal::{Style, WIDTH, printable, wrapped};

/// The exit codes of failures, by setting and status.
pub(crate) type ExitCodes = BTreeMap<(String, &'static str), u8>;

/// The status of every reference, and the problems of the files that they are in.
pub(crate) struct ReferenceReport<'r> {
    rows: &'r [ReportRow],
    problems: &'r [Problem],
    codes: ExitCodes,
}

impl<'r> ReferenceReport<'r> {
    /// Creates the report. `codes` has the exit codes of the failures that are known better than by their status.
    pub(crate) fn new(rows: &'r [ReportRow], problems: &'r [Problem], codes: ExitCodes) -> Self {
        Self { rows, problems, codes }
    }

    /// Returns the report as a failure unless everything resolved.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        match self.exit_code() {
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
                Err(Failure::References { report: head + &self.errors_text(style, MAX_ROWS), code })
            }
        }
    }

    /// Returns the exit code of all failures: 2 malformed, 3 not found, 4 denied, 5 unavailable, 1 several of these.
    pub(crate) fn exit_code(&self) -> u8 {
        let rows = self.failed().map(|row| {
            let known = self.codes.get(&(row.setting.clone(), row.status.as_str()));
            known.copied().unwrap_or_else(|| exit_code(row.status))
        });
        combined_exit_code(rows.chain(self.problems.iter().map(|problem| problem.code)))
    }

    fn failed(&self) -> impl Iterator<Item = &'r ReportRow> + use<'r> {
        self.rows.iter().filter(|row| row.is_failed())
    }

    /// Formats all references, failures first, at most `max_rows` in each section.
    pub(crate) fn text(&self, style: Style, max_rows: usize) -> String {
        let mut text = self.errors_text(style, max_rows);
        let good: Vec<&ReportRow> = self.rows.iter().filter(|row| !row.is_failed()).collect();
        for (status, heading) in
            [(ReferenceStatus::Initialized, "Well formed, not fetched"), (ReferenceStatus::Resolved, "Resolved")]
        {
            let rows: Vec<&ReportRow> =
                good.iter().copied().filter(|row| !row.is_absent && row.status == status).collect();
            text.push_str(&section(&style.success(heading), &rows, max_rows, style));
        }
        let absent: Vec<&ReportRow> = good.iter().copied().filter(|row| row.is_absent).collect();
        text.push_str(&section(&style.warning("Optional and absent"), &absent, max_rows, style));
        text
    }

    /// Formats the failures, one section for each cause.
    fn errors_text(&self, style: Style, max_rows: usize) -> String {
        let mut text = String::new();
        for problem in self.problems.iter().take(max_rows) {
            text.push_str(&wrapped(&printable(&problem.to_string()), 0));
        }
        if self.problems.len() > max_rows {
            text.push_str(&format!("... and {} more of these\n", number(self.problems.len() - max_rows)));
        }
        let causes = self.causes();
        for ((status, detail, advice), rows) in causes.iter().take(max_rows) {
            let head = wrapped(&format!("{status}: {}", printable(detail)), 0);
            let head = head.trim_end().replacen(status, &style.error(status), 1);
            text.push_str(&section(head.trim_end_matches(": "), rows, max_rows, style));
            if !advice.is_empty() {
                text.push_str(&wrapped(&format!("help: {}", printable(advice)), INDENT));
            }
        }
        if causes.len() > max_rows {
            text.push_str(&format!("... and {} more causes; --json lists all\n", number(causes.len() - max_rows)));
        }
        text
    }

    /// Groups the failures by status, detail and advice.
    fn causes(&self) -> BTreeMap<(&'r str, &'r str, &'r str), Vec<&'r ReportRow>> {
        let mut causes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in self.failed() {
            let (mut detail, advice) = (row.detail.as_deref().unwrap_or(""), row.advice.as_deref().unwrap_or(""));
            if exit_code(row.status) == 3 {
                // The same failure with and without the vault's own error text is one cause.
                detail = detail.split(", caused by").next().unwrap_or(detail);
            }
            causes.entry((row.status.as_str(), detail, advice)).or_default().push(row);
        }
        causes
    }

    /// Formats the number of references with each outcome in one line.
    pub(crate) fn summary(&self) -> String {
        let absent = self.rows.iter().filter(|row| row.is_absent).count();
        let failed = self.failed().count();
        let not_fetched = self.rows.iter().filter(|row| row.status == ReferenceStatus::Initialized).count();
        let resolved = self.rows.len() - absent - failed - not_fetched;
        let counts = [
            (resolved, "resolved"),
            (not_fetched, "well formed"),
            (absent, "absent and optional"),
            (failed, "not resolved"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, outcome)| format!("{} {outcome}", number(*count))).collect();
        match self.rows.len() {
            0 => "no references".to_owned(),
            rows => format!("{}: {}", count(rows, "reference"), counts.join(", ")),
        }
    }
}

/// The number of rows in a section unless `--all` is given.
pub(crate) const MAX_ROWS: usize = 20;

const INDENT: usize = 4;

/// Returns the code that all failures have in common: 0 without a failure, 1 for different codes.
pub(crate) fn combined_exit_code(mut codes: impl Iterator<Item = u8>) -> u8 {
    match codes.next() {
        None => 0,
        Some(first) if codes.all(|code| code == first) => first,
        Some(_) => 1,
    }
}

/// Returns the exit code of a failed reference.
pub(crate) fn exit_code(status: ReferenceStatus) -> u8 {
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

/// Formats a heading and its rows: in columns where they fit, otherwise each row on two lines.
fn section(heading: &str, rows: &[&ReportRow], max_rows: usize, style: Style) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let shown = &rows[..rows.len().min(max_rows)];
    let cells: Vec<[String; 3]> =
        shown.iter().map(|row| [printable(&row.origin), setting_cell(row), printable(&secret_cell(row))]).collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let [origin_width, setting_width, secret_width] = [width(0), width(1), width(2)];
    let is_table = INDENT + origin_width + 2 + setting_width + 2 + secret_width <= WIDTH;
    let mut text = format!("{heading}\n");
    for (row, [origin, setting, secret]) in shown.iter().zip(&cells) {
        let line = if is_table {
            format!("{:INDENT$}{origin:<origin_width$}  {setting:<setting_width$}  {secret}", "")
        } else {
            let rest = wrapped(&format!("{setting}  {secret}"), 2 * INDENT);
            format!("{:INDENT$}{origin}\n{}", "", rest.trim_end())
        };
        text.push_str(line.trim_end());
        text.push('\n');
        if let Some(notes) = notes(row) {
            text.push_str(&style.faint(wrapped(&notes, 2 * INDENT).trim_end()));
            text.push('\n');
        }
    }
    if rows.len() > max_rows {
        text.push_str(&format!("{:INDENT$}... and {} more; --json lists all\n", "", number(rows.len() - max_rows)));
    }
    text
}

/// Returns the setting, or an empty string where the origin already names it: a variable or a line.
fn setting_cell(row: &ReportRow) -> String {
    let is_in_origin = row.origin.ends_with(&format!(" {}", row.setting)) || is_line_of_text(&row.setting);
    if is_in_origin { String::new() } else { printable(&row.setting) }
}

fn secret_cell(row: &ReportRow) -> String {
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
            let has_expired = time < std::time::SystemTime::now();
            format!("{} {}", if has_expired { "expired" } else { "expires" }, output::date(Some(time)))
        }),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
