//! The choice of key-values.

use std::fmt;

use keyvault::secret::ParseError;

use super::pattern::{NO_LABEL, Pattern};

/// A choice of key-values: by key, label and tags, or all of a snapshot.
///
/// A filter is a text (`shop:url`), a prefix with an asterisk (`shop:*`), up to five texts (`a,b`), or `*` for
/// anything. A backslash makes `*`, `,` and `\` stand for themselves; [`escaped`](crate::escaped) writes it.
///
/// # Examples
///
/// ```
/// use keyvault_appconfig::{NO_LABEL, Selector};
///
/// let all = Selector::new("*", NO_LABEL);
/// let team = Selector::new("shop:*", "prod").tag("team", "orders");
/// assert_eq!(team.to_string(), "key filter shop:*, label prod, tag team=orders");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Selector {
    choice: Choice,
    is_optional: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Choice {
    Filter { key: String, label: String, tags: Vec<(String, Option<String>)> },
    Snapshot(String),
}

const MAX_TAGS: usize = 5;

impl Selector {
    /// Creates a choice by filters of keys and labels. [`NO_LABEL`] chooses key-values without a label, and `*` those
    /// with any or without one.
    pub fn new(key_filter: impl Into<String>, label_filter: impl Into<String>) -> Self {
        let choice = Choice::Filter { key: key_filter.into(), label: label_filter.into(), tags: Vec::new() };
        Self { choice, is_optional: false }
    }

    /// Creates the choice of all key-values in a snapshot.
    pub fn snapshot(name: impl Into<String>) -> Self {
        Self { choice: Choice::Snapshot(name.into()), is_optional: false }
    }

    /// Restricts the choice to key-values with a tag that has exactly this value. Up to five tags; all must match.
    ///
    /// Does not apply to a snapshot.
    #[must_use]
    pub fn tag(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_tag(name.into(), Some(value.into()))
    }

    /// Restricts the choice to key-values with a tag that has no value.
    #[must_use]
    pub fn tag_without_value(self, name: impl Into<String>) -> Self {
        self.with_tag(name.into(), None)
    }

    /// Lets the choice match nothing. Default: a layer fails if one of its selections does, because a misspelt label
    /// would silently leave every setting at its default.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Returns whether the choice may match nothing.
    pub fn is_optional(&self) -> bool {
        self.is_optional
    }

    fn with_tag(mut self, name: String, value: Option<String>) -> Self {
        match &mut self.choice {
            Choice::Filter { tags, .. } => tags.push((name, value)),
            Choice::Snapshot(_) => {}
        }
        self
    }

    /// Returns the name of the snapshot, if the choice is one.
    pub fn snapshot_name(&self) -> Option<&str> {
        match &self.choice {
            Choice::Snapshot(name) => Some(name),
            Choice::Filter { .. } => None,
        }
    }

    /// Checks the choice as the store would. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if a filter is malformed, if there are too many tags, or if the snapshot has no name.
    pub fn check(&self) -> Result<(), ParseError> {
        match &self.choice {
            Choice::Snapshot(name) if name.is_empty() => Err(ParseError::new("name of the snapshot is empty")),
            Choice::Snapshot(_) => Ok(()),
            Choice::Filter { tags, .. } if tags.len() > MAX_TAGS => Err(ParseError::new("more than five tags")),
            Choice::Filter { tags, .. } if tags.iter().any(|(name, _)| name.is_empty()) => {
                Err(ParseError::new("name of the tag is empty"))
            }
            Choice::Filter { key, label, .. } => Pattern::parse(key).and(Pattern::parse(label)).map(|_| ()),
        }
    }

    /// Returns the parameters of the request that lists these key-values.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        match &self.choice {
            Choice::Snapshot(name) => vec![("snapshot", name.clone())],
            Choice::Filter { key, label, tags } => {
                let tags = tags.iter().map(|(name, value)| ("tags", tag_filter(name, value.as_deref())));
                [("key", key.clone()), ("label", label.clone())].into_iter().chain(tags).collect()
            }
        }
    }

    /// Returns whether a key-value with this key and label may be chosen. Its tags and the content of snapshots are not
    /// known.
    pub(crate) fn may_match(&self, key: &str, label: Option<&str>) -> bool {
        match &self.choice {
            Choice::Snapshot(_) => false,
            Choice::Filter { key: keys, label: labels, .. } => {
                let matches = |filter: &str, text| Pattern::parse(filter).is_ok_and(|filter| filter.matches(text));
                matches(keys, Some(key)) && matches(labels, label)
            }
        }
    }

    /// Returns whether at most one label can match, so that at most one key-value of each key does. A layer accepts no
    /// other choice.
    pub fn has_one_label(&self) -> bool {
        match &self.choice {
            Choice::Snapshot(_) => true,
            Choice::Filter { label, .. } => Pattern::parse(label).is_ok_and(|filter| filter.only().is_some()),
        }
    }

    /// Returns the choice of the feature flags whose names the key filter chooses.
    pub(crate) fn of_feature_flags(self) -> Self {
        let choice = match self.choice {
            Choice::Filter { key, label, tags } => {
                let prefix = crate::key_value::FEATURE_FLAG_PREFIX;
                let flag = |item: &str| if item.is_empty() { String::new() } else { format!("{prefix}{item}") };
                let key = items(&key).map(flag).collect::<Vec<_>>().join(",");
                Choice::Filter { key, label, tags }
            }
            snapshot => snapshot,
        };
        Self { choice, is_optional: self.is_optional }
    }
}

