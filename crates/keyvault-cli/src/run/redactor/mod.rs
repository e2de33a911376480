//! Masking secrets in a stream of bytes that arrives in pieces.

mod automaton;

use zeroize::Zeroizing;

use self::automaton::ROOT;
pub(super) use self::automaton::{Automaton, MIN_LENGTH};

/// The replacement of a secret.
const MASK: &[u8] = b"***";

/// One stream. Bytes that may be the start of a secret are held back until more bytes decide it.
#[derive(Debug)]
pub(super) struct Redactor<'a> {
    automaton: &'a Automaton,
    node: usize,
    held_back: Zeroizing<Vec<u8>>,
    /// The position of `held_back` in the stream.
    start: usize,
    /// The ranges of the stream that are masked, in order and disjoint. Each ends after `start`.
    masked: Vec<(usize, usize)>,
    /// Whether the last byte that was returned belongs to a mask. Adjacent secrets share one mask.
    is_masking: bool,
}

impl<'a> Redactor<'a> {
    pub(super) fn new(automaton: &'a Automaton) -> Self {
        Self { automaton, node: ROOT, held_back: Zeroizing::default(), start: 0, masked: Vec::new(), is_masking: false }
    }

    /// Reads `bytes` and returns the output that is decided.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.node == ROOT && self.held_back.is_empty() {
                // Bytes that no secret starts with need no steps of the automaton.
                let plain = rest.iter().position(|byte| self.automaton.is_start(*byte)).unwrap_or(rest.len());
                let (before, after) = rest.split_at(plain);
                out.extend_from_slice(before);
                self.is_masking &= before.is_empty();
                self.start += plain;
                rest = after;
            }
            let Some((byte, after)) = rest.split_first() else { break };
            self.read(*byte);
            rest = after;
            let depth = self.automaton.depth(self.node);
            if depth == 0 || self.held_back.len() >= MAX_HELD_BACK {
                self.release(depth, &mut out);
            }
        }
        self.release(self.automaton.depth(self.node), &mut out);
        out
    }

    /// Returns the bytes that are held back, because the stream pauses or ends.
    ///
    /// They are masked if they are at least as long as the shortest secret, although they may be no secret. If they are
    /// the start of one, [`feed`](Self::feed) masks its end.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        let end = self.start + self.held_back.len();
        if self.held_back.len() >= MIN_LENGTH {
            self.mask(self.start, end);
        }
        let mut out = Vec::new();
        self.release(0, &mut out);
        out
    }

    pub(super) fn is_holding_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    fn read(&mut self, byte: u8) {
        self.node = self.automaton.step(self.node, byte);
        self.held_back.push(byte);
        let end = self.start + self.held_back.len();
        if let Some(length) = self.automaton.match_length(self.node) {
            // Bytes before `start` are already returned and cannot be masked.
            self.mask(end.saturating_sub(length).max(self.start), end);
        }
    }

    /// Adds a range and merges it with those that it touches.
    fn mask(&mut self, mut start: usize, mut end: usize) {
        while let Some((s, e)) = self.masked.pop_if(|(_, e)| *e >= start) {
            (start, end) = (start.min(s), end.max(e));
        }
        self.masked.push((start, end));
    }

    /// Moves all but the last `keep` bytes to `out`.
    fn release(&mut self, keep: usize, out: &mut Vec<u8>) {
        let keep = keep.min(self.held_back.len());
        let end = self.start + self.held_back.len() - keep;
        let mut at = self.start;
        for (from, to) in std::mem::take(&mut self.masked) {
            if from >= end {
                self.masked.push((from, to));
                continue;
            }
            if from > at {
                out.extend_from_slice(&self.held_back[at - self.start..from - self.start]);
                self.is_masking = false;
            }
            if !self.is_masking {
                out.extend_from_slice(MASK);
                self.is_masking = true;
            }
            at = to.min(end);
            if to > end {
                self.masked.push((end, to));
            }
        }
        if at < end {
            out.extend_from_slice(&self.held_back[at - self.start..end - self.start]);
            self.is_masking = false;
        }
        self.held_back.drain(..end - self.start);
        self.start = end;
    }
}

