//! The line around a reference.

use super::PLACEHOLDER;
use super::go_dsn::DsnPart;
use super::pairs::{Pairs, Quotes, Separator, has_braces, is_pair};
use super::url_part::UrlPart;

/// The line around a reference, at most [`WIDTH`] bytes on each side.
#[derive(Clone, Copy)]
pub(super) struct Line<'t> {
    before: &'t str,
    after: &'t str,
}

const WIDTH: usize = 1_024;

impl<'t> Line<'t> {
    /// Returns the line around the [`PLACEHOLDER`] at `place`.
    pub(super) fn around(text: &'t str, place: usize) -> Self {
        let boundary = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let start = boundary(place.saturating_sub(WIDTH));
        let after = place + PLACEHOLDER.len_utf8();
        let end = boundary(text.len().min(after + WIDTH));
        let before = &text[start..place];
        let before = before.rfind(['\r', '\n']).map_or(before, |at| &before[at + 1..]);
        Self { before, after: text[after..end].split(['\r', '\n']).next().unwrap_or_default() }
    }

    /// Returns the part within a JSON string that begins `length` bytes before the reference.
    pub(super) fn within_string(&self, length: usize) -> Self {
        let before = self.before.len().checked_sub(length).map_or(self.before, |start| &self.before[start..]);
        Self { before, after: self.after.split('"').next().unwrap_or_default() }
    }

    /// Returns the quotation mark that opens before the reference and closes after it, with its offset.
    pub(super) fn quote(&self) -> Option<(usize, char)> {
        let (mut open, mut previous) = (None, ' ');
        let mut letters = self.before.char_indices();
        while let Some((at, letter)) = letters.next() {
            match (letter, open) {
                ('\\', _) => _ = letters.next(),
                // An apostrophe within a word opens nothing.
                ('"' | '\'', None) if !previous.is_alphanumeric() => open = Some((at, letter)),
                (letter, Some((_, quote))) if letter == quote => open = None,
                _ => {}
            }
            previous = letter;
        }
        open.filter(|(_, quote)| self.after.contains(*quote))
    }

    /// Returns the part of a data source name of Go that the reference is in.
    pub(super) fn dsn_part(&self) -> Option<DsnPart> {
        DsnPart::between(self.before, self.after)
    }

    /// Returns the part of a URL that the reference is in.
    ///
    /// A URL without a scheme, `//user:password@host`, is one only with a user: `//` also begins a comment and a share.
    pub(super) fn url_part(&self) -> Option<UrlPart> {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ';' | '`');
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let (before, rest) = self.before.rsplit_once("//")?;
        let has_scheme = before.strip_suffix(':').is_some_and(|before| before.ends_with(is_scheme));
        let has_user = || {
            let authority = |text: &'t str| text.split(|c: char| ends(c) || matches!(c, '/' | '?' | '#')).next();
            let is_first =
                !rest.contains(['/', '?', '#']) && authority(self.after).is_some_and(|text| text.contains('@'));
            is_first || authority(rest).is_some_and(|text| text.contains('@'))
        };
        let is_start = || before.is_empty() || before.ends_with(|c: char| ends(c) || matches!(c, '=' | '(' | ','));
        if rest.contains(ends) || !(has_scheme || is_start() && has_user()) {
            return None;
        }
        if rest.contains('#') {
            return Some(UrlPart::Fragment);
        }
        if let Some((_, query)) = rest.split_once('?') {
            let parameter = query.rsplit('&').next().unwrap_or_default();
            return Some(if parameter.contains('=') { UrlPart::QueryValue } else { UrlPart::Query });
        }
        if rest.contains('/') {
            return Some(UrlPart::Path);
        }
        let authority = self.after.split(|c: char| ends(c) || matches!(c, '/' | '?' | '#')).next().unwrap_or_default();
        Some(match rest.rsplit_once('@') {
            None if authority.contains('@') && rest.contains(':') => UrlPart::Password,
            None if authority.contains('@') => UrlPart::User,
            _ => UrlPart::Host,
        })
    }

    /// Returns the pairs that the reference is in the value of: those within its quotation marks, or else those around.
    pub(super) fn pairs(&self) -> Option<Pairs> {
        let pairs = |quotes| move |separator| Pairs { separator, quotes };
        if let Some((before, after)) = self.before.strip_suffix('{').zip(self.after.strip_prefix('}'))
            && before.ends_with('=')
        {
            return Line { before, after }.separator().map(pairs(Quotes::Braces));
        }
        let Some((at, quote)) = self.quote() else { return self.separator().map(pairs(Quotes::Nothing)) };
        let (inner_after, outer_after) = self.after.split_once(quote).unwrap_or((self.after, ""));
        let inner = Line { before: &self.before[at + 1..], after: inner_after }.separator();
        let outer = || Line { before: &self.before[..at], after: outer_after }.separator();
        inner.map(pairs(Quotes::Nothing)).or_else(|| outer().map(pairs(Quotes::QuotationMarks)))
    }

    /// Returns what separates the pairs of the line, if the reference is in the value of one.
    fn separator(&self) -> Option<Separator> {
        let separates = |separator: Separator| {
            let sign = separator.sign();
            let split = self.before.rsplit_once(sign);
            let (earlier, pair) = split.map_or((None, self.before), |(earlier, pair)| (Some(earlier), pair));
            let later = self.after.split_once(sign).map(|(_, later)| later);
            let follows = || later.is_some_and(|later| is_pair(later, separator));
            let is_list = match separator {
                Separator::Semicolon { .. } => earlier.is_some() || later.is_some(),
                Separator::Ampersand => earlier.is_some() || follows(),
                Separator::Comma | Separator::Space => earlier.is_some_and(|text| !text.trim().is_empty()) || follows(),
            };
            // A pair whose value is in quotation marks ends with them.
            is_list && is_pair(pair, separator) && !pair.contains(['"', '\'', '<', '>'])
        };
        let semicolon = Separator::Semicolon { has_braces: has_braces(self.before) || has_braces(self.after) };
        let separators = [semicolon, Separator::Ampersand, Separator::Comma, Separator::Space];
        separators.into_iter().find(|separator| separates(*separator))
    }
}