/// Returns the texts of a filter, which commas without a backslash separate.
fn items(filter: &str) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    filter.split(move |letter| {
        let separates = letter == ',' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        separates
    })
}

/// Writes the filter of one tag. `\0` stands for the absence of a value.
fn tag_filter(name: &str, value: Option<&str>) -> String {
    let escape = |text: &str| {
        let escaped =
            text.chars().flat_map(|c| matches!(c, '=' | ',' | '\\' | '*').then_some('\\').into_iter().chain([c]));
        escaped.collect::<String>()
    };
    format!("{}={}", escape(name), value.map_or(NO_LABEL.to_owned(), escape))
}

/// Names the filters, for errors and reports.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.choice {
            Choice::Snapshot(name) => write!(f, "snapshot {name}"),
            Choice::Filter { key, label, tags } => {
                write!(f, "key filter {key}, ")?;
                match label.as_str() {
                    NO_LABEL => f.write_str("no label")?,
                    label => write!(f, "label {}", label.replace(NO_LABEL, "\\0"))?,
                }
                tags.iter().try_for_each(|(name, value)| match value {
                    Some(value) => write!(f, ", tag {name}={value}"),
                    None => write!(f, ", tag {name} without a value"),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_the_store_reads_it() {
        for (selector, query, shown) in [
            (Selector::new("*", NO_LABEL), &[("key", "*"), ("label", "\0")][..], "key filter *, no label"),
            (
                Selector::new("shop:*", "prod").tag("team", "a=b,c*d\\e").tag("empty", "").tag_without_value("none"),
                &[
                    ("key", "shop:*"),
                    ("label", "prod"),
                    ("tags", r"team=a\=b\,c\*d\\e"),
                    ("tags", "empty="),
                    ("tags", "none=\0"),
                ],
                "key filter shop:*, label prod, tag team=a=b,c*d\\e, tag empty=, tag none without a value",
            ),
            (Selector::snapshot("release-7").tag("a", "b"), &[("snapshot", "release-7")], "snapshot release-7"),
            (
                Selector::new(r"be\,ta,g\\", NO_LABEL).of_feature_flags(),
                &[("key", r".appconfig.featureflag/be\,ta,.appconfig.featureflag/g\\"), ("label", "\0")],
                r"key filter .appconfig.featureflag/be\,ta,.appconfig.featureflag/g\\, no label",
            ),
            (
                Selector::new("beta,gamma", NO_LABEL).of_feature_flags(),
                &[("key", ".appconfig.featureflag/beta,.appconfig.featureflag/gamma"), ("label", "\0")],
                "key filter .appconfig.featureflag/beta,.appconfig.featureflag/gamma, no label",
            ),
        ] {
            let written = selector.query();
            let written: Vec<(&str, &str)> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!((written.as_slice(), selector.to_string().as_str()), (query, shown));
            assert!(selector.check().is_ok(), "{selector}");
        }
    }

    #[test]
    fn a_malformed_choice_is_refused() {
        let many = ["a", "b", "c", "d", "e", "f"];
        for selector in [
            Selector::new("", "prod"),
            Selector::new("a*b", "prod"),
            Selector::new("*", "a*b"),
            Selector::new("*", ""),
            Selector::new("*", "prod").tag("", "x"),
            many.iter().fold(Selector::new("*", "prod"), |selector, name| selector.tag(*name, "x")),
            Selector::snapshot(""),
            Selector::new("", NO_LABEL).of_feature_flags(),
        ] {
            assert!(selector.check().is_err(), "{selector}");
        }
    }

    #[test]
    fn an_event_concerns_a_choice_that_may_have_its_key_and_label() {
        let shop = Selector::new("shop:*", "prod");
        for (key, label, expected) in [
            ("shop:url", Some("prod"), true),
            ("shop:url", None, false),
            ("shop:url", Some("test"), false),
            ("other", Some("prod"), false),
        ] {
            assert_eq!(shop.may_match(key, label), expected, "{key} {label:?}");
        }
        assert!(!Selector::snapshot("a").may_match("shop:url", Some("prod")));
        assert!(shop.has_one_label() && !Selector::new("*", "a,b").has_one_label());
        assert!(!Selector::new("*", "*").has_one_label() && Selector::new("*", NO_LABEL).has_one_label());
    }
}
