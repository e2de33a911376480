//! The settings that the selections of a layer give.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use keyvault::names::{CollisionWords, collisions_among, remove_filled_tables};
use keyvault::settings::{Key, StoredValue};
use keyvault::{Error, ErrorKind};

use super::feature_flags::feature_flag;
use super::key_map::KeyMap;
use super::value::{malformed, value_of};
use crate::endpoint::Endpoint;
use crate::key_value::KeyValue;

/// The key-values of one selector, in the order of the store.
pub(crate) struct Selection {
    pub(crate) key_values: Vec<Arc<KeyValue>>,
    /// Whether the selection is of feature flags, and not settings.
    pub(crate) is_of_feature_flags: bool,
}

/// One setting of the layer.
pub(crate) struct Setting {
    pub(crate) place: Arc<str>,
    pub(crate) value: StoredValue,
    /// The number of the selection.
    selection: usize,
}

/// More settings than this are an error: the values of a selection, up to 64 MiB, can hold millions of members of JSON.
pub(crate) const MAX_SETTINGS: usize = 100_000;

/// Merges the selections of a layer, in their order: of two key-values with the same key, and of two settings with the
/// same key, that of the later selection wins.
///
/// # Errors
///
/// One error for all failures: a malformed reference, a key without a level, key-values of one selection that give the
/// same setting, a setting that is both a value and a table, and too many settings. Each names the keys and labels.
pub(crate) fn merge(selections: &[Selection], map: &KeyMap, endpoint: &Endpoint) -> Result<Vec<(Key, Setting)>, Error> {
    let mut merge = Merge { map, settings: Vec::new(), failures: Vec::new() };
    let (flags, key_values): (Vec<_>, Vec<_>) =
        selections.iter().enumerate().partition(|(_, selection)| selection.is_of_feature_flags);
    winners(&key_values, false).into_iter().for_each(|(selection, key_value)| merge.add(selection, key_value));
    if let Some((selection, _)) = flags.last() {
        merge.add_feature_flags(*selection, &winners(&flags, true), endpoint);
    }
    merge.finish()
}

/// Returns the key-values that no later selection replaces, each with the number of its selection.
fn winners<'s>(selections: &[(usize, &'s Selection)], are_flags: bool) -> Vec<(usize, &'s KeyValue)> {
    let mut found: HashMap<&str, usize> = HashMap::new();
    let mut winners: Vec<(usize, &KeyValue)> = Vec::new();
    for (number, selection) in selections {
        for key_value in selection.key_values.iter().filter(|one| one.is_feature_flag() == are_flags) {
            match found.get(key_value.key()) {
                Some(at) => winners[*at] = (*number, key_value),
                None => {
                    found.insert(key_value.key(), winners.len());
                    winners.push((*number, key_value));
                }
            }
        }
    }
    winners
}

struct Merge<'m> {
    map: &'m KeyMap,
    settings: Vec<(Key, Setting)>,
    failures: Vec<Error>,
}

