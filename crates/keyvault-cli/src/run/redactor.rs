//! Hides values in a stream of bytes, also those that arrive in pieces.

use std::collections::HashMap;

use zeroize::Zeroizing;

/// What stands in the place of a value.
pub(crate) const MASK: &[u8] = b"***";

/// Shorter values are in every other word (`1`, `on`) and are not hidden.
pub(crate) const SHORTEST: usize = 4;

/// A line of a value that has several is hidden on its own, too, if it is at least this long.
const SHORTEST_LINE: usize = 8;

/// What is hidden, as one automaton (Aho and Corasick's): a byte of a stream costs one step, however many values there
/// are.
#[derive(Debug)]
pub(crate) struct Hidden {
    nodes: Vec<Node>,
    /// Which bytes a value begins with; everything else is passed over quickly.
    starts: Vec<bool>,
}

/// A beginning of one or more values.
#[derive(Debug, Default)]
struct Node {
    /// Most beginnings go on in one way.
    next: Option<(u8, usize)>,
    others: HashMap<u8, usize>,
    /// The longest end of this beginning that is a beginning itself.
    fallback: usize,
    /// Its length.
    depth: usize,
    /// The length of the longest value that ends here; 0 if none does.
    ends: usize,
}

impl Hidden {
    /// Takes the values that are long enough, without the white space around them, as well as their long lines and the
    /// ways in which they are written in JSON and in a URL.
    pub(crate) fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut hidden = Self { nodes: vec![Node::default()], starts: vec![false; 256] };
        for value in values {
            let value = value.trim();
            if value.len() < SHORTEST {
                continue;
            }
            hidden.add(value.as_bytes());
            for written in [in_json(value), in_url(value)] {
                hidden.add(written.as_bytes());
            }
            if value.contains('\n') {
                let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
                lines.for_each(|line| hidden.add(line.as_bytes()));
            }
        }
        hidden.link();
        hidden
    }

    fn add(&mut self, value: &[u8]) {
        self.starts[usize::from(value[0])] = true;
        let mut node = 0;
        for byte in value {
            node = match self.nodes[node].step(*byte) {
                Some(next) => next,
                None => {
                    let next = self.nodes.len();
                    let depth = self.nodes[node].depth + 1;
                    self.nodes.push(Node { depth, ..Node::default() });
                    self.nodes[node].grow(*byte, next);
                    next
                }
            };
        }
        self.nodes[node].ends = value.len();
    }

    /// Finds the fallbacks, from the shortest beginnings to the longest.
    fn link(&mut self) {
        let mut level = vec![0];
        while !level.is_empty() {
            let mut below = Vec::new();
            for node in level {
                for (byte, child) in self.nodes[node].children() {
                    let fallback = if node == 0 { 0 } else { self.step(self.nodes[node].fallback, byte) };
                    self.nodes[child].fallback = fallback;
                    self.nodes[child].ends = self.nodes[child].ends.max(self.nodes[fallback].ends);
                    below.push(child);
                }
            }
            level = below;
        }
    }

    fn step(&self, mut node: usize, byte: u8) -> usize {
        loop {
            match self.nodes[node].step(byte) {
                Some(next) => return next,
                None if node == 0 => return 0,
                None => node = self.nodes[node].fallback,
            }
        }
    }
}

impl Node {
    fn step(&self, byte: u8) -> Option<usize> {
        match self.next {
            Some((known, next)) if known == byte => Some(next),
            Some(_) if !self.others.is_empty() => self.others.get(&byte).copied(),
            _ => None,
        }
    }

    fn grow(&mut self, byte: u8, child: usize) {
        match self.next {
            None => self.next = Some((byte, child)),
            Some(_) => drop(self.others.insert(byte, child)),
        }
    }

    fn children(&self) -> Vec<(u8, usize)> {
        self.next.into_iter().chain(self.others.iter().map(|(byte, child)| (*byte, *child))).collect()
    }
}

fn in_json(value: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::Value::from(value).to_string());
    Zeroizing::new(quoted[1..quoted.len() - 1].to_owned())
}

fn in_url(value: &str) -> Zeroizing<String> {
    let mut written = Zeroizing::new(String::with_capacity(value.len() * 3));
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(byte.into()),
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

/// One stream that is being read. What could be the beginning of a value is held back until it is decided.
#[derive(Debug)]
pub(crate) struct Redactor<'h> {
    hidden: &'h Hidden,
    node: usize,
    held: Zeroizing<Vec<u8>>,
    /// Where `held` begins in the stream.
    start: usize,
    /// What is to be hidden of the stream from `start` on: apart, in order.
    covered: Vec<(usize, usize)>,
    /// Whether the last byte that went out stood for a value: a mask is written once.
    is_masking: bool,
}

impl<'h> Redactor<'h> {
    pub(crate) fn new(hidden: &'h Hidden) -> Self {
        Self { hidden, node: 0, held: Zeroizing::default(), start: 0, covered: Vec::new(), is_masking: false }
    }

