//! Tables that are App Configuration references.

use std::collections::HashMap;

use super::config_value::{ConfigValue, ValueContent};
use super::key::{Key, Segment};
use crate::reference::app_configuration::is_of_a_secret;

/// Puts a value in the place of each table whose one member is `uri` and a secret's.
pub(crate) fn join_tables(leaves: Vec<ConfigValue>) -> Vec<ConfigValue> {
    let mut members: HashMap<Vec<Segment>, usize> = HashMap::new();
    for leaf in &leaves {
        for depth in 1..leaf.key.segments().len() {
            *members.entry(leaf.key.segments()[..depth].to_vec()).or_default() += 1;
        }
    }
    let join = |leaf: ConfigValue| match (leaf.key.segments().split_last(), &leaf.content) {
        (Some((Segment::Name(name), above)), ValueContent::Text(uri))
            if &**name == "uri" && is_of_a_secret(uri) && members.get(above) == Some(&1) =>
        {
            let json = serde_json::json!({ "uri": &**uri }).to_string();
            let key = Key::of(above);
            leaf.joined(key, json)
        }
        _ => leaf,
    };
    leaves.into_iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::app_configuration::parse;

    #[test]
    fn a_table_is_joined_only_if_it_has_that_one_member() {
        let value = |key: &[&str], text: &str| ConfigValue::text(key.iter().copied().collect(), "file", text);
        let secret = "https://contoso.vault.azure.net/secrets/a";
        let joined = join_tables(vec![
            value(&["a", "b", "uri"], secret),
            value(&["c", "uri"], secret),
            value(&["c", "other"], "x"),
            value(&["d", "uri"], "https://contoso.example/hook"),
            value(&["e", "url"], secret),
            value(&["uri"], secret),
        ]);
        let keys: Vec<String> = joined.iter().map(|value| value.key.to_string()).collect();
        assert_eq!(keys, ["a.b", "c.uri", "c.other", "d.uri", "e.url", "uri"]);
        let ValueContent::Text(text) = &joined[0].content else { panic!("a reference is text") };
        assert_eq!(parse(text).unwrap().unwrap().name().as_str(), "a");
    }
}
