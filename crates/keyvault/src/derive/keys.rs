//! The settings that a resource is built from: keys, each with everything under it. The empty key selects all settings.

use crate::live::is_at_or_below;
use crate::settings::Origins;

/// Returns the settings under `keys` that differ between two publications.
pub(super) fn changed(keys: &[String], old: &Origins, new: &Origins) -> Vec<String> {
    let mut changed = old.changed(new);
    changed.retain(|key| keys.iter().any(|above| selects(above, key)));
    changed
}

/// Returns the first of `keys` that selects no setting.
pub(super) fn unknown<'k>(keys: &'k [String], origins: &Origins) -> Option<&'k String> {
    keys.iter().find(|above| !origins.iter().any(|(key, _)| selects(above, &key.to_string())))
}

/// Returns the names of `keys` for an error: all settings, or the keys.
pub(super) fn named(keys: &[String]) -> String {
    if keys.iter().any(String::is_empty) { "all settings".into() } else { keys.join(", ") }
}

pub(super) fn selects(above: &str, key: &str) -> bool {
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
