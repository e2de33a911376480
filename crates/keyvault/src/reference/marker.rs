//! The marker at the beginning of a reference, its end, and characters that spoil both.

/// Removes `@Microsoft.KeyVault` or `@KeyVault`, in any case, from the beginning of `text`, if a parenthesis follows.
///
/// The result begins with the parenthesis, or with white space before it, which the caller refuses: the text is meant
/// to be a reference.
pub(crate) fn strip_marker(text: &str) -> Option<&str> {
    MARKERS.into_iter().find_map(|marker| {
        let (head, tail) = text.split_at_checked(marker.len())?;
        let is_marked = head.eq_ignore_ascii_case(marker) && tail.trim_start().starts_with('(');
        is_marked.then_some(tail)
    })
}

/// Returns the offset at which the parameters of a reference end, and whether a parenthesis closes them there. `text`
/// follows the marker.
///
/// The parenthesis after another reference closes that one, so the parameters end before it.
pub(super) fn end_of_parameters(text: &str) -> (usize, bool) {
    let ends = |at: &usize| text[*at..].starts_with(')') || strip_marker(&text[*at..]).is_some();
    let end = text.match_indices([')', '@']).map(|(at, _)| at).find(ends).unwrap_or(text.len());
    #[cfg(test)]
    steps::count(end);
    (end, text[end..].starts_with(')'))
}

/// Returns whether an editor shows nothing for `c`, or shows a space that is none of ASCII.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{a0}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

const MARKERS: [&str; 2] = ["@Microsoft.KeyVault", "@KeyVault"];

/// The number of bytes that [`end_of_parameters`] passed over, for tests of its cost.
#[cfg(test)]
pub(super) mod steps {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<usize> = const { Cell::new(0) });

    pub(super) fn count(bytes: usize) {
        STEPS.set(STEPS.get() + bytes);
    }

    /// Returns the steps that `work` takes.
    pub(in crate::reference) fn of(work: impl FnOnce()) -> usize {
        let before = STEPS.get();
        work();
        STEPS.get() - before
    }
}