impl Merge<'_> {
    fn add(&mut self, selection: usize, key_value: &KeyValue) {
        let place: Arc<str> = key_value.place().into();
        let Some(key) = self.map.key(key_value.key()) else {
            let error = malformed("key of a key-value has an empty level", HELP_WITH_LEVELS);
            return self.failures.push(error.at(key_value.key(), &*place));
        };
        match value_of(key_value, self.map) {
            Ok(Some(value)) => self.add_value(selection, key, &place, value),
            Ok(None) => {}
            Err(error) => self.failures.push(error.at(key.to_string(), &*place)),
        }
    }

    /// Adds one setting for each member of a table. A list stays whole, because it overrides another as a whole.
    fn add_value(&mut self, selection: usize, key: Key, place: &Arc<str>, value: StoredValue) {
        match value {
            StoredValue::Table(members) if !members.is_empty() => {
                members.into_iter().for_each(|(name, member)| {
                    self.add_value(selection, key.member(&name), place, member);
                });
            }
            value => self.settings.push((key, Setting { place: Arc::clone(place), value, selection })),
        }
    }

    fn add_feature_flags(&mut self, selection: usize, flags: &[(usize, &KeyValue)], endpoint: &Endpoint) {
        let mut list = Vec::with_capacity(flags.len());
        for (_, flag) in flags {
            match feature_flag(flag, endpoint) {
                Ok(flag) => list.push(flag),
                Err(error) => self.failures.push(error),
            }
        }
        let key = Key::root().member("feature_management").member("feature_flags");
        self.add_value(selection, key, &"App Configuration feature flags".into(), StoredValue::List(list));
    }

    fn finish(mut self) -> Result<Vec<(Key, Setting)>, Error> {
        if self.settings.len() > MAX_SETTINGS {
            return Err(Error::new(ErrorKind::InvalidSettings, "store has more settings than the limit")
                .with_help("select fewer keys: a layer has at most 100,000 settings"));
        }
        // All settings of one key follow each other, those of the last selection first.
        self.settings.sort_by(|(one, a), (other, b)| one.cmp(other).then(b.selection.cmp(&a.selection)));
        self.settings.dedup_by(|(later, lower), (key, kept)| later == key && lower.selection < kept.selection);
        self.remove_replaced_elements();
        remove_filled_tables(
            &mut self.settings,
            |(_, setting)| matches!(&setting.value, StoredValue::Table(members) if members.is_empty()),
        );
        let places: Vec<(Key, Contributor)> =
            self.settings.iter().map(|(key, setting)| (key.clone(), Contributor(Arc::clone(&setting.place)))).collect();
        self.failures.extend(collisions_among(&places, &KEY_VALUES));
        match Error::join(self.failures) {
            Some(error) => Err(error),
            None => Ok(self.settings),
        }
    }

    /// Removes elements of earlier selections that a list of a later one replaces, because a list is one value.
    fn remove_replaced_elements(&mut self) {
        let mut list: Option<(Key, usize)> = None;
        self.settings.retain(|(key, setting)| {
            let is_replaced = list.as_ref().is_some_and(|(list, selection)| {
                setting.selection < *selection && key.segments().starts_with(list.segments())
            });
            if !is_replaced && matches!(setting.value, StoredValue::List(_)) {
                list = Some((key.clone(), setting.selection));
            }
            !is_replaced
        });
    }
}

struct Contributor(Arc<str>);

impl fmt::Display for Contributor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.strip_prefix("App Configuration ").unwrap_or(&self.0))
    }
}

const KEY_VALUES: CollisionWords = CollisionWords {
    same: "key-values give the same setting",
    twice: "a key-value gives the same setting twice",
    place: "App Configuration",
    help: HELP_WITH_COLLISIONS,
};

const HELP_WITH_COLLISIONS: &str = "rename or delete all but one of them, or select fewer keys";

