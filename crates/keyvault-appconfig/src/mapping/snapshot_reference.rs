//! References to snapshots.

use keyvault::Error;
use serde_json::{Map, Value};

use super::value::malformed;
use crate::key_value::KeyValue;

/// Returns the name of the snapshot that a key-value refers to, such as `{"snapshot_name":"release-7"}`, or `None` if
/// it is not such a reference ([snapshot
/// references](https://learn.microsoft.com/azure/azure-app-configuration/concept-snapshot-references)).
///
/// # Errors
///
/// [`Invalid`](keyvault::ErrorKind::Invalid), with the key and the label, if the content is malformed.
pub(crate) fn referenced_snapshot(key_value: &KeyValue) -> Result<Option<String>, Error> {
    if !key_value.is_snapshot_reference() {
        return Ok(None);
    }
    let content = serde_json::from_str::<Map<String, Value>>(key_value.value().unwrap_or_default()).ok();
    let name = content.as_ref().and_then(|content| content.get("snapshot_name")?.as_str()).map(str::trim);
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(name.to_owned())),
        None => {
            let error = malformed("snapshot reference is not JSON with the name of a snapshot", HELP);
            Err(error.at(key_value.key(), key_value.place()))
        }
    }
}

const HELP: &str = "the value of such a key-value is {\"snapshot_name\":\"NAME\"}";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONTENT_TYPE: &str =
        "application/json; profile=\"https://azconfig.io/mime-profiles/snapshot-ref\"; charset=utf-8";

    fn key_value(content: &str, content_type: &str) -> KeyValue {
        let entry = json!({"key": "a", "label": "prod", "value": content, "content_type": content_type});
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn a_snapshot_reference_names_a_snapshot() {
        for (content, expected) in [
            (r#"{"snapshot_name":"release-7"}"#, Some("release-7")),
            (r#"{"snapshot_name":" release-7 ","note":1}"#, Some("release-7")),
            (r#"{"snapshot_name":" "}"#, None),
            (r#"{"snapshot_name":7}"#, None),
            (r#"{"name":"canary"}"#, None),
            (r#"["canary"]"#, None),
            ("canary", None),
            ("", None),
        ] {
            match referenced_snapshot(&key_value(content, CONTENT_TYPE)) {
                Ok(name) => assert_eq!(name.as_deref(), expected, "{content}"),
                Err(error) => {
                    assert_eq!((expected, error.setting()), (None, Some("a")), "{content}");
                    assert_eq!(error.origin(), Some("App Configuration key a label prod"), "{content}");
                    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
                }
            }
        }
        let text = key_value(r#"{"snapshot_name":"release-7"}"#, "application/json");
        assert_eq!(referenced_snapshot(&text).unwrap(), None);
    }
}
