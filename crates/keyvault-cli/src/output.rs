//! Printing to standard output: JSON, tables, dates, numbers and the properties of secrets.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use keyvault::SecretProperties;
use keyvault::client::DeletedSecret;
use serde_json::{Value, json};

/// Prints `text`. A reader that closes the pipe early is no error: `keyvault secret list | head`.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match write(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes `bytes` to standard output and flushes it, because the flush at the end of the process ignores errors.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Formats rows in columns that are as wide as their longest cell.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max();
    let widths: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or_default()).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    line(header.to_vec()) + &body.collect::<String>()
}

/// Formats a time as RFC 3339, or returns an empty string for `None`.
pub(crate) fn date(time: Option<SystemTime>) -> String {
    time.map(|time| rfc3339(time).unwrap_or_else(|| "a date out of range".to_owned())).unwrap_or_default()
}

/// Formats a time as RFC 3339, or returns null for `None` and for a date out of range.
fn date_json(time: Option<SystemTime>) -> Value {
    time.and_then(rfc3339).into()
}

/// Formats a time as RFC 3339. `None` before 1970 and after 9999, where the formatter panics.
fn rfc3339(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < END_OF_DATES).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// The end of the year 9999, in seconds since 1970.
const END_OF_DATES: u64 = 253_402_300_800;

/// Formats a number with thousands separators: `10,000`.
pub(crate) fn number(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Formats a count with its noun: `1 reference`, `2 references`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// Returns the properties of a secret as JSON, without its value.
pub(crate) fn properties_json(properties: &SecretProperties) -> Value {
    let id = properties.id();
    json!({
        "id": id.url(),
        "name": id.name().as_str(),
        "version": id.version().map(ToString::to_string),
        "enabled": properties.enabled(),
        "created": date_json(properties.created()),
        "updated": date_json(properties.updated()),
        "not_before": date_json(properties.not_before()),
        "expires": date_json(properties.expires()),
        "content_type": properties.content_type(),
        "tags": properties.tags(),
        "managed": properties.managed(),
    })
}

/// Returns the properties of a deleted secret as JSON.
pub(crate) fn deleted_json(deleted: &DeletedSecret) -> Value {
    let mut value = properties_json(&deleted.properties);
    value["recovery_id"] = json!(deleted.recovery_id);
    value["deleted"] = date_json(deleted.deleted);
    value["scheduled_purge"] = date_json(deleted.scheduled_purge);
    value
}

/// Formats the properties of a secret as text, one line for each property that is set.
pub(crate) fn properties_text(properties: &SecretProperties) -> String {
    let id = properties.id();
    let tags = properties.tags().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ");
    fields_text(&[
        ("name", id.name().to_string()),
        ("vault", id.vault().to_string()),
        ("version", id.version().map(ToString::to_string).unwrap_or_default()),
        ("enabled", properties.enabled().to_string()),
        ("created", date(properties.created())),
        ("updated", date(properties.updated())),
        ("not before", date(properties.not_before())),
        ("expires", date(properties.expires())),
        ("type", properties.content_type().unwrap_or_default().to_owned()),
        ("tags", tags),
    ])
}

/// Formats the properties of a deleted secret as text.
pub(crate) fn deleted_text(deleted: &DeletedSecret) -> String {
    let dates = [("deleted", date(deleted.deleted)), ("purged on", date(deleted.scheduled_purge))];
    properties_text(&deleted.properties) + &fields_text(&dates)
}

fn fields_text(fields: &[(&str, String)]) -> String {
    let present = fields.iter().filter(|(_, value)| !value.is_empty());
    present.map(|(name, value)| format!("{name:<10}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_date_is_formatted() {
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (time, text, json) in [
            (None, "", None),
            (Some(after(0)), "1970-01-01T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            (Some(after(END_OF_DATES - 1)), "9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z")),
            (Some(after(END_OF_DATES)), "a date out of range", None),
            (Some(UNIX_EPOCH - Duration::from_secs(1)), "a date out of range", None),
        ] {
            assert_eq!((date(time), date_json(time)), (text.to_owned(), json.into()), "{time:?}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [vec!["a".to_owned(), "yes".to_owned()], vec!["longer".to_owned(), "no".to_owned()]];
        assert_eq!(table(&["NAME", "ENABLED"], &rows), "NAME    ENABLED\na       yes\nlonger  no\n");
    }

    #[test]
    fn numbers_have_separators_and_nouns_a_plural() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), expected);
        }
        assert_eq!((count(1, "key"), count(2, "key")), ("1 key".to_owned(), "2 keys".to_owned()));
    }
}
