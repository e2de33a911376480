//! Masking secrets in a stream of bytes that arrives in pieces.
//!
//! In reading order: `form` lists the texts that reveal a secret, and `automaton` finds all of them at once. `decoder`
//! reads the escapes of each family (`html` those of HTML), and `track` searches the stream through a chain of
//! decoders, so that a secret is found however it is escaped.

mod automaton;
mod decoder;
mod form;
mod html;
mod track;

use zeroize::Zeroizing;

use self::automaton::Automaton;
use self::decoder::{CHAINS, Decoder};
pub(super) use self::form::MIN_LENGTH;
use self::track::Track;

/// The secrets to mask, prepared for the search.
#[derive(Debug)]
pub(super) struct Masker {
    /// The secrets themselves, searched through every chain that does not end in [`Decoder::Wrapped`].
    texts: Automaton,
    /// Their forms in base64 and hexadecimal, searched through the others.
    words: Automaton,
    /// The bytes that a form or an escape may start with.
    is_start: [bool; 256],
}

impl Masker {
    pub(super) fn new<'v>(secrets: impl IntoIterator<Item = &'v str> + Clone) -> Self {
        let texts = Automaton::new(&secrets.clone().into_iter().flat_map(form::texts).collect::<Vec<_>>());
        let words = Automaton::new(&secrets.into_iter().flat_map(form::words).collect::<Vec<_>>());
        let mut is_start = [false; 256];
        for byte in 0..=u8::MAX {
            // A line break begins no secret.
            let is_within = |decoder: &&Decoder| matches!(decoder, Decoder::Wrapped | Decoder::Folded);
            let mut decoders = CHAINS.iter().copied().flatten().filter(|decoder| !is_within(decoder));
            let is_escape = decoders.any(|decoder| decoder.is_start(byte));
            is_start[usize::from(byte)] = texts.is_start(byte) || words.is_start(byte) || is_escape;
        }
        Self { texts, words, is_start }
    }

    fn automaton(&self, track: &Track) -> &Automaton {
        if track.is_for_words { &self.words } else { &self.texts }
    }
}

/// The replacement of a secret.
const MASK: &[u8] = b"***";

/// One stream. Bytes that may be the start of a secret are held back until more bytes decide it.
#[derive(Debug)]
pub(super) struct Redactor<'a> {
    masker: &'a Masker,
    tracks: [Track; CHAINS.len()],
    held_back: Zeroizing<Vec<u8>>,
    /// The position of `held_back` in the stream.
    start: usize,
    /// The ranges of the stream that are masked, in order and disjoint. Each ends after `start`.
    masked: Vec<(usize, usize)>,
    /// Whether the last byte that was returned belongs to a mask. Adjacent secrets share one mask.
    is_masking: bool,
}

impl<'a> Redactor<'a> {
    pub(super) fn new(masker: &'a Masker) -> Self {
        Self {
            masker,
            tracks: CHAINS.map(Track::new),
            held_back: Zeroizing::default(),
            start: 0,
            masked: Vec::new(),
            is_masking: false,
        }
    }

