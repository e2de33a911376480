//! The part of a URL that a secret is in.

/// The part of a URL that a secret is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UrlPart {
    User,
    Password,
    Host,
    Path,
    /// The value of a parameter of the query.
    QueryValue,
    /// Whole parameters of the query, such as a shared access signature.
    Query,
    Fragment,
}

impl UrlPart {
    /// Returns whether `value` changes the structure of the URL.
    pub(super) fn is_changed_by(self, value: &str) -> bool {
        let delimiters: &[char] = match self {
            Self::User => &['/', '?', '#', '@', '\\', '[', ']', ':'],
            Self::Password => &['/', '?', '#', '@', '\\', '[', ']'],
            Self::Host => &['/', '?', '#', '@', '\\'],
            Self::Path => &['/', '?', '#', '\\'],
            Self::QueryValue => &['&', '#', '+'],
            Self::Query => &['#'],
            Self::Fragment => &[],
        };
        let decodes = !matches!(self, Self::Query | Self::Fragment) && has_escape(value);
        let is_dots = self == Self::Path && matches!(value, "." | "..");
        let splits = |c: char| c.is_whitespace() || c.is_control() || delimiters.contains(&c);
        decodes || is_dots || value.contains(splits)
    }
}

/// Returns whether a reader of the URL would decode a part of `value`.
fn has_escape(value: &str) -> bool {
    let mut escapes = value.as_bytes().windows(3);
    escapes.any(|bytes| bytes[0] == b'%' && bytes[1..].iter().all(u8::is_ascii_hexdigit))
}
