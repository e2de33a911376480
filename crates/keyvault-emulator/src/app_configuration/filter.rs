//! Filters of lists, by key, label or name.
//!
//! See [filtering](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-key-value#filtering).

use super::problem::Problem;

/// A filter. `None` as a value is a key-value without a label.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    Any,
    Prefix(String),
    /// Matches one of these values.
    OneOf(Vec<Option<String>>),
}

impl Filter {
    /// Parses the value of the parameter `name`. An absent or empty value matches anything, and so does a value that
    /// begins with `*`.
    pub(super) fn parse(name: &str, text: Option<&str>) -> Result<Self, Problem> {
        let text = text.unwrap_or_default();
        if text.is_empty() || text.starts_with('*') {
            return Ok(Self::Any);
        }
        let items = split(text, ',');
        if let [item] = *items
            && let Some(prefix) = item.strip_suffix('*').filter(|prefix| !ends_with_escape(prefix))
        {
            return Ok(Self::Prefix(unescape(name, prefix, 0)?));
        }
        if items.len() > MAX_ITEMS {
            let detail = format!("{name}: Too many values. Maximum supported is {MAX_ITEMS}");
            return Err(Problem::invalid(name, detail));
        }
        let mut at = 0;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(if item == NULL { None } else { Some(unescape(name, item, at)?) });
            at += item.chars().count() + 1;
        }
        Ok(Self::OneOf(values))
    }

    /// Returns whether a value matches.
    pub(super) fn matches(&self, value: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(prefix) => value.is_some_and(|value| value.starts_with(prefix.as_str())),
            Self::OneOf(values) => values.iter().any(|known| known.as_deref() == value),
        }
    }

    /// Returns whether several labels of one key can match.
    pub(super) fn is_multiple(&self) -> bool {
        !matches!(self, Self::OneOf(values) if values.len() == 1)
    }

    /// Returns the start of every value that matches.
    pub(super) fn common_prefix(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Prefix(prefix) => prefix,
            Self::OneOf(values) => match &values[..] {
                [Some(value)] => value,
                _ => "",
            },
        }
    }
}

/// Splits a text at the separators that are not escaped.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (at, character) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if character == ESCAPE {
            is_escaped = true;
        } else if character == separator {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Removes the escapes. Fails at a reserved character without one. `offset` is the position of the text in the
/// parameter.
pub(super) fn unescape(name: &str, text: &str, offset: usize) -> Result<String, Problem> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars().enumerate();
    while let Some((at, character)) = characters.next() {
        match character {
            // Any character can be escaped. A last backslash escapes nothing.
            ESCAPE => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '*' | ',' => {
                let detail = format!("{name}({}): Invalid character", offset + at);
                return Err(Problem::invalid(name, detail));
            }
            _ => value.push(character),
        }
    }
    Ok(value)
}

/// Escapes the reserved characters, and the separator of a tag filter.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | ',' | ESCAPE | '=') {
            escaped.push(ESCAPE);
        }
        escaped.push(character);
    }
    escaped
}

/// Returns whether the character after a text would be escaped.
fn ends_with_escape(text: &str) -> bool {
    text.chars().rev().take_while(|character| *character == ESCAPE).count() % 2 == 1
}

/// Returns a label as a store keeps it: no label is written as an absent or empty value, or as the null character.
pub(super) fn label(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty() && *text != NULL).map(str::to_owned)
}