    /// Reads `bytes` and returns the output that is decided.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.held_back.is_empty() && self.tracks.iter().all(Track::is_idle) {
                // Bytes that no secret starts with need no search.
                let is_start = |byte: &u8| self.masker.is_start[usize::from(*byte)];
                let plain = rest.iter().position(is_start).unwrap_or(rest.len());
                let (before, after) = rest.split_at(plain);
                out.extend_from_slice(before);
                self.is_masking &= before.is_empty();
                self.start += plain;
                rest = after;
            }
            let Some((byte, after)) = rest.split_first() else { break };
            self.read(*byte);
            rest = after;
            if self.undecided() == 0 || self.held_back.len() >= MAX_HELD_BACK {
                self.release(&mut out);
            }
        }
        self.release(&mut out);
        out
    }

    /// Returns the bytes that are held back, because the stream pauses or ends.
    ///
    /// They are masked if they are at least as long as the shortest secret, although they may be no secret. If they are
    /// the start of one, [`feed`](Self::feed) masks its end.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        let end = self.start + self.held_back.len();
        let open = |track: &Track| {
            let start = track.starts.front().copied().filter(|_| track.starts.len() >= MIN_LENGTH)?;
            // The bytes after a whole secret are no part of it, and neither is the end of a line with the start of one.
            let automaton = self.masker.automaton(track);
            let is_whole = automaton.match_length(track.node) == Some(track.starts.len());
            let is_line_break =
                |at: usize| matches!(self.held_back.get(at.wrapping_sub(self.start)), Some(b'\n' | b'\r'));
            Some((start, track.pending_start().filter(|at| is_whole || is_line_break(*at)).unwrap_or(end)))
        };
        let ranges: Vec<(usize, usize)> = self.tracks.iter().filter_map(open).collect();
        for (start, end) in ranges {
            self.mask(start.max(self.start), end);
        }
        let mut out = Vec::new();
        self.release_until(end, &mut out);
        out
    }

    pub(super) fn is_holding_back(&self) -> bool {
        !self.held_back.is_empty()
    }

    fn read(&mut self, byte: u8) {
        let at = self.start + self.held_back.len();
        self.held_back.push(byte);
        let mut found = Vec::new();
        let [texts, words, others @ ..] = &mut self.tracks;
        for track in others {
            let automaton = self.masker.automaton(track);
            if track.leaves(if track.is_for_words { words } else { texts }, automaton, byte) {
                track.read(automaton, byte, at, &mut found);
            }
        }
        for track in [texts, words] {
            track.read(self.masker.automaton(track), byte, at, &mut found);
        }
        for (start, end) in found {
            // Bytes before `start` are already returned and cannot be masked.
            self.mask(start.max(self.start), end);
        }
    }

    /// Returns how many of the last bytes may belong to a secret that has not ended.
    fn undecided(&self) -> usize {
        let end = self.start + self.held_back.len();
        let earliest = self.tracks.iter().filter_map(Track::earliest).min().unwrap_or(end);
        end - earliest.clamp(self.start, end)
    }

    /// Adds a range and merges it with those that it touches.
    fn mask(&mut self, mut start: usize, mut end: usize) {
        if start >= end {
            return;
        }
        let mut later = Vec::new();
        while let Some((s, e)) = self.masked.pop() {
            if s > end {
                later.push((s, e));
            } else if e >= start {
                (start, end) = (start.min(s), end.max(e));
            } else {
                self.masked.push((s, e));
                break;
            }
        }
        self.masked.push((start, end));
        self.masked.extend(later.into_iter().rev());
    }

    /// Moves the bytes that are decided to `out`.
    fn release(&mut self, out: &mut Vec<u8>) {
        let end = self.start + self.held_back.len() - self.undecided();
        self.release_until(end, out);
    }

    fn release_until(&mut self, end: usize, out: &mut Vec<u8>) {
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
        let masker = Masker::new(values.iter().copied());
        let mut redactor = Redactor::new(&masker);
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
            (&["a/b+c<d&\u{e4}"], r"x a\/b\u002Bc\u003cd\u0026\u00e4 y", "x *** y"),
            (&["a/b+c<d&\u{e4}"], r"x a/b\x2bc\x3Cd&\xe4 y", "x *** y"),
            (&["a/b+c<d&\u{e4}"], r"b'a/b+c<d&\xc3\xa4'", "b'***'"),
            (&["a/b+c<d&\u{e4}"], "?a/b%2bc%3cd%26%c3%a4;", "?***;"),
            (&["a/b+c<d&\u{e4}"], "?a%2Fb%2Bc%3Cd%26%C3%A4;", "?***;"),
            (&["a/b+c<d&\u{e4}"], "<p>a&#x2F;b&#43;c&lt;d&amp;&auml;</p>", "<p>***</p>"),
            (&["it's $5"], r"+ echo 'it'\''s $5'", "+ echo '***'"),
            (&["it's $5"], r#"'it'"'"'s $5'"#, "'***'"),
            (&["it's $5"], r"it\'s\ \$5 x", "*** x"),
            (&["it's $5"], "q=it%27s+%245", "q=***"),
            (&["it's $5"], "'it''s $5'", "'***'"),
            (&["two\nlines"], r"$'two\nlines'", "$'***'"),
            (&["a\"b\\c"], r#"{"log":"{\"k\":\"a\\\"b\\\\c\"}"}"#, r#"{"log":"{\"k\":\"***\"}"}"#),
            (&["a\u{e4}\"b"], r#"{"log":"{\"k\":\"a\\u00e4\\\"b\"}"}"#, r#"{"log":"{\"k\":\"***\"}"}"#),
            (&["a<b&c"], r#"{"k":"a\u0026lt;b\u0026amp;c"}"#, r#"{"k":"***"}"#),
            (&["a<b&c"], "?q=a%253Cb%2526c", "?q=***"),
            (&["hunter2"], "Basic dXM6aHVudGVyMg==", "Basic dXM6***"),
            (&["hunter2"], "aHVudGVyMg== aHVudGVyMgo= x", "*** *** x"),
            (&["hunter2"], "aHVud\nGVyMg== aHVud\n  GVyMg==", "*** ***"),
            (&["hunter2"], "68756e74657232 68756E74657232", "*** ***"),
            (&["hunter2"], "68:75:6e:74:65:72:32, 68 75 6e 74 65 72 32", "***, ***"),
            (&["a\"b$c\nd"], "$x = \"a`\"b`$c`nd\"", "$x = \"***\""),
            (&["a\"b\\c"], "eyJwIjoiYVwiYlxcYyJ9", "eyJwIjoi***yJ9"),
            (&["a<b&c"], "a&amp;lt;b&amp;amp;c", "***"),
            (&["a\u{e4}\"b"], r#"{\\\"k\\\":\\\"a\\\\u00e4\\\\\\\"b\\\"}"#, r#"{\\\"k\\\":\\\"***\\\"}"#),
            (&["it's one line\nb"], "> it''s one line", "> ***"),
            (&["\u{1f511}key"], r"\ud83d\udd11key", "***"),
            (&["a>b?c~>?x"], r#"{"k":"YT5iP2N\u002BPj94"}"#, r#"{"k":"***"}"#),
            (&["a>b?c~>?x"], "?k=YT5iP2N%2BPj94&x", "?k=***&x"),
            (&["a>b?c~>?x"], "<p>YT5iP2N&#43;Pj94</p>", "<p>***</p>"),
            (&["hunter2"], r#"{"k":"aHVud\nGVyMg=="}"#, r#"{"k":"***"}"#),
            (&["hunter2"], r#"{\"k\":\"aHVud\\nGVyMg==\"}"#, r#"{\"k\":\"***\"}"#),
            (&["it's $5"], r#"'echo '"'"'it'"'"'"'"'"'"'"'"'s $5'"'"''"#, r#"'echo '"'"'***'"'"''"#),
            (&["it's one long line"], "> it's one\n  long line\nx", "> ***\nx"),
            (&["it's one long line"], "'it''s\r\n\tone long\r\n\tline'", "'***'"),
            (&["one \"long\" line"], "\"one \\\"long\\\"\n  line\"", "\"***\""),
            (&["one \"long\" line"], "\"one \\\"long\\\"\\\n  \\ line\"", "\"***\""),
            (&["one long line"], r#"{"log":"- one long\n  line\n"}"#, r#"{"log":"- ***\n"}"#),
            (&["two lines\nof text"], ">\n  two\n  lines\n\n  of text\n", ">\n  ***\n"),
            (&["one long line"], "one long\nlist, one\n\nlong line", "one long\nlist, one\n\nlong line"),
            (&["p<q&r|s^t%u"], "set P=p^<q^&r^|s^^t%%u", "set P=***"),
            (&["p<q&r|s^t%u"], "2^3 & p^", "2^3 & p^"),
            (&["hunter2"], "100% & 'a' \\ hunter", "100% & 'a' \\ ***"),
            (&["hunter2"], "%68unter%32 %6 hunt", "*** %6 ***"),
            (&[], "anything", "anything"),
        ] {
            for size in 1..=text.len() {
                assert_eq!(redacted(values, text, size), expected, "{values:?} in {text} by {size}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_secret_is_masked_after_a_flush() {
        let masker = Masker::new(["hunter2", "one long line"]);
        for (first, paused, then, rest) in [
            ("x one long\n", "x ***\n", "  line y", "*** y"),
            ("x line\n", "x line\n", "y", "y"),
            ("x hu", "x hu", "nter2 y", "*** y"),
            ("x hunter", "x ***", "2 y", " y"),
            ("x hunter", "x ***", "! y", "! y"),
        ] {
            let mut redactor = Redactor::new(&masker);
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
