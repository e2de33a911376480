//! ETags, and the preconditions that compare them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName};
use ring::digest;

use crate::random;

/// Returns a new ETag for a state of a key-value or a snapshot, without quotes.
pub(crate) fn random() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<20>())
}

/// Returns the ETag of a page, without quotes: it changes with the items of the page and with the place of the next.
pub(super) fn of_page<'a>(etags: impl IntoIterator<Item = &'a str>, next: Option<&str>) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"kvset\n");
    for etag in etags {
        hash.update(etag.as_bytes());
        hash.update(b"\n");
    }
    hash.update(next.unwrap_or_default().as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finish())
}

/// The condition of a request. Only the first ETag of a header counts.
///
/// See [conditional requests](https://www.rfc-editor.org/rfc/rfc9110#section-13.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Precondition {
    None,
    /// The resource must exist.
    Exists,
    /// The resource must not exist.
    Absent,
    /// The resource must have this ETag.
    Match(String),
    /// The resource must not have this ETag.
    NoneMatch(String),
}

impl Precondition {
    /// Reads the condition from the headers. `If-Match` has precedence.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        match (first_etag(headers, IF_MATCH), first_etag(headers, IF_NONE_MATCH)) {
            (Some(etag), _) if etag == "*" => Self::Exists,
            (Some(etag), _) => Self::Match(etag),
            (None, Some(etag)) if etag == "*" => Self::Absent,
            (None, Some(etag)) => Self::NoneMatch(etag),
            (None, None) => Self::None,
        }
    }

    /// Returns whether a resource with this ETag, or none, meets the condition.
    pub(super) fn is_met(&self, etag: Option<&str>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => etag.is_some(),
            Self::Absent => etag.is_none(),
            Self::Match(expected) => etag == Some(expected),
            Self::NoneMatch(other) => etag != Some(other),
        }
    }

    /// Returns the status of a read of a resource that does not meet the condition.
    pub(super) fn status(&self) -> u16 {
        if matches!(self, Self::Absent | Self::NoneMatch(_)) { 304 } else { 412 }
    }
}

fn first_etag(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    let etag = match text.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => text.split(',').next().map(str::trim),
    };
    etag.filter(|etag| !etag.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_condition_is_read_from_its_header() {
        for (name, value, condition) in [
            ("if-match", "*", Precondition::Exists),
            ("if-match", "\"*\"", Precondition::Exists),
            ("if-match", "\"a\"", Precondition::Match("a".to_owned())),
            ("if-match", "a", Precondition::Match("a".to_owned())),
            ("if-match", "\"a\", \"b\"", Precondition::Match("a".to_owned())),
            ("if-none-match", "*", Precondition::Absent),
            ("if-none-match", "W/\"a\"", Precondition::NoneMatch("a".to_owned())),
            ("if-none-match", "", Precondition::None),
            ("if-modified-since", "a", Precondition::None),
        ] {
            let headers = [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            assert_eq!(Precondition::read(&headers), condition, "{name}: {value}");
        }
    }

    #[test]
    fn a_condition_compares_with_the_resource() {
        let matches = |etag: &str| Precondition::Match(etag.to_owned());
        let differs = |etag: &str| Precondition::NoneMatch(etag.to_owned());
        for (condition, etag, expected) in [
            (Precondition::None, None, true),
            (Precondition::Exists, Some("a"), true),
            (Precondition::Exists, None, false),
            (Precondition::Absent, Some("a"), false),
            (Precondition::Absent, None, true),
            (matches("a"), Some("a"), true),
            (matches("a"), Some("b"), false),
            (matches("a"), None, false),
            (differs("a"), Some("a"), false),
            (differs("a"), Some("b"), true),
            (differs("a"), None, true),
        ] {
            assert_eq!(condition.is_met(etag), expected, "{condition:?} {etag:?}");
        }
    }

    proptest! {
        #[test]
        fn pages_have_equal_etags_only_with_equal_items_and_an_equal_next_page(
            first in proptest::collection::vec("[ab]{1,2}", 0..4),
            second in proptest::collection::vec("[ab]{1,2}", 0..4),
            next in proptest::option::of("[ab]{1,2}"),
            other in proptest::option::of("[ab]{1,2}"),
        ) {
            let etag = |items: &[String], next: &Option<String>| of_page(items.iter().map(String::as_str), next.as_deref());
            prop_assert_eq!(etag(&first, &next) == etag(&second, &other), first == second && next == other);
        }
    }
}
