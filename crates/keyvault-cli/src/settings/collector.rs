//! The collector of the values that parsers find.

use keyvault::settings::Key;
use zeroize::Zeroizing;

use super::entry::{Entry, may_contain_reference};

/// Collects the values of one file and finds their lines.
pub(super) struct EntryCollector<'t> {
    pub(super) text: &'t str,
    file: &'t str,
    /// The offset of each line.
    lines: Vec<usize>,
    /// The index of the current document.
    pub(super) document: usize,
    pub(super) entries: Vec<Entry>,
}

impl<'t> EntryCollector<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, file, lines, document: 0, entries: Vec::new() }
    }

    /// Returns the line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Adds a string that spans the lines `first` to `last`. Its origin is the first of them with a reference.
    pub(super) fn string(&mut self, key: Key, first: usize, last: usize, text: String) {
        let has_reference = |line: &usize| self.line_text(*line).is_some_and(may_contain_reference);
        let line = if first < last { (first..=last).find(has_reference).unwrap_or(first) } else { first };
        self.push(key, line, Some(Zeroizing::new(text)));
    }

    /// Adds a value that is no string.
    pub(super) fn other(&mut self, key: Key, line: usize) {
        self.push(key, line, None);
    }

    fn push(&mut self, key: Key, line: usize, text: Option<Zeroizing<String>>) {
        let (origin, document) = (format!("{}:{line}", self.file), self.document);
        self.entries.push(Entry { key, origin, document, text });
    }

    fn line_text(&self, line: usize) -> Option<&'t str> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        Some(&self.text[start..end])
    }
}
