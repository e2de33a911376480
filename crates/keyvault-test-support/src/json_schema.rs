//! A validator for the part of JSON Schema that this repository uses.

use serde_json::Value;

/// Asserts that `value` conforms to `schema`, whose objects name all their members.
#[track_caller]
pub fn assert_conforms(value: &Value, schema: &Value) {
    assert_part(value, schema, schema);
}

#[track_caller]
fn assert_part(value: &Value, schema: &Value, root: &Value) {
    let schema = match schema["$ref"].as_str() {
        Some(path) => root.pointer(path.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = [&schema["type"]].into_iter().chain(schema["type"].as_array().into_iter().flatten());
    let kinds: Vec<&str> = kinds.filter_map(Value::as_str).collect();
    assert!(kinds.is_empty() || kinds.contains(&kind), "{value} is not of {kinds:?}");
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{value} is not one of {allowed:?}");
    }
    for item in value.as_array().into_iter().flatten() {
        assert_part(item, &schema["items"], root);
    }
    if let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(required.iter().all(|name| members.contains_key(*name)), "{value} lacks one of {required:?}");
        for (name, member) in members {
            assert_part(member, properties.get(name).unwrap_or_else(|| panic!("{name} is not known")), root);
        }
    }
}
