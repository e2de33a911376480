//! The marker at the beginning of a reference.

/// Removes `@Microsoft.KeyVault` or `@KeyVault`, in any case, from the beginning of `text`, if a parenthesis follows.
///
/// The result begins with the parenthesis, or with white space before it, which the caller refuses: the text is meant to
/// be a reference.
pub(crate) fn strip_marker(text: &str) -> Option<&str> {
    MARKERS.into_iter().find_map(|marker| {
        let (head, tail) = text.split_at_checked(marker.len())?;
        let is_marked = head.eq_ignore_ascii_case(marker) && tail.trim_start().starts_with('(');
        is_marked.then_some(tail)
    })
}

const MARKERS: [&str; 2] = ["@Microsoft.KeyVault", "@KeyVault"];
