//! The secrets that a map asks for by name, without a list.

use std::collections::BTreeMap;

use super::known_keys::KnownKeys;
use super::name_map::NameMap;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::SecretName;
use crate::settings::Key;

/// What becomes of a secret that does not exist.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Requirement {
    /// It is an error.
    Required,
    /// It is left out, which is worth a word.
    Optional,
    /// It is left out like all the others that do not exist.
    Possible,
    /// It was there a moment ago, so that its going is an error.
    Listed,
}

/// One secret to ask for, and the setting that it becomes.
pub(crate) struct RequestedSecret {
    pub(crate) name: SecretName,
    pub(crate) key: Key,
    pub(crate) requirement: Requirement,
}

/// The names and the keys that a map is limited to.
#[derive(Clone, Debug, Default)]
pub(super) struct Only {
    names: BTreeMap<SecretName, Requirement>,
    types: Vec<KnownKeys>,
}

impl Only {
    /// A name that is given twice is as necessary as it was said to be once.
    pub(super) fn name<N: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
        requirement: Requirement,
    ) -> Result<()> {
        for name in names {
            let held = self.names.entry(SecretName::parse(name.as_ref())?).or_insert(requirement);
            *held = requirement.min(*held);
        }
        Ok(())
    }

    pub(super) fn know(&mut self, keys: KnownKeys) {
        self.types.push(keys);
    }

    /// Gives the keys of the types that a secret's name can give. A table is one secret's only if JSON is opened.
    pub(super) fn known<'o>(&'o self, map: &'o NameMap) -> impl Iterator<Item = (Key, SecretName)> + 'o {
        let tables = self.types.iter().filter(|_| map.json.is_some()).flat_map(|keys| &keys.tables);
        let keys = self.types.iter().flat_map(|keys| &keys.values).chain(tables);
        keys.filter_map(|key| Some((key.clone(), map.secret_name(key)?)))
    }

    /// Tells whether `name` is among those that are asked for.
    pub(super) fn asks_for(&self, name: &SecretName, map: &NameMap) -> bool {
        self.names.contains_key(name) || self.known(map).any(|(_, known)| known == *name)
    }

    pub(super) fn requested(&self, map: &NameMap) -> Result<Vec<RequestedSecret>> {
        if self.types.iter().any(|keys| keys.is_cut) {
            return Err(Error::invalid("type of the settings has more keys than can be asked for one by one")
                .with_help("name the secrets that it needs: NameMap::only"));
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
        let mut found = false;
        for (key, name) in self.known(map) {
            found = true;
            let requirement = Requirement::Possible;
            requested.entry(name.clone()).or_insert(RequestedSecret { name, key, requirement });
        }
        if !self.types.is_empty() && !found {
            failures.push(without_names());
        }
        match Error::join(failures) {
            Some(error) => Err(error),
            None => Ok(requested.into_values().collect()),
        }
    }
}

fn without_key(name: &SecretName) -> Error {
    Error::from_clause(ErrorKind::Invalid, format!("secret is named and the name map gives it no key: {name}"))
        .with_status(ReferenceStatus::OtherReasons)
        .with_help("name it with the map's prefix, or leave the prefix out")
}

fn without_names() -> Error {
    Error::invalid("type of the settings has no key that a secret's name can give")
        .with_status(ReferenceStatus::OtherReasons)
        .with_help(
            "a flattened struct or a map tells no keys, and an own function needs NameMap::reverse; name the secrets \
             instead: NameMap::only",
        )
}
