//! How the names of secrets become the keys of settings.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::name::SecretName;

/// The rule by which a secret's name becomes a setting's key.
///
/// `--` separates levels; each level is lower-cased, and `-` in it becomes `_`:
///
/// | secret | setting |
/// |---|---|
/// | `Database--Password` | `database.password` |
/// | `smtp--from-address` | `smtp.from_address` |
/// | `ApiKey` | `apikey` |
///
/// A prefix takes only the secrets whose names begin with it, and is cut off.
///
/// Two names that give one key, and a key that is both a value and a table, are errors that name both secrets: one of
/// them would silently win otherwise.
///
/// # Examples
///
/// ```
/// use keyvault::NameMap;
///
/// let map = NameMap::new().prefix("Shop--");
/// assert_eq!(map.key(&"Shop--Database--Password".parse()?).unwrap().to_string(), "database.password");
/// assert!(map.key(&"Billing--Database--Password".parse()?).is_none());
/// # Ok::<_, keyvault::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct NameMap {
    prefix: String,
}

impl NameMap {
    /// Makes the default map, which takes every secret.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only secrets whose names begin with `prefix`, in any case, and cuts it off. Default: no prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Tells the key for a secret; none if the map does not take it.
    ///
    /// A name that has nothing between two separators (`a----b`) or nothing behind the prefix has no key.
    pub fn key(&self, name: &SecretName) -> Option<Key> {
        let (prefix, rest) = name.as_str().split_at_checked(self.prefix.len())?;
        if !prefix.eq_ignore_ascii_case(&self.prefix) {
            return None;
        }
        let level = |level: &str| level.to_ascii_lowercase().replace('-', "_");
        let levels: Vec<String> = rest.split("--").map(level).collect();
        let complete = levels.iter().all(|level| !level.is_empty());
        complete.then(|| levels.iter().map(String::as_str).collect())
    }

    /// Tells the key for every name that the map takes.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid), with a failure for each collision.
    pub(crate) fn keys<'a>(
        &self,
        names: impl IntoIterator<Item = &'a SecretName>,
    ) -> Result<BTreeMap<Key, &'a SecretName>> {
        let mut keys: BTreeMap<Key, &SecretName> = BTreeMap::new();
        let mut failures = Vec::new();
        for name in names {
            let Some(key) = self.key(name) else { continue };
            if let Some(other) = keys.get(&key) {
                failures.push(collision(&key, other, name, "two secrets give the same setting"));
            } else {
                keys.insert(key, name);
            }
        }
        // In order, everything under a key follows it at once.
        for ((above, name), (below, other)) in keys.iter().zip(keys.iter().skip(1)) {
            if above.is_above(below) {
                failures.push(collision(above, name, other, "a setting is both a value and a table"));
            }
        }
        match Error::join(failures) {
            Some(error) => Err(error),
            None => Ok(keys),
        }
    }
}

fn collision(key: &Key, one: &SecretName, other: &SecretName, clause: &str) -> Error {
    Error::from_clause(ErrorKind::Invalid, format!("{clause}: {one} and {other}"))
        .at(key.to_string(), "secret names")
        .with_status(crate::ReferenceStatus::OtherReasons)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(map: &NameMap, names: &[&str]) -> Result<Vec<String>> {
        let names: Vec<SecretName> = names.iter().map(|name| name.parse().unwrap()).collect();
        Ok(map.keys(&names)?.keys().map(Key::to_string).collect())
    }

    #[test]
    fn names_become_keys() {
        let default = NameMap::new();
        let shop = NameMap::new().prefix("Shop--");
        for (map, name, key) in [
            (&default, "Database--Password", Some("database.password")),
            (&default, "smtp--from-address", Some("smtp.from_address")),
            (&default, "ApiKey", Some("apikey")),
            (&default, "A--B--C", Some("a.b.c")),
            (&default, "a---b", Some("a._b")),
            (&default, "a----b", None),
            (&default, "--a", None),
            (&default, "a--", None),
            (&shop, "Shop--Database--Password", Some("database.password")),
            (&shop, "shop--Port", Some("port")),
            (&shop, "Shop--", None),
            (&shop, "Shop", None),
            (&shop, "Other--Port", None),
        ] {
            let found = map.key(&name.parse().unwrap()).map(|key| key.to_string());
            assert_eq!(found.as_deref(), key, "{name}");
        }
    }

    #[test]
    fn collisions_name_both_secrets() {
        let map = NameMap::new();
        for (names, key) in [
            (&["Db-Host", "other", "DB-HOST"][..], "db_host"),
            (&["Database", "Database--Password"], "database"),
            (&["a--b", "a--b--c--d", "a-b"], "a.b"),
        ] {
            let error = keys(&map, names).expect_err(key);
            assert_eq!(error.failures()[0].setting(), Some(key), "{names:?}");
            assert!(error.to_string().contains(names[0]), "{error}");
        }
        assert_eq!(keys(&map, &["a--b", "ab", "a-b", "a--c"]).unwrap(), ["a.b", "a.c", "a_b", "ab"]);
        let error = keys(&map, &["a-b", "A-b", "c", "c--d"]).unwrap_err();
        assert_eq!(error.failures().len(), 2);
    }

    proptest! {
        #[test]
        fn every_leaf_above_a_table_is_found(names in prop::collection::btree_set("[ab]{1,2}(--[ab]{1,2}){0,2}", 1..8)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let collide = names.iter().any(|a| names.iter().any(|b| b.starts_with(&format!("{a}--"))));
            prop_assert_eq!(keys(&NameMap::new(), &names).is_err(), collide);
        }
    }
}
