//! Selections of secrets, by setting or by id.

use std::fmt;

use crate::secret::SecretId;
use crate::settings::{Key, Origins};

/// A selection of the secrets in use, by the key of a setting or by their own name.
///
/// Text is the key of a setting (`database.password`) or of a table, which selects everything under it (`database`). If
/// no setting has that key, the text is the name of a secret. An id with a version selects that version only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretSelector(Selected);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Selected {
    Text(String),
    Secret(SecretId),
}

impl SecretSelector {
    /// Returns the selected secrets among those in the settings, with their versions.
    pub(super) fn secrets(&self, origins: &Origins) -> Vec<SecretId> {
        let used = |selects: &dyn Fn(&Key, &SecretId) -> bool| -> Vec<SecretId> {
            let secrets = origins.iter().flat_map(|(key, origin)| origin.secrets().iter().map(move |id| (key, id)));
            secrets.filter(|(key, id)| selects(key, id)).map(|(_, id)| id.clone()).collect()
        };
        let mut secrets = match &self.0 {
            Selected::Secret(selected) if selected.name().is_of_store() => vec![selected.clone()],
            Selected::Secret(selected) => used(&|_, id| id.latest() == selected.latest()),
            Selected::Text(text) => {
                let by_key = used(&|key, _| is_at_or_below(&key.to_string(), text));
                let by_name = || used(&|_, id| id.name().as_str().eq_ignore_ascii_case(text));
                if by_key.is_empty() { by_name() } else { by_key }
            }
        };
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// Returns the selected version; `None` if the selection names none.
    pub(super) fn version(&self) -> Option<&SecretId> {
        match &self.0 {
            Selected::Secret(id) => Some(id).filter(|id| id.version().is_some()),
            Selected::Text(_) => None,
        }
    }
}

/// Returns whether `key` is `above` or a setting under it: `database.password` and `database[0]` are under `database`.
pub(crate) fn is_at_or_below(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl From<&str> for SecretSelector {
    fn from(text: &str) -> Self {
        Self(Selected::Text(text.to_owned()))
    }
}

impl From<String> for SecretSelector {
    fn from(text: String) -> Self {
        Self(Selected::Text(text))
    }
}

impl From<SecretId> for SecretSelector {
    fn from(id: SecretId) -> Self {
        Self(Selected::Secret(id))
    }
}

impl From<&SecretId> for SecretSelector {
    fn from(id: &SecretId) -> Self {
        Self(Selected::Secret(id.clone()))
    }
}

impl fmt::Display for SecretSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Selected::Text(text) => f.write_str(text),
            Selected::Secret(id) => id.fmt(f),
        }
    }
}
