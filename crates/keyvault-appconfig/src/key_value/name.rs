//! The names of key-values and of snapshots.

/// Returns whether a store can have a key or a snapshot of this name
/// ([rules for keys](https://learn.microsoft.com/azure/azure-app-configuration/concept-key-value#keys)).
///
/// A name becomes one segment of a path, so it is checked before a URL is made.
pub(crate) fn is_name(name: &str) -> bool {
    let is_segment = !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '%' || c.is_control());
    is_segment && name.len() <= MAX_NAME
}

/// The limit of a key-value with all its attributes.
const MAX_NAME: usize = 10 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        for (name, expected) in [
            ("a", true),
            ("shop:db/host", true),
            ("\u{fc}ber#?&+ ", true),
            (".appconfig.featureflag/beta", true),
            ("...", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a%2Fb", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
        assert!(is_name(&"a".repeat(MAX_NAME)) && !is_name(&"a".repeat(MAX_NAME + 1)));
    }
}
