//! A report as a table for people.

use std::fmt;

use super::Report;
use super::row::ReportRow;

/// The maximum width of a table, in columns.
pub(super) const WIDTH: usize = 80;
/// The maximum width of the first column; a longer key gets its own line.
const WIDEST_SETTING: usize = 30;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows().is_empty() {
            f.write_str("no references and no secrets mapped by name")?;
        } else {
            self.write_rows(f)?;
        }
        self.unmatched().iter().try_for_each(|note| write_wrapped(f, &format!("note: {}", printable(note)), ""))
    }
}

impl Report {
    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let settings = rows.iter().map(|row| length(&row.setting)).filter(|length| *length <= WIDEST_SETTING);
        let setting = settings.max().unwrap_or_default().max("SETTING".len());
        let statuses = rows.iter().map(|row| row.status.as_str().len());
        let status = statuses.max().unwrap_or_default().max("STATUS".len());
        write!(f, "{:<setting$}  {:<status$}  SECRET", "SETTING", "STATUS")?;
        rows.iter().try_for_each(|row| row.write(f, setting, status))
    }
}

impl ReportRow {
    fn write(&self, f: &mut fmt::Formatter<'_>, setting: usize, status: usize) -> fmt::Result {
        let (key, what) = (printable(&self.setting), printable(&self.what()));
        let room = WIDTH - setting - status - 4;
        if length(&key) > setting {
            write_wrapped(f, &key, "")?;
            write!(f, "\n{:setting$}", "")?;
        } else {
            write!(f, "\n{key:<setting$}")?;
        }
        match length(&what) {
            0 => write!(f, "  {}", self.status)?,
            length if length <= room => write!(f, "  {:<status$}  {what}", self.status)?,
            _ => {
                write!(f, "  {}", self.status)?;
                write_wrapped(f, &what, INDENT)?;
            }
        }
        write_wrapped(f, &printable(&self.origin), INDENT)?;
        let notes: Vec<String> = self.notes().collect();
        if !notes.is_empty() {
            write_wrapped(f, &notes.join("; "), INDENT)?;
        }
        if let Some(detail) = &self.detail {
            write_wrapped(f, &printable(detail), INDENT)?;
        }
        if let Some(advice) = &self.advice {
            write_wrapped(f, &format!("help: {}", printable(advice)), INDENT)?;
        }
        Ok(())
    }
}

const INDENT: &str = "    ";

/// Writes `text` on its own lines, broken at spaces if there are any, else within a word.
fn write_wrapped(f: &mut fmt::Formatter<'_>, text: &str, indent: &str) -> fmt::Result {
    let width = WIDTH - indent.len();
    let chars: Vec<char> = text.chars().collect();
    let mut rest = &chars[..];
    while rest.len() > width {
        let space = rest[..=width].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let (line, after) = rest.split_at(space.unwrap_or(width));
        write!(f, "\n{indent}{}", line.iter().collect::<String>())?;
        rest = if space.is_some() { &after[1..] } else { after };
    }
    write!(f, "\n{indent}{}", rest.iter().collect::<String>())
}

/// Replaces control characters: a key or a file name may contain one that moves the terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}
