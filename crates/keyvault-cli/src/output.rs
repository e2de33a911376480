//! What people and scripts read.

use std::io::{self, Write};
use std::time::SystemTime;

use keyvault::{DeletedSecret, SecretProperties};
use serde_json::{Value, json};

/// Prints lines that stay when the reader goes away early: `keyvault secret list | head`.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Writes rows in columns as wide as they need, the last one as wide as it gets.
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

pub(crate) fn date(time: Option<SystemTime>) -> String {
    time.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default()
}

/// Everything about a secret but its value.
pub(crate) fn properties_json(properties: &SecretProperties) -> Value {
    let time = |time: Option<SystemTime>| time.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let id = properties.id();
    json!({
        "id": id.url(),
        "name": id.name().as_str(),
        "version": id.version().map(ToString::to_string),
        "enabled": properties.enabled(),
        "created": time(properties.created()),
        "updated": time(properties.updated()),
        "not_before": time(properties.not_before()),
        "expires": time(properties.expires()),
        "content_type": properties.content_type(),
        "tags": properties.tags(),
        "managed": properties.managed(),
    })
}

pub(crate) fn deleted_json(deleted: &DeletedSecret) -> Value {
    let mut value = properties_json(&deleted.properties);
    value["recovery_id"] = json!(deleted.recovery_id);
    value["deleted"] = json!(date(deleted.deleted));
    value["scheduled_purge"] = json!(date(deleted.scheduled_purge));
    value
}

/// The same for people, a line each, without what is not there.
pub(crate) fn properties_text(properties: &SecretProperties) -> String {
    let id = properties.id();
    let tags = properties.tags().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ");
    let lines = [
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
    ];
    let present = lines.iter().filter(|(_, value)| !value.is_empty());
    present.map(|(name, value)| format!("{name:<10}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let rows = [vec!["a".to_owned(), "yes".to_owned()], vec!["longer".to_owned(), "no".to_owned()]];
        assert_eq!(table(&["NAME", "ENABLED"], &rows), "NAME    ENABLED\na       yes\nlonger  no\n");
    }
}
