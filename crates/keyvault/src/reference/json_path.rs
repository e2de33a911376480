//! The path to a member of a JSON secret.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::json_string::unescaped;
use crate::report::ReferenceStatus;

/// A path to a member of a JSON secret: `user`, `tls.key`, `servers[0].password`.
///
/// A member whose name is the whole rest of the path wins over nested members, so `tls.key` finds `{"tls.key":…}`
/// first.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct JsonPath(Box<str>);

impl JsonPath {
    pub(crate) fn parse(path: &str) -> Result<Self> {
        let dotted = dotted(path);
        if dotted.split('.').count() > MAX_STEPS {
            return Err(Error::invalid("path has more than 64 steps"));
        }
        if dotted.split('.').any(str::is_empty) || path.contains([')', ';', '@', '\n']) || !is_indexed(path) {
            return Err(Error::invalid("not a path of names and indexes")
                .with_help("separate members with dots and number elements from 0, as in servers[0].password"));
        }
        Ok(Self(path.into()))
    }

    /// Returns the member of `json`: the text of a string, or the JSON of any other value.
    ///
    /// Every step borrows the text, so no tree of values keeps a copy of the secret.
    pub(crate) fn of(&self, json: &str) -> Result<Zeroizing<String>> {
        let whole: &RawValue = serde_json::from_str(json).map_err(|_| {
            const CLAUSE: &str = "reference has a Property but the secret is not JSON";
            invalid_secret(CLAUSE, CLAUSE).with_help("remove Property, or store the secret as JSON")
        })?;
        let path = dotted(&self.0);
        let mut deepest = Members::new();
        let member = find(whole, &path, &mut deepest).filter(|member| member.get() != "null").ok_or_else(|| {
            let members = match shown_names(&deepest) {
                names if names.is_empty() => String::new(),
                names => format!("; members there: {}", names.join(", ")),
            };
            const CLAUSE: &str = "secret has no member at the Property of the reference";
            invalid_secret(CLAUSE, format!("{CLAUSE}{members}")).with_help(
                "compare Property with the secret's members: names are case-sensitive, elements count from 0",
            )
        })?;
        Ok(unescaped(member.get()).unwrap_or_else(|| Zeroizing::new(member.get().to_owned())))
    }
}

/// Each step reads the rest of the secret again.
const MAX_STEPS: usize = 64;

fn invalid_secret(heading: &'static str, clause: impl Into<Cow<'static, str>>) -> Error {
    Error::from_clause(ErrorKind::InvalidSettings, heading, clause).with_status(ReferenceStatus::OtherReasons)
}

/// Rewrites `a[0].b` as `a.0.b`.
fn dotted(path: &str) -> String {
    let dotted = path.replace('[', ".").replace(']', "");
    if path.starts_with('[') { dotted[1..].to_owned() } else { dotted }
}

/// Returns whether each pair of brackets contains a number.
fn is_indexed(path: &str) -> bool {
    let mut pieces = path.split('[');
    let first = pieces.next().unwrap_or_default();
    let is_index = |piece: &str| {
        piece.split_once(']').is_some_and(|(index, rest)| {
            let ends = rest.is_empty() || rest.starts_with('.') && !rest.contains(']');
            !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) && ends
        })
    };
    !first.contains(']') && pieces.all(is_index)
}

/// The members of a table.
type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Finds the value at `path`. Leaves the members of the last table on the way in `deepest`.
fn find<'a>(value: &'a RawValue, path: &str, deepest: &mut Members<'a>) -> Option<&'a RawValue> {
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        let (index, rest) = path.split_once('.').map_or((path, None), |(i, rest)| (i, Some(rest)));
        let item = items.get(index.parse::<usize>().ok()?)?;
        return rest.map_or(Some(*item), |rest| find(item, rest, deepest));
    }
    *deepest = serde_json::from_str(value.get()).ok()?;
    if let Some(member) = deepest.get(path) {
        return Some(member);
    }
    let (name, rest) = path.split_once('.')?;
    let member = *deepest.get(name)?;
    find(member, rest, deepest)
}

