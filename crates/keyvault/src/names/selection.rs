//! The selection of a name map: the secrets that it requests by name, without a list.

use std::collections::BTreeMap;

use super::known_keys::KnownKeys;
use super::name_map::NameMap;
use super::requested_secret::{RequestedSecret, Requirement};
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::SecretName;
use crate::settings::Key;

/// The names and the keys that a map is limited to.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    names: BTreeMap<SecretName, Requirement>,
    types: Vec<KnownKeys>,
}

impl Selection {
    /// Adds names. A repeated name keeps its strictest requirement.
    pub(super) fn add_names<N: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
        requirement: Requirement,
    ) -> Result<()> {
        for name in names {
            let entry = self.names.entry(SecretName::parse(name.as_ref())?).or_insert(requirement);
            *entry = requirement.min(*entry);
        }
        Ok(())
    }

    /// Returns the names that the program gave.
    pub(super) fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.names.keys()
    }

    /// Adds the keys of a settings type.
    pub(super) fn add_keys(&mut self, keys: KnownKeys) {
        self.types.push(keys);
    }

    /// Returns the known keys that the name of a secret can give, with that name. The key of a table counts only if the
    /// map expands JSON secrets.
    pub(super) fn known<'s>(&'s self, map: &'s NameMap) -> impl Iterator<Item = (Key, SecretName)> + 's {
        let tables = self.types.iter().filter(|_| map.json.is_some()).flat_map(|keys| &keys.tables);
        let keys = self.types.iter().flat_map(|keys| &keys.values).chain(tables);
        keys.filter_map(|key| Some((key.clone(), map.secret_name(key)?)))
    }

    /// Returns whether the selection requests `name`.
    pub(super) fn contains(&self, name: &SecretName, map: &NameMap) -> bool {
        self.names.contains_key(name) || self.known(map).any(|(_, known)| known == *name)
    }

    /// Returns the secrets to request, in the order of their names.
    ///
    /// # Errors
    ///
    /// All failures in one error: a name without a key, or a type without a key that a name can give.
    pub(super) fn requested(&self, map: &NameMap) -> Result<Vec<RequestedSecret>> {
        if self.types.iter().any(|keys| keys.is_cut) {
            return Err(Error::invalid("settings type has too many keys to request by name")
                .with_help("name the secrets with NameMap::only"));
        }
        let mut requested: BTreeMap<SecretName, RequestedSecret> = BTreeMap::new();
        let mut failures = Vec::new();
        for (name, requirement) in &self.names {
            match map.key(name) {
                Some(key) => {
                    let request = RequestedSecret { name: name.clone(), key, requirement: *requirement };
                    requested.insert(name.clone(), request);
                }
                None => failures.push(without_key(name)),
            }
        }
        let mut known = self.known(map).peekable();
        if !self.types.is_empty() && known.peek().is_none() {
            failures.push(without_names());
        }
        for (key, name) in known {
            let requirement = Requirement::Possible;
            requested.entry(name.clone()).or_insert(RequestedSecret { name, key, requirement });
        }
        match Error::join(failures) {
            Some(error) => Err(error),
            None => Ok(requested.into_values().collect()),
        }
    }
}

fn without_key(name: &SecretName) -> Error {
    const CLAUSE: &str = "name map gives no key for the requested secret";
    Error::from_clause(ErrorKind::Invalid, CLAUSE, format!("{CLAUSE}: {name}"))
        .with_status(ReferenceStatus::OtherReasons)
        .with_help("add the map's prefix to the name, or remove the prefix from the map")
}

fn without_names() -> Error {
    Error::invalid("settings type has no key that a secret name can give")
        .with_status(ReferenceStatus::OtherReasons)
        .with_help(
            "a flattened struct or a map has no known keys, and a custom function needs NameMap::reverse; otherwise \
             name the secrets with NameMap::only",
        )
}
