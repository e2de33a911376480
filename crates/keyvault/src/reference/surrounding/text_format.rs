//! The format of a whole text, and the strings of a JSON text.

use serde::de::IgnoredAny;

/// The format of a text, as its first character and its syntax reveal it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum TextFormat {
    Json,
    /// Text that begins like JSON and is not, such as JSON with comments.
    LikeJson,
    Xml,
    Other,
}

impl TextFormat {
    /// Returns the format of `text`.
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.chars().next() {
            // Text in brackets is not JSON for that alone.
            Some('{' | '[') if !text.contains('"') => Self::Other,
            Some('{' | '[') if serde_json::from_str::<IgnoredAny>(text).is_ok() => Self::Json,
            Some('{' | '[') => Self::LikeJson,
            Some('<') if text.ends_with('>') => Self::Xml,
            _ => Self::Other,
        }
    }
}

/// The strings of a JSON text, in one pass.
pub(super) struct JsonStrings<'t> {
    text: &'t str,
    at: usize,
    /// The offset of the string that is open at `at`.
    string: Option<usize>,
}

impl<'t> JsonStrings<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, string: None }
    }

    /// Returns the offset of the string around `place`. The places come in order.
    pub(super) fn around(&mut self, place: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        while self.at < place {
            match bytes[self.at] {
                b'\\' if self.string.is_some() => self.at += 1,
                b'"' => self.string = if self.string.is_some() { None } else { Some(self.at) },
                _ => {}
            }
            self.at += 1;
        }
        self.string
    }
}