const HELP_WITH_LEVELS: &str =
    "trim a prefix that is a level of its own, choose the separator that the keys use, or select fewer keys";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TEXT: &str = "";
    const JSON: &str = "application/json";
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
    const FLAG: &str = "application/vnd.microsoft.appconfig.ff+json;charset=utf-8";

    fn key_value(key: &str, label: Option<&str>, value: &str, content_type: &str) -> KeyValue {
        let entry = json!({"key": key, "label": label, "value": value, "content_type": content_type, "etag": "e1"});
        serde_json::from_value(entry).unwrap()
    }

    fn selection(key_values: &[(&str, &str, &str)]) -> Selection {
        let key_values = key_values.iter().map(|(key, value, content_type)| {
            let (key, label) = key.split_once('@').map_or((*key, None), |(key, label)| (key, Some(label)));
            Arc::new(key_value(key, label, value, content_type))
        });
        Selection { key_values: key_values.collect(), is_of_feature_flags: false }
    }

    fn flags(key_values: &[(&str, &str, &str)]) -> Selection {
        Selection { is_of_feature_flags: true, ..selection(key_values) }
    }

    fn map() -> KeyMap {
        let mut map = KeyMap::default();
        map.add_prefix("shop:".to_owned());
        map.add_prefix("shared:".to_owned());
        map
    }

    fn endpoint() -> Endpoint {
        Endpoint::parse("https://contoso.azconfig.io").unwrap()
    }

    fn shown(value: &StoredValue) -> String {
        match value {
            StoredValue::Text(text) | StoredValue::Scalar(text) => text.to_string(),
            StoredValue::Null => "NULL".to_owned(),
            StoredValue::Table(members) => {
                let members = members.iter().map(|(name, member)| format!("{name}:{}", shown(member)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
            StoredValue::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        }
    }

    fn merged(selections: &[Selection]) -> Vec<String> {
        let settings = merge(selections, &map(), &endpoint()).unwrap();
        settings.iter().map(|(key, setting)| format!("{key}={}", shown(&setting.value))).collect()
    }

    fn failures(selections: &[Selection]) -> Vec<String> {
        let error = merge(selections, &map(), &endpoint()).err().expect("the merge fails");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        error.failures().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn key_values_become_settings() {
        let found = merged(&[selection(&[
            ("shop:Database:Url", "postgres://db", TEXT),
            ("shop:Database:Pool", r#"{"size":5,"hosts":["a","b"],"none":{}}"#, JSON),
            ("shop:password", r#"{"uri":"https://contoso.vault.azure.net/secrets/db"}"#, REFERENCE),
            ("hosts:0", "x", TEXT),
            ("broken", "{not json}", JSON),
            ("nothing", "null", JSON),
            (".appconfig.featureflag/beta", r#"{"id":"beta"}"#, FLAG),
        ])]);
        assert_eq!(
            found,
            [
                "broken={not json}",
                "database.pool.hosts=[a,b]",
                "database.pool.none={}",
                "database.pool.size=5",
                "database.url=postgres://db",
                "hosts[0]=x",
                "password=@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/db)",
            ]
        );
    }

    #[test]
    fn the_later_selection_wins() {
        let base = selection(&[("shop:url", "base", TEXT), ("shop:list", "[1,2,3]", JSON), ("shared:port", "1", TEXT)]);
        let prod = selection(&[("shop:url@prod", "prod", TEXT), ("shop:list@prod", "[4]", JSON)]);
        let other = selection(&[("shop:port", "2", TEXT)]);
        assert_eq!(merged(&[base, prod, other]), ["list=[4]", "port=2", "url=prod"]);
    }

    #[test]
    fn collisions_name_both_keys() {
        for (key_values, expected) in [
            (
                &[("Url", "canary", TEXT), ("url", "canary", TEXT)][..],
                "key-values give the same setting: key Url and key url",
            ),
            (&[("shop:a", "1", TEXT), ("shared:a", "2", TEXT)], "give the same setting: key shop:a and key shared:a"),
            (
                &[("db@x", "canary", TEXT), ("db:url@x", "1", TEXT)],
                "value and a table: key db label x and key db:url label x",
            ),
            (&[("db", r#"{"url":1}"#, JSON), ("db:url", "2", TEXT)], "same setting: key db and key db:url"),
            (&[("a", "[1]", JSON), ("a:0", "2", TEXT)], "both a value and a table: key a and key a:0"),
            (&[("a:0", "1", TEXT), ("a:b", "2", TEXT)], "both a table and a list: key a:b and key a:0"),
            (&[("a", r#"{"b":1,"b":2}"#, JSON)], "a key-value gives the same setting twice: key a"),
        ] {
            let found = failures(&[selection(key_values)]);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}, expected {expected}");
        }
    }

    #[test]
    fn a_leaf_and_a_table_of_two_selections_collide() {
        let found = failures(&[selection(&[("db", "1", TEXT)]), selection(&[("db:url@prod", "2", TEXT)])]);
        assert!(found[0].contains("key db and key db:url label prod"), "{found:?}");
    }

    #[test]
    fn all_failures_are_in_one_error() {
        let found = failures(&[
            selection(&[("a@prod", "canary", REFERENCE), ("b::c", "canary", TEXT), ("d", "1", TEXT), ("D", "2", TEXT)]),
            flags(&[(".appconfig.featureflag/beta", "canary", FLAG)]),
        ]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("a from App Configuration key a label prod"), "{found:?}");
    }

    #[test]
    fn feature_flags_are_a_list() {
        let beta =
            r#"{"id":"beta","enabled":true,"conditions":{"client_filters":[{"name":"F","parameters":{"A":1}}]}}"#;
        let found = merged(&[
            selection(&[("a", "1", TEXT)]),
            flags(&[
                (".appconfig.featureflag/beta", r#"{"id":"beta","enabled":false}"#, FLAG),
                (".appconfig.featureflag/gamma", r#"{"id":"gamma"}"#, FLAG),
            ]),
            flags(&[(".appconfig.featureflag/beta@prod", beta, FLAG), ("b", "no flag", TEXT)]),
        ]);
        let list = "feature_management.feature_flags=[{conditions:{client_filters:[{name:F,parameters:{A:1}}]},\
                     enabled:true,id:beta},{id:gamma}]";
        assert_eq!(found, ["a=1", list]);
        assert_eq!(merged(&[flags(&[])]), ["feature_management.feature_flags=[]"]);
    }

    #[test]
    fn a_flag_with_telemetry_says_where_it_is() {
        for flag in [
            r#"{"id":"beta","telemetry":{"enabled":true}}"#,
            r#"{"id":"beta","telemetry":{"enabled":true,"metadata":null}}"#,
        ] {
            let found = merged(&[flags(&[(".appconfig.featureflag/beta@a b", flag, FLAG)])]);
            let metadata = "metadata:{ETag:e1,FeatureFlagReference:\
                            https://contoso.azconfig.io/kv/.appconfig.featureflag/beta?label=a b}";
            let expected = format!("[{{id:beta,telemetry:{{enabled:true,{metadata}}}}}]");
            assert_eq!(found, [format!("feature_management.feature_flags={expected}")]);
        }
        let own =
            r#"{"id":"beta","telemetry":{"enabled":true,"metadata":{"ETag":"own","FeatureFlagReference":"own"}}}"#;
        let found = merged(&[flags(&[(".appconfig.featureflag/beta", own, FLAG)])]);
        let expected = "[{id:beta,telemetry:{enabled:true,metadata:{ETag:own,FeatureFlagReference:own}}}]";
        assert_eq!(found, [format!("feature_management.feature_flags={expected}")]);
        let off = r#"{"id":"beta","telemetry":{"enabled":false}}"#;
        let found = merged(&[flags(&[(".appconfig.featureflag/beta", off, FLAG)])]);
        assert_eq!(found, ["feature_management.feature_flags=[{id:beta,telemetry:{enabled:false}}]"]);
    }

    #[test]
    fn ten_thousand_keys_become_settings() {
        let key_values =
            (0..10_000).map(|i| Arc::new(key_value(&format!("shop:group{}:key{i}", i % 100), None, "v", TEXT)));
        let selections = [Selection { key_values: key_values.collect(), is_of_feature_flags: false }];
        assert_eq!(merge(&selections, &map(), &endpoint()).unwrap().len(), 10_000);
    }

    #[test]
    fn the_number_of_settings_is_bounded() {
        let list = format!("{{{}}}", (0..=MAX_SETTINGS).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","));
        let error = merge(&[selection(&[("a", &list, JSON)])], &map(), &endpoint()).err().unwrap();
        assert_eq!(error.to_string(), "store has more settings than the limit");
    }

    /// Returns whether two keys of one selection give the same setting, or whether a setting would be both a value and
    /// a table, or both a table and a list. A later selection replaces equal settings of an earlier one.
    fn collides(keys: &[String], later: &[String]) -> bool {
        let setting = |key: &String| KeyMap::default().key(key).unwrap();
        let distinct = |keys: &[String]| keys.iter().collect::<BTreeSet<_>>().into_iter().map(setting).collect();
        let later: Vec<Key> = distinct(later);
        let mut earlier: Vec<Key> = distinct(keys);
        earlier.retain(|key| !later.contains(key));
        let has_one_twice = |keys: &[Key]| keys.iter().collect::<BTreeSet<_>>().len() < keys.len();
        let collide = |one: &Key, other: &Key| {
            let (one, other) = (one.segments(), other.segments());
            let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            match (one.get(common), other.get(common)) {
                (None, None) => false,
                (Some(one), Some(other)) => one.name().is_some() != other.name().is_some(),
                _ => true,
            }
        };
        let all = || earlier.iter().chain(&later);
        has_one_twice(&earlier) || has_one_twice(&later) || all().any(|one| all().any(|other| collide(one, other)))
    }

    proptest! {
        #[test]
        fn each_setting_is_set_once_or_the_merge_fails(
            keys in prop::collection::vec("[abAB]{1,2}(:[ab0]){0,2}", 0..8),
            later in prop::collection::vec("[abAB]{1,2}(:[ab0]){0,2}", 0..4),
        ) {
            let of = |keys: &[String]| selection(&keys.iter().map(|key| (key.as_str(), "v", TEXT)).collect::<Vec<_>>());
            let merged = merge(&[of(&keys), of(&later)], &KeyMap::default(), &endpoint());
            let setting = |key: &String| KeyMap::default().key(key).unwrap();
            let all: BTreeSet<Key> = keys.iter().chain(&later).map(setting).collect();
            prop_assert_eq!(merged.is_ok(), !collides(&keys, &later));
            if let Ok(settings) = merged {
                prop_assert_eq!(settings.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), Vec::from_iter(all));
            }
        }
    }
}
