//! What became of every reference of one load, for people and for scripts.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::key::Key;
use crate::named::NameNote;
use crate::secret::SecretId;
use crate::status::ReferenceStatus;

mod row;
mod table;

pub use self::row::ReportRow;

/// What became of every reference and of every secret that was mapped by its name, in one load. Holds no value.
///
/// The failing rows come first, then all in the order of their settings. A secret by name has a row where it is in
/// effect; a layer above it leaves nothing of it to report.
///
/// `Display` writes a table for people, at most 80 columns wide however long the names are. `Serialize` writes
/// `{"resolved":…,"rows":[…]}` in snake case, with every field of [`ReportRow`] in each row, `null` where there is
/// nothing, and dates in RFC 3339; `docs/report.schema.json` in the repository is its JSON Schema.
#[derive(Clone, Default)]
pub struct Report {
    entries: Vec<Entry>,
    notes: Arc<[NameNote]>,
    /// Made when they are asked for: of most reports nobody reads a word.
    rows: OnceLock<Vec<ReportRow>>,
}

/// What a row is made of.
#[derive(Clone, Eq, PartialEq)]
pub(crate) enum Entry {
    /// A reference.
    Row(Box<ReportRow>),
    /// A secret by name that is in effect.
    Named { key: Key, secret: SecretId, expires: Option<SystemTime> },
}

impl Report {
    pub(crate) fn new(rows: Vec<ReportRow>) -> Self {
        Self::of(rows.into_iter().map(Entry::from).collect(), Arc::default())
    }

    /// Tells what became of `entries`, and what was found about secrets by name.
    pub(crate) fn of(entries: Vec<Entry>, notes: Arc<[NameNote]>) -> Self {
        Self { entries, notes, rows: OnceLock::new() }
    }

    /// Gives the rows: the failing ones first, then by setting. The first call makes them.
    pub fn rows(&self) -> &[ReportRow] {
        self.rows.get_or_init(|| {
            let mut rows: Vec<ReportRow> = self.entries.iter().map(Entry::row).collect();
            self.notes.iter().for_each(|note| put_note(&mut rows, note));
            rows.sort_by_cached_key(|row| (!row.is_failed(), row.setting.clone()));
            rows
        })
    }

    /// Tells whether no row [failed](ReportRow::is_failed).
    pub fn is_resolved(&self) -> bool {
        !self.rows().iter().any(ReportRow::is_failed)
    }
}

/// Adds what was found about a secret by name: a row if it was left out, a word in its row if it was not.
fn put_note(rows: &mut Vec<ReportRow>, note: &NameNote) {
    let row = ReportRow::of_note(note);
    if !note.is_taken {
        rows.push(row);
        return;
    }
    let same = |held: &&mut ReportRow| (&held.vault, &held.secret) == (&row.vault, &row.secret);
    let unsaid = |held: &&mut ReportRow| held.origin == row.origin && held.detail.is_none();
    rows.iter_mut().filter(same).filter(unsaid).for_each(|held| held.detail.clone_from(&row.detail));
}

impl Eq for Report {}

impl PartialEq for Report {
    fn eq(&self, other: &Self) -> bool {
        (&self.entries, &self.notes) == (&other.entries, &other.notes)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("rows", &self.rows()).finish()
    }
}

impl Entry {
    fn row(&self) -> ReportRow {
        match self {
            Entry::Row(row) => ReportRow::clone(row),
            Entry::Named { key, secret, expires } => {
                let row = ReportRow::at(key.to_string(), format!("the names in vault {}", secret.vault()));
                ReportRow { status: ReferenceStatus::Resolved, expires: *expires, ..row.about(secret) }
            }
        }
    }
}

impl From<ReportRow> for Entry {
    fn from(row: ReportRow) -> Self {
        Entry::Row(Box::new(row))
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 2)?;
        report.serialize_field("resolved", &self.is_resolved())?;
        report.serialize_field("rows", self.rows())?;
        report.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::table::{WIDTH, length};
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::secret::Secret;