/// The value that means no label.
pub(super) const NULL: &str = "\0";
const ESCAPE: char = '\\';
/// The maximum number of values in a filter.
const MAX_ITEMS: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_matches_the_documented_values() {
        for (filter, matching, others) in [
            ("", &[Some("a"), None][..], &[][..]),
            ("*", &[Some("a"), Some(""), None], &[]),
            ("*abc", &[Some("xyz"), None], &[]),
            ("abc", &[Some("abc")], &[Some("abcd"), Some("ABC"), None]),
            ("abc*", &[Some("abc"), Some("abcd")], &[Some("ab"), Some("xabc"), None]),
            ("abc,xyz", &[Some("abc"), Some("xyz")], &[Some("abc,xyz"), None]),
            ("\0", &[None], &[Some(""), Some("a")]),
            ("\0,prod", &[None, Some("prod")], &[Some("dev")]),
            ("a,", &[Some("a"), Some("")], &[None]),
            (r"a\*", &[Some("a*")], &[Some("a"), Some("ab")]),
            (r"a\\*", &[Some(r"a\"), Some(r"a\b")], &[Some("a*")]),
            (r"a\*b*", &[Some("a*b"), Some("a*bc")], &[Some("ab")]),
            (r"a\,b", &[Some("a,b")], &[Some("a"), Some("b")]),
            (r"a\,b,c", &[Some("a,b"), Some("c")], &[Some("a")]),
            (r"\a\b", &[Some("ab")], &[Some(r"\a\b")]),
            ("ab\\", &[Some("ab")], &[Some("ab\\")]),
            ("ä*", &[Some("äb")], &[Some("a")]),
        ] {
            let parsed = Filter::parse("key", Some(filter)).unwrap();
            for value in matching {
                assert!(parsed.matches(*value), "{filter} matches {value:?}");
            }
            for value in others {
                assert!(!parsed.matches(*value), "{filter} does not match {value:?}");
            }
        }
        assert_eq!(Filter::parse("key", None), Ok(Filter::Any));
    }

    #[test]
    fn an_invalid_filter_names_the_parameter_and_the_position() {
        for (filter, detail) in [
            ("ab*cd", "label(2): Invalid character"),
            ("ab**", "label(2): Invalid character"),
            ("x,ab*", "label(4): Invalid character"),
            ("ä,*", "label(2): Invalid character"),
            ("a,b,c,d,e,f", "label: Too many values. Maximum supported is 5"),
        ] {
            assert_eq!(Filter::parse("label", Some(filter)), Err(Problem::invalid("label", detail)), "{filter}");
        }
        assert!(Filter::parse("label", Some("a,b,c,d,e")).is_ok());
    }

    proptest! {
        #[test]
        fn an_escaped_value_matches_itself_and_nothing_else(value in r"[ab*,=\\]{1,8}", other in r"[ab*,=\\]{1,8}") {
            let filter = Filter::parse("key", Some(&escape(&value))).unwrap();
            prop_assert!(filter.matches(Some(&value)));
            prop_assert_eq!(filter.matches(Some(&other)), value == other);
            prop_assert!(value.starts_with(filter.common_prefix()));
        }

        #[test]
        fn a_prefix_matches_what_starts_with_it(prefix in r"[ab*,\\]{1,4}", rest in r"[ab*,\\]{0,4}", other in r"[ab*,\\]{0,8}") {
            let filter = Filter::parse("key", Some(&format!("{}*", escape(&prefix)))).unwrap();
            let joined = format!("{prefix}{rest}");
            prop_assert!(filter.matches(Some(&joined)));
            prop_assert_eq!(filter.matches(Some(&other)), other.starts_with(&prefix));
            prop_assert_eq!(filter.common_prefix(), prefix);
        }

        #[test]
        fn a_list_matches_each_of_its_values(values in proptest::collection::vec(r"[ab*,\\]{1,4}", 1..6), other in r"[ab*,\\]{1,4}") {
            let text = values.iter().map(|value| escape(value)).collect::<Vec<_>>().join(",");
            let filter = Filter::parse("key", Some(&text)).unwrap();
            prop_assert!(values.iter().all(|value| filter.matches(Some(value))));
            prop_assert_eq!(filter.matches(Some(&other)), values.contains(&other));
        }

        #[test]
        fn every_value_that_matches_starts_with_the_common_prefix(
            text in r"[ab*,=\\\x00é]{0,6}",
            values in proptest::collection::vec(r"[ab*,=\\\x00é]{0,3}", 0..8),
        ) {
            if let Ok(filter) = Filter::parse("key", Some(&text)) {
                let prefix = filter.common_prefix();
                for value in values.iter().map(String::as_str).chain(["", "a", "b", "é", prefix]) {
                    prop_assert!(!filter.matches(Some(value)) || value.starts_with(prefix), "{value}");
                }
            }
        }
    }
}
