//! Tables that are references in the form of App Configuration.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::config_value::{ConfigValue, ValueContent};
use super::key::Segment;
use crate::reference::app_configuration::is_secret_uri;

/// Replaces each table whose only member is the `uri` of a secret by one value that is a reference.
pub(crate) fn join_tables(values: Vec<ConfigValue>) -> Vec<ConfigValue> {
    let mut members: HashMap<Vec<Segment>, usize> = HashMap::new();
    for value in &values {
        for depth in 1..value.key.segments().len() {
            *members.entry(value.key.segments()[..depth].to_vec()).or_default() += 1;
        }
    }
    let join = |value: ConfigValue| match (value.key.segments().split_last(), &value.content) {
        (Some((Segment::Name(name), above)), ValueContent::Text(uri))
            if &**name == "uri" && is_secret_uri(uri) && members.get(above) == Some(&1) =>
        {
            let json = Zeroizing::new(serde_json::json!({ "uri": &**uri }).to_string());
            ConfigValue { key: above.iter().cloned().collect(), content: ValueContent::Text(json), ..value }
        }
        _ => value,
    };
    values.into_iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::app_configuration::parse;

    #[test]
    fn only_a_table_with_a_secret_uri_as_its_only_member_is_joined() {
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
        let ValueContent::Text(text) = &joined[0].content else { panic!("the joined value is text") };
        assert_eq!(parse(text).unwrap().unwrap().name().as_str(), "a");
    }
}
