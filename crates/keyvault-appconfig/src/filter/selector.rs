//! A filter of key-values.

use std::fmt;

use keyvault::secret::ParseError;

use super::pattern::{NO_LABEL, Pattern};
use crate::key_value::{FEATURE_FLAG_PREFIX, is_name};

/// A filter of key-values: by key, label and tags, or all of a snapshot.
///
/// A key filter or a label filter is a text (`shop:url`), a prefix with an asterisk (`shop:*`), up to five texts
/// (`a,b`), or `*` for anything. A backslash makes `*`, `,` and `\` stand for themselves; [`escaped`](crate::escaped)
/// writes it.
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
    scope: Scope,
    /// Each tag, and its value if it has one.
    tags: Vec<(String, Option<String>)>,
    is_optional: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Scope {
    Store { keys: String, labels: String },
    Snapshot(String),
}

const MAX_TAGS: usize = 5;

impl Selector {
    /// Creates a selector of keys and labels. [`NO_LABEL`] selects key-values without a label, and `*` those with any
    /// or without one.
    pub fn new(key_filter: impl Into<String>, label_filter: impl Into<String>) -> Self {
        Self::of(Scope::Store { keys: key_filter.into(), labels: label_filter.into() })
    }

    /// Creates the selector of all key-values in a snapshot.
    pub fn snapshot(name: impl Into<String>) -> Self {
        Self::of(Scope::Snapshot(name.into()))
    }

    fn of(scope: Scope) -> Self {
        Self { scope, tags: Vec::new(), is_optional: false }
    }

    /// Restricts the selector to key-values with a tag that has exactly this value. Up to five tags; all must match.
    /// None with a snapshot.
    #[must_use]
    pub fn tag(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_tag(name.into(), Some(value.into()))
    }

    /// Restricts the selector to key-values with a tag that has no value.
    #[must_use]
    pub fn tag_without_value(self, name: impl Into<String>) -> Self {
        self.with_tag(name.into(), None)
    }

    /// Permits an empty selection. Default: a layer fails if one of its selections is empty, because a misspelt label
    /// would silently leave every setting at its default.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Returns whether the selection may be empty.
    pub fn is_optional(&self) -> bool {
        self.is_optional
    }

    fn with_tag(mut self, name: String, value: Option<String>) -> Self {
        self.tags.push((name, value));
        self
    }

    /// Returns the name of the snapshot, if the selector is of one.
    pub fn snapshot_name(&self) -> Option<&str> {
        match &self.scope {
            Scope::Snapshot(name) => Some(name),
            Scope::Store { .. } => None,
        }
    }

    /// Checks the selector as the store would. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if a filter or the name of the snapshot is malformed, if there are too many tags, or if a
    /// snapshot is selected with tags.
    pub fn check(&self) -> Result<(), ParseError> {
        match &self.scope {
            Scope::Snapshot(name) if name.is_empty() => Err(ParseError::new("name of the snapshot is empty")),
            Scope::Snapshot(name) if !is_name(name) => Err(ParseError::new("name of the snapshot is malformed")),
            Scope::Snapshot(_) if !self.tags.is_empty() => Err(ParseError::new("snapshot is selected with tags")
                .with_help("create the snapshot of the key-values with these tags")),
            Scope::Snapshot(_) => Ok(()),
            Scope::Store { .. } if self.tags.len() > MAX_TAGS => Err(ParseError::new("more than five tags")),
            Scope::Store { .. } if self.tags.iter().any(|(name, _)| name.is_empty()) => {
                Err(ParseError::new("name of the tag is empty"))
            }
            Scope::Store { keys, labels } => Pattern::parse(keys).and(Pattern::parse(labels)).map(|_| ()),
        }
    }

    /// Returns the parameters of the request that lists these key-values.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = match &self.scope {
            Scope::Snapshot(name) => vec![("snapshot", name.clone())],
            Scope::Store { keys, labels } => vec![("key", keys.clone()), ("label", labels.clone())],
        };
        query.extend(self.tags.iter().map(|(name, value)| ("tags", tag_filter(name, value.as_deref()))));
        query
    }

    /// Returns whether a key-value with this key and label may be selected. Its tags and the content of snapshots are
    /// not known.
    pub(crate) fn may_match(&self, key: &str, label: Option<&str>) -> bool {
        match &self.scope {
            Scope::Snapshot(_) => false,
            Scope::Store { keys, labels } => {
                let matches = |filter: &str, text| Pattern::parse(filter).is_ok_and(|filter| filter.matches(text));
                matches(keys, Some(key)) && matches(labels, label)
            }
        }
    }

    /// Returns whether at most one label can match, so that at most one key-value of each key does. A layer accepts no
    /// other selector.
    pub fn has_one_label(&self) -> bool {
        match &self.scope {
            Scope::Snapshot(_) => true,
            Scope::Store { labels, .. } => Pattern::parse(labels).is_ok_and(|filter| filter.only().is_some()),
        }
    }

    /// Returns the selector of the feature flags whose names match the key filter.
    pub(crate) fn of_feature_flags(mut self) -> Self {
        if let Scope::Store { keys, .. } = &mut self.scope {
            let flag =
                |item: &str| if item.is_empty() { String::new() } else { format!("{FEATURE_FLAG_PREFIX}{item}") };
            *keys = items(keys).map(flag).collect::<Vec<_>>().join(",");
        }
        self
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
        match &self.scope {
            Scope::Snapshot(name) => write!(f, "snapshot {name}")?,
            Scope::Store { keys, labels } => {
                write!(f, "key filter {keys}, ")?;
                match labels.as_str() {
                    NO_LABEL => f.write_str("no label")?,
                    label => write!(f, "label {}", label.replace(NO_LABEL, "\\0"))?,
                }
            }
        }
        self.tags.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ", tag {name}={value}"),
            None => write!(f, ", tag {name} without a value"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_written_as_the_store_reads_it() {
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
            (Selector::snapshot("release-7"), &[("snapshot", "release-7")], "snapshot release-7"),
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
    fn a_malformed_selector_is_refused() {
        let many = ["a", "b", "c", "d", "e", "f"];
        for selector in [
            Selector::new("", "prod"),
            Selector::new("a*b", "prod"),
            Selector::new("*", "a*b"),
            Selector::new("*", ""),
            Selector::new("*", "prod").tag("", "x"),
            many.iter().fold(Selector::new("*", "prod"), |selector, name| selector.tag(*name, "x")),
            Selector::snapshot(""),
            Selector::snapshot(".."),
            Selector::snapshot("a%b"),
            Selector::snapshot("a").tag("team", "b"),
            Selector::snapshot("a").tag_without_value("team"),
            Selector::new("", NO_LABEL).of_feature_flags(),
        ] {
            assert!(selector.check().is_err(), "{selector}");
        }
    }

    #[test]
    fn an_event_concerns_a_selector_that_may_match_its_key_and_label() {
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
