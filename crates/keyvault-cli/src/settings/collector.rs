//! The collector of the values that parsers find.

use keyvault::settings::{Key, Segment};
use zeroize::Zeroizing;

use super::entry::{Entry, needs_check};
use super::problem::{Problem, SyntaxError};

/// Collects the values of one file and finds their lines. Limits the depth of keys and the memory of all values.
pub(super) struct EntryCollector<'t> {
    pub(super) text: &'t str,
    file: &'t str,
    /// The offset of each line.
    lines: Vec<usize>,
    /// The index of the current document.
    pub(super) document: usize,
    pub(super) entries: Vec<Entry>,
    /// The lines that a parser skipped because it does not accept them.
    pub(super) problems: Vec<Problem>,
    /// The bytes that keys and entries may still take.
    budget: usize,
}

impl<'t> EntryCollector<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let budget = (MIN_BUDGET + BUDGET_PER_BYTE * text.len()).min(MAX_BUDGET);
        Self { text, file, lines, document: 0, entries: Vec::new(), problems: Vec::new(), budget }
    }

    /// Returns the line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Returns the key of a member of the table at `key`.
    pub(super) fn member(&mut self, key: &Key, name: &str, line: usize) -> Result<Key, SyntaxError> {
        self.descend(key, name.len(), line)?;
        Ok(key.member(name))
    }

    /// Returns the key of an element of the array at `key`.
    pub(super) fn element(&mut self, key: &Key, index: usize, line: usize) -> Result<Key, SyntaxError> {
        self.descend(key, 0, line)?;
        Ok(key.element(index))
    }

    /// Returns the key at the end of a path of names below `key`.
    pub(super) fn path<'n>(
        &mut self,
        key: &Key,
        names: impl Iterator<Item = &'n str>,
        line: usize,
    ) -> Result<Key, SyntaxError> {
        let mut path = key.clone();
        for name in names {
            path = self.member(&path, name, line)?;
        }
        Ok(path)
    }

    fn descend(&mut self, key: &Key, name_length: usize, line: usize) -> Result<(), SyntaxError> {
        if key.segments().len() >= MAX_DEPTH {
            return Err(SyntaxError { line, message: "nested too deeply: more than 128 levels" });
        }
        let names = key.segments().iter().filter_map(Segment::name).map(str::len).sum::<usize>();
        self.spend(names + name_length + SEGMENT_COST * (key.segments().len() + 1), line)
    }

    fn spend(&mut self, bytes: usize, line: usize) -> Result<(), SyntaxError> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or(SyntaxError { line, message: "too many values, or too long names above them" })?;
        Ok(())
    }

    /// Adds a string that spans the lines `first` to `last`. Its origin is the first of them with a reference.
    pub(super) fn string(&mut self, key: Key, first: usize, last: usize, text: String) -> Result<(), SyntaxError> {
        let text = Zeroizing::new(text);
        let has_reference = |line: &usize| self.line_text(*line).is_some_and(needs_check);
        let line = if first < last { (first..=last).find(has_reference).unwrap_or(first) } else { first };
        self.push(key, line, Some(text))
    }

    /// Adds a value that is no string.
    pub(super) fn other(&mut self, key: Key, line: usize) -> Result<(), SyntaxError> {
        self.push(key, line, None)
    }

    fn push(&mut self, key: Key, line: usize, text: Option<Zeroizing<String>>) -> Result<(), SyntaxError> {
        let (origin, document) = (format!("{}:{line}", self.file), self.document);
        self.spend(size_of::<Entry>() + origin.len(), line)?;
        self.entries.push(Entry { key, origin, document, text });
        Ok(())
    }

    /// Adds a line that is skipped. Further ones are left out once there are [`MAX_PROBLEMS`].
    pub(super) fn skip(&mut self, error: &SyntaxError) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(error.in_file(self.file));
        }
    }

    pub(super) fn line_text(&self, line: usize) -> Option<&'t str> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        Some(&self.text[start..end])
    }
}

/// The number of segments of the longest key.
const MAX_DEPTH: usize = 128;
const SEGMENT_COST: usize = size_of::<Segment>();

const MIN_BUDGET: usize = 16 << 20;
const BUDGET_PER_BYTE: usize = 256;
const MAX_BUDGET: usize = 256 << 20;

const MAX_PROBLEMS: usize = 1_000;
