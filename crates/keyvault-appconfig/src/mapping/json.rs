//! JSON values, which are trees of settings.

use keyvault::names::TableMembers;
use keyvault::settings::StoredValue;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Each level takes a stack frame.
const MAX_DEPTH: usize = 32;

/// Reads JSON, with comments if need be. `spell` converts the names of members. Returns `None` for other text.
///
/// A `null` is absent like a missing member, so that a lower layer or a default applies; in a list it is an empty
/// value, so that the elements behind it stay in place. A value more than 32 levels deep stays JSON text.
pub(super) fn tree(json: &str, spell: &dyn Fn(&str) -> String) -> Option<StoredValue> {
    strict_tree(json, spell).or_else(|| strict_tree(&without_comments(json)?, spell))
}

fn strict_tree(json: &str, spell: &dyn Fn(&str) -> String) -> Option<StoredValue> {
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    value(whole, spell, MAX_DEPTH)
}

fn value(raw: &RawValue, spell: &dyn Fn(&str) -> String, levels: usize) -> Option<StoredValue> {
    let json = raw.get();
    Some(match (json.as_bytes().first()?, levels) {
        (b'{', 1..) => {
            let TableMembers(members) = serde_json::from_str(json).ok()?;
            let members = members.into_iter().filter(|(_, member)| member.get() != "null");
            let members = members.map(|(name, member)| Some((spell(&name), value(member, spell, levels - 1)?)));
            StoredValue::Table(members.collect::<Option<_>>()?)
        }
        (b'[', 1..) => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            StoredValue::List(items.into_iter().map(|item| value(item, spell, levels - 1)).collect::<Option<_>>()?)
        }
        (b'"', _) => StoredValue::Text(serde_json::from_str(json).ok()?),
        (b'n', _) => StoredValue::Null,
        (b'{' | b'[', _) => StoredValue::Text(Zeroizing::new(json.to_owned())),
        _ => StoredValue::Scalar(Zeroizing::new(json.to_owned())),
    })
}

/// Removes the comments `// …` and `/* … */` outside strings. Returns `None` if there are none, or if one or a string
/// does not end.
fn without_comments(json: &str) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(json.len()));
    let mut rest = json;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, special) = rest.split_at(at);
        text.push_str(before);
        rest = if let Some(comment) = special.strip_prefix("//") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = special.strip_prefix("/*") {
            comment.split_once("*/")?.1
        } else {
            let end = if special.starts_with('"') { end_of_string(special)? } else { 1 };
            text.push_str(&special[..end]);
            &special[end..]
        };
    }
    text.push_str(rest);
    (text.len() < json.len()).then_some(text)
}

/// Returns the position after the string that `json` begins with.
fn end_of_string(json: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(value: &StoredValue) -> String {
        match value {
            StoredValue::Text(text) => format!("{:?}", text.as_str()),
            StoredValue::Scalar(text) => text.to_string(),
            StoredValue::Null => "-".to_owned(),
            StoredValue::Table(members) => {
                let members: Vec<String> =
                    members.iter().map(|(name, member)| format!("{name}={}", shown(member))).collect();
                format!("{{{}}}", members.join(" "))
            }
            StoredValue::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        }
    }

    fn read(json: &str) -> Option<String> {
        tree(json, &|name: &str| name.to_owned()).map(|value| shown(&value))
    }

    #[test]
    fn json_is_a_tree_of_settings() {
        for (json, expected) in [
            (r#"{"a":"x\n","b":5432,"c":true,"d":1e3}"#, Some(r#"{a="x\n" b=5432 c=true d=1e3}"#)),
            (r#"{"a":null,"b":[null,1],"c":{},"d":{"e":null},"f":[]}"#, Some(r#"{b=[- 1] c={} d={} f=[]}"#)),
            (r#"{"a":1,"a":2}"#, Some("{a=1 a=2}")),
            (r#""text""#, Some(r#""text""#)),
            (" 12 ", Some("12")),
            ("null", Some("-")),
            ("[]", Some("[]")),
            ("// port\n{\"a\": 1, /* two */ \"b\": 2} // end", Some("{a=1 b=2}")),
            ("{\"a\": \"// no /* comment */ \\\" //\"} /**/", Some(r#"{a="// no /* comment */ \" //"}"#)),
            ("/*/{\"a\":1}", None),
            ("{\"a\":1} /* open", None),
            ("{\"a\": \"open // }", None),
            ("{\"a\":1,}", None),
            ("text", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(read(json).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn names_of_members_are_spelled() {
        let spelled = tree(r#"{"PoolSize":1,"Nested":{"A":[{"B":2}]}}"#, &|name: &str| name.to_lowercase()).unwrap();
        assert_eq!(shown(&spelled), "{poolsize=1 nested={a=[{b=2}]}}");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let found = read(&deep).unwrap();
        assert!(found.starts_with(&("[".repeat(32) + "\"[[")), "32 levels and one text");
    }

    #[test]
    fn a_megabyte_of_json_is_read() {
        let members: Vec<String> = (0..40_000).map(|i| format!("\"member{i:05}\":\"value{i:05}\"")).collect();
        let json = format!("{{{}}}", members.join(","));
        assert!(json.len() > 1_000_000);
        let Some(StoredValue::Table(members)) = tree(&json, &|name: &str| name.to_owned()) else { panic!("a table") };
        assert_eq!(members.len(), 40_000);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(json in "[/*\"\\\\{}:,a1\n ]{0,40}") {
            _ = read(&json);
        }

        #[test]
        fn comments_change_no_string(text in ".{0,40}") {
            let json = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(read(&format!("/* c */{json}// c")), Some(format!("[{text:?}]")));
        }
    }
}