/// The number of held-back bytes above which the decided ones are released inside a piece.
const MAX_HELD_BACK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the output when `text` arrives in pieces of `size` bytes.
    fn redacted(values: &[&str], text: &str, size: usize) -> String {
        let automaton = Automaton::new(values.iter().copied());
        let mut redactor = Redactor::new(&automaton);
        let mut out: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| redactor.feed(piece)).collect();
        out.extend(redactor.flush());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_masked_however_it_is_split() {
        for (values, text, expected) in [
            (&["hunter2"][..], "a hunter2 b", "a *** b"),
            (&["hunter2"], "hunter2hunter2", "***"),
            (&["hunter2"], "hunthunter2", "hunt***"),
            (&["hunter2"], "hunter hunter3", "hunter hunter3"),
            (&["hunter2"], "hunt", "***"),
            (&["hunter2"], "hun", "hun"),
            (&["abcd", "bcdefgh"], "xabcdefghx", "x***x"),
            (&["abcdef", "cdefgh"], "abcdefgh", "***"),
            (&["abcd", "abcdefgh"], "abcdefg!", "***efg!"),
            (&["aaaa"], "aaaaaaa", "***"),
            (&["aabaabaac"], "aabaabaabaac", "aab***"),
            (&["abc"], "abc", "abc"),
            (&["line one is long\nb\n"], "x line one is long\nb\ny", "x ***\ny"),
            (&["line one is long\nb\n"], "> line one is long\n> b", "> ***\n> b"),
            (&["a\"b\\c\n"], r#"{"k":"a\"b\\c\n"}"#, r#"{"k":"***\n"}"#),
            (&["p@ss/word"], "https://u:p%40ss%2Fword@h", "https://u:***@h"),
            (&["geheim🔑"], "das geheim🔑!", "das ***!"),
            (&[], "anything", "anything"),
        ] {
            for size in 1..=text.len() {
                assert_eq!(redacted(values, text, size), expected, "{values:?} in {text} by {size}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_secret_is_masked_after_a_flush() {
        let automaton = Automaton::new(["hunter2"]);
        for (first, paused, then, rest) in [
            ("x hu", "x hu", "nter2 y", "*** y"),
            ("x hunter", "x ***", "2 y", " y"),
            ("x hunter", "x ***", "! y", "! y"),
        ] {
            let mut redactor = Redactor::new(&automaton);
            let mut out = redactor.feed(first.as_bytes());
            out.extend(redactor.flush());
            assert_eq!(String::from_utf8(out).unwrap(), paused);
            assert!(!redactor.is_holding_back());
            assert_eq!(String::from_utf8(redactor.feed(then.as_bytes())).unwrap(), rest, "{first}|{then}");
        }
    }

    proptest! {
        #[test]
        fn every_secret_is_masked_and_all_other_text_is_kept(
            values in prop::collection::vec("[abc]{4,8}", 1..5), text in "[abcd \n]{0,60}", size in 1usize..7,
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let out = redacted(&values, &text, size);
            for value in &values {
                prop_assert!(!out.contains(value), "{values:?} in {text:?} gives {out:?}");
            }
            let mut masked = vec![false; text.len()];
            for value in &values {
                let found = (0..text.len()).filter(|at| text[*at..].starts_with(value));
                found.for_each(|at| masked[at..at + value.len()].fill(true));
            }
            let left = text.bytes().zip(masked).filter(|(_, masked)| !masked).map(|(byte, _)| byte as char);
            let plain = out.replace("***", "");
            let left: String = left.collect();
            // The start of a secret at the end may be masked as well.
            prop_assert!(left.starts_with(&plain), "{values:?} in {text:?} gives {out:?}");
            prop_assert!(left.len() - plain.len() < 8);
        }
    }
}
