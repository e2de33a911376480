//! The map from the keys of a store to the keys of settings.

use keyvault::names::Spelling;
use keyvault::settings::Key;

/// The rules that turn the keys of a store into keys of settings: prefixes to trim, the separator of levels, and the
/// spelling of a level.
#[derive(Clone, Debug)]
pub(crate) struct KeyMap {
    /// The longest first.
    prefixes: Vec<String>,
    separator: String,
    spelling: Spelling,
}

impl Default for KeyMap {
    fn default() -> Self {
        Self { prefixes: Vec::new(), separator: ":".to_owned(), spelling: Spelling::default() }
    }
}

impl KeyMap {
    pub(crate) fn add_prefix(&mut self, prefix: String) {
        self.prefixes.push(prefix);
        self.prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
    }

    pub(crate) fn set_separator(&mut self, separator: String) {
        self.separator = separator;
    }

    pub(crate) fn set_spelling(&mut self, spelling: Spelling) {
        self.spelling = spelling;
    }

    /// Returns whether the map can work: no prefix and no separator is empty.
    pub(crate) fn is_valid(&self) -> bool {
        !self.separator.is_empty() && self.prefixes.iter().all(|prefix| !prefix.is_empty())
    }

    /// Returns the key of a setting, or `None` if a level of the store's key is empty.
    pub(crate) fn key(&self, key: &str) -> Option<Key> {
        let trimmed = self.prefixes.iter().find_map(|prefix| key.strip_prefix(prefix.as_str())).unwrap_or(key);
        self.spelling.key_of(trimmed.split(self.separator.as_str()))
    }

    /// Returns the spelling of a member of a JSON value.
    pub(crate) fn member(&self, name: &str) -> String {
        self.spelling.member(name)
    }
}

#[cfg(test)]
mod tests {
    use keyvault::names::Case;

    use super::*;

    #[test]
    fn a_key_becomes_the_key_of_a_setting() {
        let map = |prefixes: &[&str], separator: &str, spelling: Spelling| {
            let mut map = KeyMap::default();
            prefixes.iter().for_each(|prefix| map.add_prefix((*prefix).to_owned()));
            map.set_separator(separator.to_owned());
            map.set_spelling(spelling);
            map
        };
        let folded = map(&[], ":", Spelling::Folded);
        let trimmed = map(&["shop:", "shop:eu:", "x"], ":", Spelling::Words(Case::Snake));
        for (map, key, expected) in [
            (&folded, "Database:Url", Some("database.url")),
            (&folded, "smtp:from-address", Some("smtp.from_address")),
            (&folded, "Database:ConnectionString", Some("database.connectionstring")),
            (&folded, "hosts:0:url", Some("hosts[0].url")),
            (&folded, "a.b/c", Some("a.b/c")),
            (&folded, "a::b", None),
            (&folded, ":a", None),
            (&folded, "a:", None),
            (&folded, "", None),
            (&trimmed, "shop:Database:ConnectionString", Some("database.connection_string")),
            (&trimmed, "shop:eu:Url", Some("url")),
            (&trimmed, "Shop:Url", Some("shop.url")),
            (&trimmed, "shop:shop:Url", Some("shop.url")),
            (&trimmed, "shop:", None),
            (&map(&["/application/"], "/", Spelling::Folded), "/application/db/url", Some("db.url")),
            (&map(&[], ".", Spelling::Folded), "config.message", Some("config.message")),
            (&map(&[], "__", Spelling::Kept), "Database__Pool_Size", Some("Database.Pool_Size")),
            (&map(&[], ":", Spelling::Words(Case::Camel)), "database:pool-size", Some("database.poolSize")),
            (&map(&[], ":", Spelling::Words(Case::Pascal)), "database:poolSize", Some("Database.PoolSize")),
        ] {
            assert_eq!(map.key(key).map(|key| key.to_string()).as_deref(), expected, "{key:?}");
        }
    }

    #[test]
    fn an_empty_prefix_or_separator_is_refused() {
        let mut map = KeyMap::default();
        assert!(map.is_valid());
        map.add_prefix(String::new());
        assert!(!map.is_valid());
        let mut map = KeyMap::default();
        map.set_separator(String::new());
        assert!(!map.is_valid());
    }
}
