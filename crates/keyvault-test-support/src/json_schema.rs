//! A validator for the part of JSON Schema that this repository uses.
//!
//! The crate `jsonschema` would switch on a feature of `serde_json` for every test of the workspace.

use serde_json::{Map, Value};

/// Asserts that `value` conforms to `schema`.
#[track_caller]
pub fn assert_conforms(value: &Value, schema: &Value) {
    if let Err(problem) = conforms(value, schema) {
        panic!("{problem}");
    }
}

/// Returns whether `value` conforms to `schema`. An object has no members but those that the schema names, unless the
/// schema describes the others. Does not check `format`, `pattern` and `propertyNames`.
///
/// # Errors
///
/// The part of the value that does not conform.
///
/// # Panics
///
/// The schema has another keyword than the ones in this file.
pub fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    Validator { root: schema }.part(value, schema)
}

struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    fn part(&self, value: &Value, schema: &Value) -> Result<(), String> {
        let keywords = schema.as_object().unwrap_or_else(|| panic!("{schema} is not a schema"));
        for (keyword, content) in keywords {
            let is_fulfilled = match keyword.as_str() {
                "$ref" => self
                    .part(value, self.root.pointer(text(content).trim_start_matches('#')).unwrap())
                    .map(|()| true)?,
                "type" => list(content).any(|kind| is_of(value, text(kind))),
                "enum" => list(content).any(|allowed| allowed == value),
                "minimum" => value.as_f64().is_none_or(|number| number >= content.as_f64().unwrap()),
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= content.as_u64().unwrap()),
                "items" => value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|item| self.part(item, content))
                    .map(|()| true)?,
                "anyOf" => list(content).any(|one| self.part(value, one).is_ok()),
                "oneOf" => list(content).filter(|one| self.part(value, one).is_ok()).count() == 1,
                "not" => self.part(value, content).is_err(),
                "required" => {
                    value.as_object().is_none_or(|members| list(content).all(|name| members.contains_key(text(name))))
                }
                "properties" | "additionalProperties" => true,
                "$schema" | "$id" | "$defs" | "title" | "description" | "format" | "pattern" | "propertyNames" => true,
                unknown => panic!("the validator does not know {unknown}"),
            };
            if !is_fulfilled {
                return Err(format!("{value} does not fulfil {keyword}: {content}"));
            }
        }
        match value.as_object() {
            Some(members) if keywords.contains_key("properties") || keywords.contains_key("additionalProperties") => {
                self.members(members, keywords)
            }
            _ => Ok(()),
        }
    }

    fn members(&self, members: &Map<String, Value>, keywords: &Map<String, Value>) -> Result<(), String> {
        let properties = keywords.get("properties").and_then(Value::as_object);
        let others = keywords.get("additionalProperties").filter(|others| others.is_object());
        members.iter().try_for_each(|(name, member)| {
            let schema = properties.and_then(|properties| properties.get(name)).or(others);
            self.part(member, schema.ok_or_else(|| format!("{name} is not known"))?)
        })
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{kind} is not a type of JSON"),
    }
}

/// Returns the items of a list, or the only item.
fn list(content: &Value) -> impl Iterator<Item = &Value> {
    content.as_array().map_or(std::slice::from_ref(content), Vec::as_slice).iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_from_the_schema_is_an_error() {
        let schema = json!({
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": { "$ref": "#/$defs/a" },
                "b": { "type": ["integer", "null"], "minimum": 2 },
                "c": { "type": "array", "minItems": 1, "items": { "enum": ["x", 7] } },
                "d": { "additionalProperties": { "type": "string" } },
                "e": { "anyOf": [{ "type": "string" }, { "type": "boolean" }] },
                "g": { "not": { "type": "string" } },
                "f": { "oneOf": [{ "required": ["x"] }, { "required": ["y"] }] },
            },
            "$defs": { "a": { "type": "number" } },
        });
        for good in [
            json!({ "a": 1.5, "b": 2, "c": ["x", 7], "d": { "any": "text" }, "e": true, "f": { "x": 1 } }),
            json!({ "a": 1, "b": null }),
        ] {
            assert_eq!(conforms(&good, &schema), Ok(()), "{good}");
        }
        for bad in [
            json!([]),
            json!({}),
            json!({ "a": "1" }),
            json!({ "a": 1, "b": 1 }),
            json!({ "a": 1, "b": 2.5 }),
            json!({ "a": 1, "c": [] }),
            json!({ "a": 1, "c": ["y"] }),
            json!({ "a": 1, "d": { "any": 1 } }),
            json!({ "a": 1, "e": 1 }),
            json!({ "a": 1, "f": {} }),
            json!({ "a": 1, "g": "text" }),
            json!({ "a": 1, "f": { "x": 1, "y": 1 } }),
            json!({ "a": 1, "unknown": 1 }),
        ] {
            assert!(conforms(&bad, &schema).is_err(), "{bad}");
        }
    }
}