    /// Reads on and gives what may go out.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.node == 0 && self.held.is_empty() {
                let plain = rest.iter().position(|byte| self.hidden.starts[usize::from(*byte)]).unwrap_or(rest.len());
                let (before, after) = rest.split_at(plain);
                out.extend_from_slice(before);
                self.is_masking &= before.is_empty();
                self.start += plain;
                rest = after;
            }
            let Some((byte, after)) = rest.split_first() else { break };
            self.take(*byte);
            rest = after;
            if self.hidden.nodes[self.node].depth == 0 || self.held.len() >= LARGEST_HELD {
                self.let_go(self.hidden.nodes[self.node].depth, &mut out);
            }
        }
        self.let_go(self.hidden.nodes[self.node].depth, &mut out);
        out
    }

    /// Gives what is held back, for the stream pauses or ends. What is as long as a value can be is hidden, though it may
    /// be the beginning of one only; the rest of the value is, should it still come.
    pub(crate) fn flush(&mut self) -> Vec<u8> {
        let end = self.start + self.held.len();
        if self.held.len() >= SHORTEST {
            self.cover(self.start, end);
        }
        let mut out = Vec::new();
        self.let_go(0, &mut out);
        out
    }

    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    fn take(&mut self, byte: u8) {
        self.node = self.hidden.step(self.node, byte);
        self.held.push(byte);
        let end = self.start + self.held.len();
        match self.hidden.nodes[self.node].ends {
            0 => {}
            // What is gone already cannot be hidden any more.
            length => self.cover(end.saturating_sub(length).max(self.start), end),
        }
    }

    fn cover(&mut self, mut start: usize, mut end: usize) {
        while let Some((s, e)) = self.covered.pop_if(|(_, e)| *e >= start) {
            (start, end) = (start.min(s), end.max(e));
        }
        self.covered.push((start, end));
    }

    /// Lets go of everything but the last `keep` bytes.
    fn let_go(&mut self, keep: usize, out: &mut Vec<u8>) {
        let keep = keep.min(self.held.len());
        let end = self.start + self.held.len() - keep;
        let mut at = self.start;
        for (from, to) in std::mem::take(&mut self.covered) {
            if from >= end {
                self.covered.push((from, to));
                continue;
            }
            if from > at {
                out.extend_from_slice(&self.held[at - self.start..from - self.start]);
                self.is_masking = false;
            }
            if !self.is_masking {
                out.extend_from_slice(MASK);
                self.is_masking = true;
            }
            at = to.min(end);
            if to > end {
                self.covered.push((end, to));
            }
        }
        if at < end {
            out.extend_from_slice(&self.held[at - self.start..end - self.start]);
            self.is_masking = false;
        }
        self.held.drain(..end - self.start);
        self.start = end;
    }
}

/// Beginnings are looked through for what is decided when this much is held.
const LARGEST_HELD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out when `text` arrives in pieces of `size`.
    fn redacted(values: &[&str], text: &str, size: usize) -> String {
        let hidden = Hidden::new(values.iter().copied());
        let mut redactor = Redactor::new(&hidden);
        let mut out: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| redactor.feed(piece)).collect();
        out.extend(redactor.flush());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_hidden_however_they_arrive() {
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
    fn the_rest_of_a_value_is_hidden_after_a_pause() {
        let hidden = Hidden::new(["hunter2"]);
        for (first, paused, then, rest) in [
            ("x hu", "x hu", "nter2 y", "*** y"),
            ("x hunter", "x ***", "2 y", " y"),
            ("x hunter", "x ***", "! y", "! y"),
        ] {
            let mut redactor = Redactor::new(&hidden);
            let mut out = redactor.feed(first.as_bytes());
            out.extend(redactor.flush());
            assert_eq!(String::from_utf8(out).unwrap(), paused);
            assert!(!redactor.is_holding());
            assert_eq!(String::from_utf8(redactor.feed(then.as_bytes())).unwrap(), rest, "{first}|{then}");
        }
    }

    proptest! {
        #[test]
        fn no_value_is_left_and_nothing_else_is_lost(
            values in prop::collection::vec("[abc]{4,8}", 1..5), text in "[abcd \n]{0,60}", size in 1usize..7,
        ) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let out = redacted(&values, &text, size);
            for value in &values {
                prop_assert!(!out.contains(value), "{values:?} in {text:?} gives {out:?}");
            }
            let mut covered = vec![false; text.len()];
            for value in &values {
                let found = (0..text.len()).filter(|at| text[*at..].starts_with(value));
                found.for_each(|at| covered[at..at + value.len()].fill(true));
            }
            let left = text.bytes().zip(covered).filter(|(_, covered)| !covered).map(|(byte, _)| byte as char);
            let plain = out.replace("***", "");
            let left: String = left.collect();
            // At the end a beginning may be hidden, too.
            prop_assert!(left.starts_with(&plain), "{values:?} in {text:?} gives {out:?}");
            prop_assert!(left.len() - plain.len() < 8);
        }
    }
}
