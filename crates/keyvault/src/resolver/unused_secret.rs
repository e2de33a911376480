//! Secrets that are not used, because the settings type spells their keys otherwise.

use std::collections::HashMap;

use super::resolve::FindKey;
use crate::error::{Error, ErrorKind};
use crate::names::TypeKey;
use crate::report::{ReferenceStatus, ReportRow};
use crate::settings::{ConfigValue, Key, ValueContent};

/// A value that is not used, because its key is spelled otherwise than the key in use. It is a secret, or a value
/// beside the one in use.
#[derive(Hash)]
pub(super) struct UnusedSecret {
    pub(super) key: Key,
    pub(super) place: String,
    pub(super) clause: String,
    /// Whether a value that is no secret is in use instead.
    pub(super) is_failure: bool,
}

/// Finds the values that are not used because of the spelling of their keys. `plain` have no references, `referring`
/// have some.
pub(super) fn unused_secrets(
    plain: &[ConfigValue],
    referring: &[&ConfigValue],
    find_key: &FindKey<'_>,
) -> Vec<UnusedSecret> {
    let is_mapped = |value: &ConfigValue| matches!(value.content, ValueContent::Mapped(_) | ValueContent::Earlier(_));
    let plain = plain.iter().map(|value| (value, is_mapped(value)));
    let values: Vec<(&ConfigValue, bool)> = plain.chain(referring.iter().map(|value| (*value, true))).collect();
    let by_key: HashMap<&Key, (&ConfigValue, bool)> = values.iter().map(|entry| (&entry.0.key, *entry)).collect();
    let mut by_letters: HashMap<Vec<String>, (&ConfigValue, bool)> = HashMap::new();
    let mut unused = Vec::new();
    for (value, is_secret) in values {
        match find_key(&value.key) {
            TypeKey::Spelled(key) => match by_key.get(&key) {
                Some((used, is_other_secret)) => {
                    let clause = format!("setting is not used: the settings type has {key}, from {}", used.place());
                    unused.push(UnusedSecret::new(value, clause, is_secret && !is_other_secret));
                }
                None if is_secret => {
                    unused.push(UnusedSecret::new(
                        value,
                        format!("secret is not used: the settings type has {key}"),
                        false,
                    ));
                }
                None => {}
            },
            TypeKey::Unknown => {
                let (other, is_other_secret) = *by_letters.entry(value.key.letters()).or_insert((value, is_secret));
                if (is_secret || is_other_secret) && other.key != value.key {
                    let (secret, other) = if is_secret { (value, other) } else { (other, value) };
                    let clause = format!("key differs in spelling alone from {}, from {}", other.key, other.place());
                    unused.push(UnusedSecret::new(secret, clause, false));
                }
            }
            TypeKey::Exact | TypeKey::Absent => {}
        }
    }
    unused
}

impl UnusedSecret {
    fn new(value: &ConfigValue, clause: String, is_failure: bool) -> Self {
        let place = match &value.content {
            ValueContent::Mapped(secret) => format!("secret {}", secret.id().latest()),
            _ => value.place(),
        };
        Self { key: value.key.clone(), place, clause, is_failure }
    }

    pub(super) fn error(&self) -> Error {
        let heading = "setting is not used: the settings type has …";
        Error::from_clause(ErrorKind::Invalid, heading, self.clause.clone())
            .with_status(ReferenceStatus::OtherReasons)
            .with_help(HELP_WITH_SPELLING)
    }

    /// Adds the finding to the row of the setting, or as a row of its own.
    pub(super) fn report(&self, rows: &mut Vec<ReportRow>) {
        let setting = self.key.to_string();
        if !rows.iter().any(|row| row.setting == setting) {
            rows.push(ReportRow::new(setting.clone(), self.place.clone()));
        }
        for row in rows.iter_mut().filter(|row| row.setting == setting && row.detail.is_none()) {
            row.detail = Some(self.clause.clone());
            row.advice = Some(HELP_WITH_SPELLING.to_owned());
            if self.is_failure {
                row.status = ReferenceStatus::OtherReasons;
            }
        }
    }
}

/// The remedy for a key that the settings type spells otherwise.
pub(super) const HELP_WITH_SPELLING: &str = "spell names as the settings type does, with NameMap::keep_case, camel_case, \
                                             pascal_case or snake_case, or rename the setting";
