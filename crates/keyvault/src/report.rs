//! What became of every reference of one load, for people and for scripts.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use azure_core::time::{OffsetDateTime, to_rfc3339};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::Error;
use crate::key::Key;
use crate::layers::Leaf;
use crate::name_map::Finding;
use crate::named::NameNote;
use crate::reference::Reference;
use crate::secret::{Secret, SecretId};
use crate::status::ReferenceStatus;

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

/// What became of one reference, or of one secret that was mapped by its name.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportRow {
    /// The key of the setting: `database.password`.
    pub setting: String,
    /// Where it is written: a file, a variable, the names in a vault.
    pub origin: String,
    /// The vault's name, or its host where that is under no known domain; none if the reference is malformed.
    pub vault: Option<String>,
    /// The secret's name; none if the reference is malformed.
    pub secret: Option<String>,
    /// The version in use or, while there is none, the version that the reference names.
    pub version: Option<String>,
    /// Whether the reference names its version: then it never rotates.
    pub is_pinned: bool,
    /// Whether a secret that does not exist makes the setting absent instead of failing the load.
    pub is_optional: bool,
    /// Whether the setting is absent because its optional secret does not exist, or a secret by name was left out because
    /// it is disabled or outside its dates.
    pub is_absent: bool,
    /// Whether an earlier version stays in use because the secret could not be read anew.
    pub is_kept: bool,
    /// What became of it, in App Service's words.
    pub status: ReferenceStatus,
    /// What happened, if more than the status says.
    pub detail: Option<String>,
    /// What to do about it.
    pub advice: Option<String>,
    /// When the secret's value stops being valid, if that was set.
    pub expires: Option<SystemTime>,
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

impl ReportRow {
    /// Tells whether the reference has no value of this load. One that was not tried did not fail, nor did an optional one
    /// whose secret does not exist; one whose earlier version stays in use did.
    pub fn is_failed(&self) -> bool {
        !self.is_absent && !matches!(self.status, ReferenceStatus::Initialized | ReferenceStatus::Resolved)
    }

    /// Makes the row of a failure that tells its secret and setting.
    pub(crate) fn of_failure(error: &Error) -> Option<Self> {
        error.secret()?;
        Some(Self::at(error.setting()?.to_owned(), error.origin()?.to_owned()).failed(error))
    }

    /// Makes the row of a secret by name that was left out, which fails nothing.
    fn of_note(note: &NameNote) -> Self {
        let row = Self::at(note.key.to_string(), note.origin()).about(&note.secret).failed(&note.finding.error());
        Self { is_absent: true, is_optional: note.finding == Finding::Missing, advice: None, ..row }
    }

    /// Begins a row for a reference or name in `leaf` that was not tried yet.
    pub(crate) fn of(leaf: &Leaf) -> Self {
        Self::at(leaf.key.to_string(), leaf.place())
    }

    fn at(setting: String, origin: String) -> Self {
        Self {
            setting,
            origin,
            vault: None,
            secret: None,
            version: None,
            is_pinned: false,
            is_optional: false,
            is_absent: false,
            is_kept: false,
            status: ReferenceStatus::Initialized,
            detail: None,
            advice: None,
            expires: None,
        }
    }

    pub(crate) fn referring(self, reference: &Reference) -> Self {
        Self { is_pinned: reference.is_pinned(), is_optional: reference.is_optional(), ..self }
    }

    pub(crate) fn about(mut self, secret: &SecretId) -> Self {
        self.vault = Some(secret.vault().to_string());
        self.secret = Some(secret.name().to_string());
        self.version = secret.version().map(ToString::to_string);
        self
    }

    pub(crate) fn resolved(self, secret: &Secret) -> Self {
        let expires = secret.properties().expires();
        Self { status: ReferenceStatus::Resolved, expires, ..self.about(secret.id()) }
    }

    pub(crate) fn failed(self, error: &Error) -> Self {
        let row = match error.secret() {
            Some(secret) => self.about(secret),
            None => self,
        };
        Self { status: error.status(), detail: Some(error.detail()), advice: error.advice().map(str::to_owned), ..row }
    }

    fn what(&self) -> String {
        match (&self.secret, &self.vault) {
            (Some(secret), Some(vault)) => format!("{secret} in {vault}"),
            _ => String::new(),
        }
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let version = self.version.as_deref().map(|version| version.get(..8).unwrap_or(version));
        let notes = [
            (version.is_some(), format!("version {}", version.unwrap_or_default())),
            (self.is_pinned, "pinned: never rotates".to_owned()),
            (self.is_absent && self.is_optional, "optional: the setting is absent".to_owned()),
            (self.is_absent && !self.is_optional, "left out by the name map".to_owned()),
            (self.is_optional && !self.is_absent, "optional".to_owned()),
            (self.is_kept, "the last good version stays in use".to_owned()),
            (self.expires.is_some(), format!("expires {}", day(self.expires).unwrap_or_default())),
        ];
        notes.into_iter().filter_map(|(holds, note)| holds.then_some(note))
    }
}

/// The widest that a table gets.
const WIDTH: usize = 80;
/// The widest that the first column gets; a longer key has a line of its own.
const WIDEST_SETTING: usize = 30;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        if rows.is_empty() {
            return f.write_str("no reference and no secret by name");
        }
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

/// Writes lines of their own, broken at spaces where there are some and within a word where it is longer than a line.
fn write_wrapped(f: &mut fmt::Formatter<'_>, text: &str, indent: &str) -> fmt::Result {
    let width = WIDTH - indent.len();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let space = rest[..=width].iter().rposition(|c| *c == ' ').filter(|at| *at > 0);
        let line: String = rest.drain(..space.unwrap_or(width)).collect();
        write!(f, "\n{indent}{line}")?;
        if space.is_some() {
            rest.remove(0);
        }
    }
    write!(f, "\n{indent}{}", rest.into_iter().collect::<String>())
}

/// A key or a file's name may hold what moves a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A date that no calendar has, the year 300000, is left out.
fn rfc3339(time: Option<SystemTime>) -> Option<String> {
    let seconds = time?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok().map(|time| to_rfc3339(&time))
}

fn day(time: Option<SystemTime>) -> Option<String> {
    rfc3339(time).map(|time| time.chars().take_while(|c| *c != 'T').collect())
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 2)?;
        report.serialize_field("resolved", &self.is_resolved())?;
        report.serialize_field("rows", self.rows())?;
        report.end()
    }
}

impl Serialize for ReportRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("ReportRow", 13)?;
        row.serialize_field("setting", &self.setting)?;
        row.serialize_field("origin", &self.origin)?;
        row.serialize_field("vault", &self.vault)?;
        row.serialize_field("secret", &self.secret)?;
        row.serialize_field("version", &self.version)?;
        row.serialize_field("is_pinned", &self.is_pinned)?;
        row.serialize_field("is_optional", &self.is_optional)?;
        row.serialize_field("is_absent", &self.is_absent)?;
        row.serialize_field("is_kept", &self.is_kept)?;
        row.serialize_field("status", self.status.as_str())?;
        row.serialize_field("detail", &self.detail)?;
        row.serialize_field("advice", &self.advice)?;
        row.serialize_field("expires", &rfc3339(self.expires))?;
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

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