    fn id(url: &str) -> SecretId {
        SecretId::parse(url).unwrap()
    }

    fn secret(url: &str) -> Secret {
        let mut properties = crate::SecretProperties::new(id(url));
        properties.set_expires(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        Secret::new(properties, "canary", UNIX_EPOCH)
    }

    fn row(setting: &str, origin: &str) -> ReportRow {
        ReportRow::at(setting.into(), origin.into())
    }

    fn report() -> Report {
        let missing = Error::new(ErrorKind::NotFound, "secret not found")
            .about(&id("https://contoso.vault.azure.net/secrets/gone"));
        let denied = Error::new(ErrorKind::Denied, "vault is not one that this program allows")
            .about(&id("https://stranger.vault.azure.net/secrets/mail-key"))
            .with_help("allow the vault by giving its client to Resolver::builder(…).vault(…)");
        let good = secret("https://contoso.vault.azure.net/secrets/db-password/0af1c2d30af1c2d30af1c2d30af1c2d3");
        let pinned = ReportRow { is_pinned: true, ..row("database.password", "settings.toml key database.password") };
        Report::new(vec![
            pinned.resolved(&good),
            ReportRow { is_optional: true, is_absent: true, ..row("api.key", "variable SHOP_API__KEY") }
                .failed(&missing),
            row("mail.servers[0].credentials.smtp.key", "settings.toml key mail.servers.0.credentials.smtp.key")
                .failed(&denied),
        ])
    }

    #[test]
    fn a_table_tells_failures_first_and_all_that_is_known() {
        let expected = "\
SETTING            STATUS                  SECRET
mail.servers[0].credentials.smtp.key
                   AccessToKeyVaultDenied  mail-key in stranger
    settings.toml key mail.servers.0.credentials.smtp.key
    vault is not one that this program allows
    help: allow the vault by giving its client to Resolver::builder(…).vault(…)
api.key            SecretNotFound          gone in contoso
    variable SHOP_API__KEY
    optional: the setting is absent
    secret not found
database.password  Resolved                db-password in contoso
    settings.toml key database.password
    version 0af1c2d3; pinned: never rotates; expires 2027-01-15";
        assert_eq!(report().to_string(), expected);
        assert!(!report().is_resolved());
        assert_eq!(Report::default().to_string(), "no reference and no secret by name");
    }

    #[test]
    fn json_has_every_field_of_every_row() {
        let json = serde_json::to_value(report()).unwrap();
        let expected = serde_json::json!({
            "setting": "database.password",
            "origin": "settings.toml key database.password",
            "vault": "contoso",
            "secret": "db-password",
            "version": "0af1c2d30af1c2d30af1c2d30af1c2d3",
            "is_pinned": true,
            "is_optional": false,
            "is_absent": false,
            "is_kept": false,
            "status": "Resolved",
            "detail": null,
            "advice": null,
            "expires": "2027-01-15T08:00:00Z",
        });
        assert_eq!(json["rows"][2], expected);
        assert_eq!(json["resolved"], false);
    }

    proptest! {
        #[test]
        fn a_table_is_80_columns_wide_and_moves_no_cursor(
            rows in prop::collection::vec((".{0,200}", ".{0,300}", ".{0,300}", "[a-zA-Z0-9-]{1,127}", "[a-f0-9]{1,32}"), 0..5),
        ) {
            let rows = rows.into_iter().map(|(setting, origin, detail, name, version)| {
                let url = format!("https://h.example/secrets/{name}/{version}");
                ReportRow { detail: Some(detail), ..row(&setting, &origin).resolved(&secret(&url)) }
            });
            let table = Report::new(rows.collect()).to_string();
            for line in table.lines() {
                prop_assert!(length(line) <= WIDTH, "{line}");
                prop_assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}
