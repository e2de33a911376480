//! What an application speaks of: a setting or a secret.

use std::fmt;

use crate::secret::SecretId;
use crate::settings::Origins;

/// Secrets, named as the application knows them: by the key of a setting, or by their own name.
///
/// Text is the key of a setting (`database.password`), or that of a table, which stands for everything under it
/// (`database`); if there is no such key, it is the name of a secret. An id with a version means this version only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretSelector(Inner);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Inner {
    Text(String),
    Secret(SecretId),
}

impl SecretSelector {
    /// Finds the secrets that are meant, among those that are in the settings, with their versions.
    pub(super) fn secrets(&self, origins: &Origins) -> Vec<SecretId> {
        let used = || origins.iter().flat_map(|(key, origin)| origin.secrets().iter().map(move |id| (key, id)));
        let mut secrets: Vec<SecretId> = match &self.0 {
            Inner::Secret(id) => {
                used().filter(|(_, used)| used.latest() == id.latest()).map(|(_, id)| id.clone()).collect()
            }
            Inner::Text(text) => {
                let under = |key: &str| {
                    key.strip_prefix(text.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let found: Vec<SecretId> =
                    used().filter(|(key, _)| under(&key.to_string())).map(|(_, id)| id.clone()).collect();
                if found.is_empty() {
                    used()
                        .filter(|(_, id)| id.name().as_str().eq_ignore_ascii_case(text))
                        .map(|(_, id)| id.clone())
                        .collect()
                } else {
                    found
                }
            }
        };
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// Gives the version that is meant, if one is.
    pub(super) fn version(&self) -> Option<&SecretId> {
        match &self.0 {
            Inner::Secret(id) => Some(id).filter(|id| id.version().is_some()),
            Inner::Text(_) => None,
        }
    }
}

impl From<&str> for SecretSelector {
    fn from(text: &str) -> Self {
        Self(Inner::Text(text.to_owned()))
    }
}

impl From<String> for SecretSelector {
    fn from(text: String) -> Self {
        Self(Inner::Text(text))
    }
}

impl From<SecretId> for SecretSelector {
    fn from(id: SecretId) -> Self {
        Self(Inner::Secret(id))
    }
}

impl From<&SecretId> for SecretSelector {
    fn from(id: &SecretId) -> Self {
        Self(Inner::Secret(id.clone()))
    }
}

impl fmt::Display for SecretSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Text(text) => f.write_str(text),
            Inner::Secret(id) => id.fmt(f),
        }
    }
}
