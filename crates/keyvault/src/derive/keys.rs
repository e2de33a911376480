//! The settings that a resource is built from.

use std::fmt;

use crate::live::is_at_or_below;
use crate::settings::Origins;

/// Keys of settings, each with everything under it. The empty key selects all settings.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Vec<String>);

impl Keys {
    /// Returns the selected keys that differ between two settings.
    pub(super) fn changed(&self, old: &Origins, new: &Origins) -> Vec<String> {
        let mut changed = old.changed(new);
        changed.retain(|key| self.0.iter().any(|above| selects(above, key)));
        changed
    }

    /// Returns the first key that selects no setting.
    pub(super) fn unknown(&self, origins: &Origins) -> Option<&str> {
        let is_known = |above: &str| origins.iter().any(|(key, _)| selects(above, &key.to_string()));
        self.0.iter().map(String::as_str).find(|above| !is_known(above))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn selects(above: &str, key: &str) -> bool {
    above.is_empty() || is_at_or_below(key, above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_selects_everything_under_it() {
        for (key, above, expected) in [
            ("database.password", "database", true),
            ("database.password", "database.password", true),
            ("database.password", "", true),
            ("servers[0].url", "servers", true),
            ("servers[0].url", "servers[0]", true),
            ("servers[10].url", "servers[1]", false),
            ("database_2.password", "database", false),
            ("database", "database.password", false),
            ("other", "database", false),
        ] {
            assert_eq!(selects(above, key), expected, "{above} selects {key}");
        }
    }
}
