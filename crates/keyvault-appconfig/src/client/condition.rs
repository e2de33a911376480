//! The condition of a change.

use keyvault::{Error, ErrorKind, Result};

/// The condition of a change. If it does not hold, the store changes nothing and answers with
/// [`Conflict`](keyvault::ErrorKind::Conflict).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// The key-value has this [ETag](crate::KeyValue::etag): it has not changed since it was read.
    Unchanged(String),
    /// The key-value exists.
    Exists,
}

impl Condition {
    /// Returns the `If-Match` header.
    pub(super) fn if_match(&self) -> Result<String> {
        match self {
            Self::Unchanged(etag) => quoted(etag),
            Self::Exists => Ok("*".to_owned()),
        }
    }
}

/// Returns an ETag with its quotation marks, which the body of a response omits.
pub(super) fn quoted(etag: &str) -> Result<String> {
    let plain = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag);
    let is_plain = !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    if is_plain { Ok(format!("\"{plain}\"")) } else { Err(Error::new(ErrorKind::Invalid, "ETag is malformed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_quoted_once_and_breaks_no_header() {
        for (etag, expected) in [
            ("4f6d", Some("\"4f6d\"")),
            ("\"4f6d\"", Some("\"4f6d\"")),
            ("", None),
            ("\"\"", None),
            ("a\"b", None),
            ("a\r\nb", None),
            ("a b", None),
            ("\u{e4}", None),
        ] {
            assert_eq!(quoted(etag).ok().as_deref(), expected, "{etag:?}");
        }
        assert_eq!(Condition::Exists.if_match().unwrap(), "*");
    }
}
