//! The report of one load: one row for each reference and each secret mapped by name.
//!
//! This module holds plain data, so that an [`Error`](crate::Error) can carry a report. Read [`ReferenceStatus`] in
//! `status` first, then [`ReportRow`] in `row`; `table` prints a report. The module `resolver` makes the rows.

mod row;
mod status;
mod table;

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use self::row::ReportRow;
pub use self::status::ReferenceStatus;

/// The outcome of every reference and of every secret mapped by name, in one load. Holds no value.
///
/// The failed rows come first, then all rows are in the order of their settings. A secret mapped by name has a row if
/// it is in effect, or if a value set in code [hides](crate::NameMap::hidden) it; a file or variable that overrides it
/// leaves nothing to report.
///
/// `Display` writes a table for people, at most 80 columns wide however long the names are. `Serialize` writes
/// `{"resolved":…,"rows":[…],"unmatched":[…]}` in snake case, with every field of [`ReportRow`] in each row, `null` for
/// an absent value, and dates in RFC 3339; `docs/schemas/report.schema.json` in the repository is its JSON Schema.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    rows: Arc<[ReportRow]>,
    unmatched: Arc<[String]>,
}

impl Report {
    pub(crate) fn new(mut rows: Vec<ReportRow>) -> Self {
        rows.sort_by(|one, other| (!one.is_failed(), &one.setting).cmp(&(!other.is_failed(), &other.setting)));
        Self { rows: rows.into(), unmatched: Arc::default() }
    }

    pub(crate) fn with_unmatched(self, unmatched: Vec<String>) -> Self {
        Self { unmatched: unmatched.into(), ..self }
    }

    /// Returns the rows: the failed ones first, then by setting.
    pub fn rows(&self) -> &[ReportRow] {
        &self.rows
    }

    /// Returns what the program asks for and this load does not have: a policy pattern that matches no setting, and a
    /// prefix, a tag or a name of the name map that gives none. Each is also logged as a warning, once.
    pub fn unmatched(&self) -> &[String] {
        &self.unmatched
    }

    /// Returns whether no row [failed](ReportRow::is_failed).
    pub fn is_resolved(&self) -> bool {
        !self.rows().iter().any(ReportRow::is_failed)
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 3)?;
        report.serialize_field("resolved", &self.is_resolved())?;
        report.serialize_field("rows", self.rows())?;
        report.serialize_field("unmatched", self.unmatched())?;
        report.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::table::{WIDTH, length};
    use super::*;
    use crate::secret::{Secret, SecretId, SecretProperties};

    fn id(url: &str) -> SecretId {
        SecretId::parse(url).unwrap()
    }

    fn secret(url: &str) -> Secret {
        let mut properties = SecretProperties::new(id(url));
        properties.set_expires(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        Secret::new(properties, "canary", UNIX_EPOCH)
    }

    fn row(setting: &str, origin: &str) -> ReportRow {
        ReportRow::new(setting.into(), origin.into())
    }

    fn report() -> Report {
        let good = secret("https://contoso.vault.azure.net/secrets/db-password/0af1c2d30af1c2d30af1c2d30af1c2d3");
        let pinned = ReportRow { is_pinned: true, ..row("database.password", "settings.toml key database.password") };
        let missing = ReportRow {
            is_optional: true,
            is_absent: true,
            status: ReferenceStatus::SecretNotFound,
            detail: Some("secret not found".into()),
            ..row("api.key", "variable SHOP_API__KEY").about(&id("https://contoso.vault.azure.net/secrets/gone"))
        };
        let denied = ReportRow {
            status: ReferenceStatus::AccessToKeyVaultDenied,
            detail: Some("vault is not one that this program allows".into()),
            advice: Some("allow the vault by giving its client to Resolver::builder(…).vault(…)".into()),
            ..row("mail.servers[0].credentials.smtp.key", "settings.toml key mail.servers[0].credentials.smtp.key")
                .about(&id("https://stranger.vault.azure.net/secrets/mail-key"))
        };
        Report::new(vec![pinned.resolved(&good), missing, denied])
    }

    #[test]
    fn a_table_shows_failures_first_and_every_known_fact() {
        let expected = "\
SETTING            STATUS                  SECRET
mail.servers[0].credentials.smtp.key
                   AccessToKeyVaultDenied  mail-key in stranger
    settings.toml key mail.servers[0].credentials.smtp.key
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
        assert_eq!(Report::default().to_string(), "no references and no secrets mapped by name");
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
        assert_eq!(json["unmatched"], serde_json::json!([]));
        let noted = Report::default().with_unmatched(vec!["a pattern matches no setting".into()]);
        assert_eq!(serde_json::to_value(&noted).unwrap()["unmatched"][0], "a pattern matches no setting");
        assert!(noted.to_string().ends_with("\nnote: a pattern matches no setting"), "{noted}");
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
