//! The marker at the beginning of a reference.

/// The text after a marker and its parenthesis.
pub(crate) struct AfterMarker<'a> {
    pub(super) rest: &'a str,
    /// Whether white space separates marker and parenthesis.
    pub(super) is_spaced: bool,
}

/// Removes `@Microsoft.KeyVault(` or `@KeyVault(`, in any case, from the beginning of `text`.
///
/// Accepts white space before the parenthesis, so that the caller can refuse it: the text is meant to be a reference.
pub(crate) fn strip_marker(text: &str) -> Option<AfterMarker<'_>> {
    MARKERS.into_iter().find_map(|marker| {
        let (head, tail) = text.split_at_checked(marker.len())?;
        if !head.eq_ignore_ascii_case(marker) {
            return None;
        }
        let unspaced = tail.trim_start();
        Some(AfterMarker { rest: unspaced.strip_prefix('(')?, is_spaced: unspaced.len() != tail.len() })
    })
}

const MARKERS: [&str; 2] = ["@Microsoft.KeyVault", "@KeyVault"];
