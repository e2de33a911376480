//! The key-values of a store, and the names that a command gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyvault::names::Spelling;
use keyvault::settings::Key;
use keyvault_appconfig::{Endpoint, KeyValue};
use zeroize::Zeroizing;

use super::settings_store::SettingsStore;
use crate::settings::{Problem, SelectionArguments, reference_to};

/// The selected key-values of a store at one moment.
pub(crate) struct StoreContents<'s> {
    pub(super) store: &'s SettingsStore,
    /// The key-values of each selection.
    pub(super) selections: Vec<Vec<Arc<KeyValue>>>,
}

/// A key-value that no later selection replaces.
pub(crate) struct StoreSetting {
    key_value: Arc<KeyValue>,
    /// The levels of the key without its prefix.
    levels: Vec<String>,
}

impl StoreContents<'_> {
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.store.endpoint
    }

    /// Returns the settings in the order of their variables, and a problem for each key that gives the same variable as
    /// another one of its selection, or none.
    pub(crate) fn settings(&self) -> (Vec<StoreSetting>, Vec<Problem>) {
        let mut settings: BTreeMap<String, (usize, StoreSetting)> = BTreeMap::new();
        let mut problems = Vec::new();
        for (number, key_value) in self.winners() {
            let place = key_value.place();
            let setting = StoreSetting { levels: self.levels(key_value.key()), key_value: Arc::clone(key_value) };
            let variable = setting.variable();
            let message = match settings.get(&variable) {
                _ if variable.is_empty() => "the key without its prefix is empty".to_owned(),
                Some((other, same)) if *other == number => {
                    format!("gives the same variable {variable} as {}", same.origin())
                }
                _ => {
                    settings.insert(variable, (number, setting));
                    continue;
                }
            };
            problems.push(Problem { origin: place, message, code: 2 });
        }
        (settings.into_values().map(|(_, setting)| setting).collect(), problems)
    }

    /// Returns the key-values with a value, in the order of the selections, without those that a later selection has,
    /// too. A snapshot in the place of a reference may have a key of the same selection: the later one wins.
    fn winners(&self) -> Vec<(usize, &Arc<KeyValue>)> {
        let numbered = self.selections.iter().enumerate();
        let all: Vec<_> = numbered.flat_map(|(number, all)| all.iter().map(move |one| (number, one))).collect();
        let last: BTreeMap<&str, usize> = all.iter().enumerate().map(|(at, (_, one))| (one.key(), at)).collect();
        let is_last = |(at, (_, one)): &(usize, (usize, &Arc<KeyValue>))| last.get(one.key()) == Some(at);
        let winners = all.iter().copied().enumerate().filter(is_last).map(|(_, winner)| winner);
        winners.filter(|(_, one)| one.value().is_some()).collect()
    }

    /// Returns the key-value of a key: that of the last selection that has it, with the label if one is given.
    pub(crate) fn find(&self, key: &str, label: Option<&str>) -> Option<StoreSetting> {
        let is_meant = |one: &&Arc<KeyValue>| one.key() == key && (label.is_none() || one.label() == label);
        let found = self.selections.iter().rev().find_map(|all| all.iter().rev().find(is_meant))?;
        found.value()?;
        Some(StoreSetting { key_value: Arc::clone(found), levels: self.levels(key) })
    }

    /// Splits a key without its prefix into its levels, without empty ones.
    fn levels(&self, key: &str) -> Vec<String> {
        let key = self.store.prefixes.iter().find_map(|prefix| key.strip_prefix(prefix.as_str())).unwrap_or(key);
        key.split([':', '/', '.']).filter(|level| !level.is_empty()).map(str::to_owned).collect()
    }
}

impl StoreSetting {
    /// Returns where the setting is written: `App Configuration key shop:db:password label prod`.
    pub(crate) fn origin(&self) -> String {
        self.key_value.place()
    }

    /// Names the variable as `--prefix` names that of a secret: `Db:From-Address` becomes `DB__FROM_ADDRESS`.
    pub(crate) fn variable(&self) -> String {
        let sign = |c: char| if c.is_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let levels = self.levels.iter().map(|level| level.chars().map(sign).collect::<String>());
        levels.collect::<Vec<_>>().join("__")
    }

    /// Returns the key of the setting in a tree: `db.from_address`.
    pub(crate) fn key(&self) -> Key {
        Spelling::default().key_of(self.levels.iter().map(String::as_str)).unwrap_or_else(Key::root)
    }

    /// Returns the value, which may contain references. A Key Vault reference has the usual form. JSON is text. An
    /// error is a malformed Key Vault reference.
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, keyvault::Error> {
        let secret = self.key_value.key_vault_reference().transpose()?;
        Ok(secret.map_or_else(|| self.value(), |secret| Zeroizing::new(reference_to(&secret))))
    }

    /// Returns the text of the variable. A malformed reference is a problem, or text if the variable is left alone.
    pub(crate) fn selected_text(&self, selection: &SelectionArguments) -> Result<Zeroizing<String>, Problem> {
        match self.text() {
            Err(error) if selection.includes(&self.variable()) => Err(Problem::of(self.origin(), &error)),
            text => Ok(text.unwrap_or_else(|_| self.value())),
        }
    }

    fn value(&self) -> Zeroizing<String> {
        Zeroizing::new(self.key_value.value().unwrap_or_default().to_owned())
    }
}