/// Returns names of members for a message: the first few, and only those that look like names.
fn shown_names(members: &Members<'_>) -> Vec<String> {
    let is_name = |name: &str| {
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    };
    let names = members.keys().filter(|name| is_name(name));
    names.take(MAX_NAMES).map(ToString::to_string).collect()
}

const MAX_NAMES: usize = 10;
/// Longer texts are more likely keys of another kind, such as tokens.
const MAX_NAME: usize = 32;

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_consists_of_names_indexes_and_names_with_dots() {
        let json =
            r#"{"user":"ann\n","port":5432,"tls":{"key":"k"},"tls.cert":"c","n":null,"hosts":[{"name":"a"},"b"]}"#;
        for (path, expected) in [
            ("user", Some("ann\n")),
            ("port", Some("5432")),
            ("tls.key", Some("k")),
            ("tls", Some(r#"{"key":"k"}"#)),
            ("tls.cert", Some("c")),
            ("hosts[0].name", Some("a")),
            ("hosts.1", Some("b")),
            ("hosts[2]", None),
            ("hosts.x", None),
            ("n", None),
            ("user.name", None),
            ("missing", None),
        ] {
            let found = JsonPath::parse(path).unwrap().of(json).ok();
            assert_eq!(found.as_deref().map(String::as_str), expected, "{path}");
        }
    }

    #[test]
    fn a_missing_member_differs_from_a_secret_that_is_not_json() {
        for (json, clause, help) in [
            (r#"{"b":"canary"}"#, "secret has no member", "case-sensitive"),
            (r#"["canary"]"#, "secret has no member", "case-sensitive"),
            (r#""canary""#, "secret has no member", "case-sensitive"),
            ("canary", "the secret is not JSON", "remove Property"),
            ("", "the secret is not JSON", "remove Property"),
            (r#"{"a":"canary"} {}"#, "the secret is not JSON", "remove Property"),
        ] {
            let error = JsonPath::parse("a").unwrap().of(json).expect_err(json);
            assert!(error.to_string().contains(clause), "{json}: {error}");
            assert!(error.advice().is_some_and(|advice| advice.contains(help)), "{json}: {error:?}");
            assert_eq!(error.status(), ReferenceStatus::OtherReasons, "{json}");
            assert!(!format!("{error:?}").contains("canary"), "{json}: {error:?}");
        }
    }

    #[test]
    fn a_missing_member_is_reported_with_the_names_beside_it() {
        let json = r#"{"user":"canary","password":"canary","tls":{"key":"canary","a b":1},"list":[{"x":"canary"}]}"#;
        for (path, names) in [
            ("pasword", "; members there: list, password, tls, user"),
            ("tls.cert", "; members there: key"),
            ("list[0].y.z", "; members there: x"),
            ("user.name", "; members there: list, password, tls, user"),
        ] {
            let error = JsonPath::parse(path).unwrap().of(json).expect_err(path);
            assert!(error.to_string().ends_with(names), "{path}: {error}");
            assert!(!format!("{error:?}").contains("canary"), "{path}: {error:?}");
        }
        let many: BTreeMap<String, u8> =
            (0..20).map(|i| (format!("n{i:02}"), i)).chain([("x".repeat(33), 0)]).collect();
        let error = JsonPath::parse("a").unwrap().of(&serde_json::to_string(&many).unwrap()).unwrap_err();
        assert!(error.to_string().ends_with("n08, n09"), "{error}");
    }

    #[test]
    fn malformed_paths_are_refused() {
        for path in ["", ".", "a.", "a..b", "a[", "a]", "a[]", "a[x]", "a[0", "a[0]b", "a]0[", "[0", "a[-1]", "[]"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        assert!(JsonPath::parse(&["a"; 64].join(".")).is_ok());
        assert!(JsonPath::parse(&["a"; 65].join(".")).is_err());
        for path in ["a", "a.b", "[0].b", "a[0]", "a[0][1].b", "0", "a-b.c_d", "ü"] {
            assert!(JsonPath::parse(path).is_ok(), "{path}");
        }
    }
}
