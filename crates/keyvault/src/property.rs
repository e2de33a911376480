//! A member of a secret that is JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// A path to a member of a JSON secret: `user`, `tls.key`, `servers[0].password`.
///
/// A whole rest of the path that is itself a key wins over taking it apart, so `tls.key` finds `{"tls.key":…}` first.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Property(Box<str>);

impl Property {
    pub(crate) fn parse(path: &str) -> Result<Self> {
        if path.split('.').any(str::is_empty) || path.contains([')', ';', '@']) {
            return Err(Error::invalid("Property in a reference is not a path of names"));
        }
        Ok(Self(path.into()))
    }

    /// Takes the member out of `json`: a string as it is, anything else as JSON.
    ///
    /// The text is borrowed all the way down, so that no copy of the secret stays behind in a tree of values.
    pub(crate) fn of(&self, json: &str) -> Result<Zeroizing<String>> {
        let whole: &RawValue = serde_json::from_str(json)
            .map_err(|_| Error::new(ErrorKind::Rejected, "secret is not JSON, and its reference has a Property"))?;
        let path = self.0.replace('[', ".").replace(']', "");
        let member = find(whole, &path)
            .filter(|member| member.get() != "null")
            .ok_or_else(|| Error::new(ErrorKind::Rejected, "secret has no member at the reference's Property"))?;
        let text = serde_json::from_str(member.get()).unwrap_or_else(|_| member.get().to_owned());
        Ok(Zeroizing::new(text))
    }
}

fn find<'a>(value: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        let (index, rest) = path.split_once('.').map_or((path, None), |(i, rest)| (i, Some(rest)));
        let item = items.get(index.parse::<usize>().ok()?)?;
        return rest.map_or(Some(*item), |rest| find(item, rest));
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(value.get()).ok()?;
    if let Some(member) = members.get(path) {
        return Some(member);
    }
    let (name, rest) = path.split_once('.')?;
    find(members.get(name)?, rest)
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_names_indexes_and_keys_with_dots() {
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
            let found = Property::parse(path).unwrap().of(json).ok();
            assert_eq!(found.as_deref().map(String::as_str), expected, "{path}");
        }
        let error = Property::parse("a").unwrap().of("canary").unwrap_err();
        assert!(!format!("{error:?}").contains("canary"));
    }
}
