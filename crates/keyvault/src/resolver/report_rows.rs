//! The rows of a report, made from the values, references and secrets of one load.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::error::Error;
use crate::reference::Reference;
use crate::report::{ReferenceStatus, Report, ReportRow};
use crate::secret::SecretId;
use crate::settings::{ConfigValue, Key, MappedSecrets, MappingNote, SecretIssue};

/// Creates the report of `rows`, with the notes on mapped secrets: a row for a secret that was skipped, the detail of
/// its row for one that was taken.
pub(super) fn report(mut rows: Vec<ReportRow>, notes: &[MappingNote]) -> Report {
    let mut of_secret: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        of_secret.entry((row.vault.clone(), row.secret.clone())).or_default().push(at);
    }
    for note in notes {
        let row = ReportRow::of_note(note);
        if !note.is_taken {
            rows.push(row);
            continue;
        }
        for at in of_secret.get(&(row.vault.clone(), row.secret.clone())).into_iter().flatten() {
            let other = &mut rows[*at];
            if other.origin == row.origin && other.detail.is_none() {
                other.detail.clone_from(&row.detail);
            }
        }
    }
    Report::new(rows)
}

impl ReportRow {
    /// Creates a row for a reference or a mapped secret in `value` that was not tried yet.
    pub(super) fn of(value: &ConfigValue) -> Self {
        Self::new(value.key.to_string(), value.place())
    }

    /// Creates the row of a secret mapped to `key`.
    pub(super) fn mapped(key: &Key, secret: &SecretId, expires: Option<SystemTime>) -> Self {
        let row = Self::new(key.to_string(), MappedSecrets::origin(secret));
        Self { status: ReferenceStatus::Resolved, expires, ..row.about(secret) }
    }

    /// Creates the row of a failure that names its secret and its setting.
    pub(super) fn of_failure(error: &Error) -> Option<Self> {
        error.secret()?;
        Some(Self::new(error.setting()?.to_owned(), error.origin()?.to_owned()).failed(error))
    }

    /// Creates the row of a mapped secret that was skipped, which fails nothing.
    fn of_note(note: &MappingNote) -> Self {
        let row = Self::new(note.key.to_string(), MappedSecrets::origin(&note.secret)).about(&note.secret);
        let row = row.failed(&note.issue.error());
        Self { is_absent: true, is_optional: note.issue == SecretIssue::Missing, advice: None, ..row }
    }

    pub(super) fn referring(self, reference: &Reference) -> Self {
        Self { is_pinned: reference.is_pinned(), is_optional: reference.is_optional(), ..self }
    }

    pub(super) fn failed(self, error: &Error) -> Self {
        let row = match error.secret() {
            Some(secret) => self.about(secret),
            None => self,
        };
        Self { status: error.status(), detail: Some(error.detail()), advice: error.advice().map(str::to_owned), ..row }
    }
}
