//! The escapes of serialisers and shells. A secret is found in each, however many of its characters are escaped.

use super::html::html;

/// One family of escapes. A text is read through each of them at the same time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decoder {
    /// No escapes.
    Plain,
    /// Line breaks, blanks and colons inside a long word, as in base64 and hexadecimal.
    Wrapped,
    /// `\u002B`, `\xe4`, `\n`, `\/` and `\ `, as in JSON, YAML, Python, JavaScript, Rust, Go and Bash. `\xe4` is a
    /// character.
    Backslash,
    /// The same, but `\xe4` and `\344` are bytes.
    BackslashBytes,
    /// `%2B` and `%u002B`, as in URLs.
    Percent,
    /// `&lt;`, `&#43;` and `&#x2b;`, as in HTML and XML.
    Html,
    /// `'\''` and `'"'"'`, as shells write a quote in quotes.
    Shell,
    /// `` `" `` and `` `n ``, as in PowerShell.
    Backtick,
    /// `^<` and `%%`, as in cmd.exe.
    Caret,
    /// A line break and the indentation after it in place of a blank, and an empty line in place of a line break, as in
    /// a scalar of YAML that a printer wraps.
    Folded,
}

/// The ways to read a text: first the plain one, then that of base64 and hexadecimal without further escapes. Several
/// decoders are applied in order: a log line of JSON may contain JSON.
pub(super) const CHAINS: [&[Decoder]; 22] = [
    &[Decoder::Plain],
    &[Decoder::Wrapped],
    &[Decoder::Backslash],
    &[Decoder::BackslashBytes],
    &[Decoder::Percent],
    &[Decoder::Html],
    &[Decoder::Shell],
    &[Decoder::Backtick],
    &[Decoder::Caret],
    &[Decoder::Folded],
    &[Decoder::Backslash, Decoder::Folded],
    &[Decoder::Backslash, Decoder::Backslash],
    &[Decoder::Backslash, Decoder::Backslash, Decoder::Backslash],
    &[Decoder::Backslash, Decoder::Html],
    &[Decoder::Html, Decoder::Html],
    &[Decoder::Percent, Decoder::Percent],
    &[Decoder::Percent, Decoder::Backslash],
    &[Decoder::Shell, Decoder::Shell],
    &[Decoder::Backslash, Decoder::Wrapped],
    &[Decoder::Backslash, Decoder::Backslash, Decoder::Wrapped],
    &[Decoder::Percent, Decoder::Wrapped],
    &[Decoder::Html, Decoder::Wrapped],
];

/// The meaning of the bytes that a text continues with.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Decoded {
    /// More bytes decide it.
    Undecided,
    /// The first `length` bytes stand for `text`.
    Text { length: usize, text: DecodedText },
}

/// At most one character, in UTF-8.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct DecodedText {
    bytes: [u8; 4],
    length: usize,
}

impl DecodedText {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Decoder {
    /// Returns whether an escape may start with `byte`.
    pub(super) fn is_start(self, byte: u8) -> bool {
        match self {
            Self::Plain => false,
            Self::Wrapped => matches!(byte, b'\n' | b'\r' | b' ' | b'\t' | b':'),
            Self::Backslash | Self::BackslashBytes => byte == b'\\',
            Self::Percent => byte == b'%',
            Self::Html => byte == b'&',
            Self::Shell => byte == b'\'',
            Self::Backtick => byte == b'`',
            Self::Caret => matches!(byte, b'^' | b'%'),
            Self::Folded => matches!(byte, b'\n' | b'\r'),
        }
    }

    /// Decodes the beginning of `bytes`, which is not empty. A byte that starts no escape stands for itself.
    pub(super) fn decode(self, bytes: &[u8]) -> Decoded {
        if !self.is_start(bytes[0]) {
            return plain(bytes[0]);
        }
        let decoded = match self {
            Self::Plain => None,
            Self::Wrapped => Some(nothing(1)),
            Self::Backslash => backslash(bytes, true),
            Self::BackslashBytes => backslash(bytes, false),
            Self::Percent => percent(bytes),
            Self::Html => html(bytes),
            Self::Shell => [&b"'\\''"[..], b"'\"'\"'"].into_iter().find_map(|quote| {
                let is_begun = quote.starts_with(bytes) || bytes.starts_with(quote);
                is_begun
                    .then(|| if bytes.len() < quote.len() { Decoded::Undecided } else { character('\'', quote.len()) })
            }),
            Self::Backtick => Some(backtick(bytes)),
            Self::Caret => caret(bytes),
            Self::Folded => folded(bytes),
        };
        decoded.unwrap_or_else(|| plain(bytes[0]))
    }
}

fn plain(byte: u8) -> Decoded {
    Decoded::Text { length: 1, text: DecodedText { bytes: [byte, 0, 0, 0], length: 1 } }
}

fn byte(byte: u8, length: usize) -> Decoded {
    Decoded::Text { length, text: DecodedText { bytes: [byte, 0, 0, 0], length: 1 } }
}

fn nothing(length: usize) -> Decoded {
    Decoded::Text { length, text: DecodedText { bytes: [0; 4], length: 0 } }
}

pub(super) fn character(c: char, length: usize) -> Decoded {
    let mut bytes = [0; 4];
    let encoded = c.encode_utf8(&mut bytes).len();
    Decoded::Text { length, text: DecodedText { bytes, length: encoded } }
}

/// The digits of a number.
enum Digits {
    Undecided,
    Number(u32),
    None,
}

/// Reads exactly `count` digits at `at`.
fn digits(bytes: &[u8], at: usize, count: usize, radix: u32) -> Digits {
    let found = &bytes[at.min(bytes.len())..bytes.len().min(at + count)];
    let mut number = 0;
    for byte in found {
        match char::from(*byte).to_digit(radix) {
            Some(digit) => number = number * radix + digit,
            None => return Digits::None,
        }
    }
    if found.len() < count { Digits::Undecided } else { Digits::Number(number) }
}

fn backslash(bytes: &[u8], is_character: bool) -> Option<Decoded> {
    let Some(kind) = bytes.get(1) else { return Some(Decoded::Undecided) };
    let coded = |number: u32, length: usize| {
        if is_character {
            char::from_u32(number).map(|c| character(c, length))
        } else {
            u8::try_from(number).ok().map(|number| byte(number, length))
        }
    };
    let decoded = match kind {
        b'u' if bytes.get(2) == Some(&b'{') => return braced(bytes),
        b'u' => match digits(bytes, 2, 4, 16) {
            Digits::Undecided => return Some(Decoded::Undecided),
            Digits::Number(high @ 0xd800..=0xdbff) => return surrogates(bytes, high, br"\u"),
            Digits::Number(number) => char::from_u32(number).map(|c| character(c, 6)),
            Digits::None => None,
        },
        b'U' => match digits(bytes, 2, 8, 16) {
            Digits::Undecided => return Some(Decoded::Undecided),
            Digits::Number(number) => char::from_u32(number).map(|c| character(c, 10)),
            Digits::None => None,
        },
        b'x' => match digits(bytes, 2, 2, 16) {
            Digits::Undecided => return Some(Decoded::Undecided),
            Digits::Number(number) => coded(number, 4),
            Digits::None => None,
        },
        b'0'..=b'7' => {
            let is_digit = |byte: &&u8| matches!(byte, b'0'..=b'7');
            let count = bytes[1..].iter().take(3).take_while(is_digit).count();
            if count < 3 && bytes.len() == 1 + count {
                return Some(Decoded::Undecided);
            }
            match digits(bytes, 1, count, 8) {
                Digits::Number(number) => coded(number, 1 + count),
                _ => None,
            }
        }
        b'n' => Some(byte(b'\n', 2)),
        b'r' => Some(byte(b'\r', 2)),
        b't' => Some(byte(b'\t', 2)),
        b'b' => Some(byte(0x08, 2)),
        b'f' => Some(byte(0x0c, 2)),
        b'v' => Some(byte(0x0b, 2)),
        b'a' => Some(byte(0x07, 2)),
        b'e' | b'E' => Some(byte(0x1b, 2)),
        b'\n' => {
            // YAML, Rust and Haskell skip the indentation, too.
            let Some(indentation) = indentation(&bytes[2..]) else { return Some(Decoded::Undecided) };
            Some(nothing(2 + indentation))
        }
        other => Some(byte(*other, 2)),
    };
    Some(decoded.unwrap_or_else(|| byte(*kind, 2)))
}

fn backtick(bytes: &[u8]) -> Decoded {
    match bytes.get(1) {
        None => Decoded::Undecided,
        Some(b'n') => byte(b'\n', 2),
        Some(b'r') => byte(b'\r', 2),
        Some(b't') => byte(b'\t', 2),
        Some(escaped) => byte(*escaped, 2),
    }
}

fn caret(bytes: &[u8]) -> Option<Decoded> {
    match bytes {
        [_] => Some(Decoded::Undecided),
        [b'^', escaped, ..] => Some(byte(*escaped, 2)),
        [b'%', b'%', ..] => Some(byte(b'%', 2)),
        _ => None,
    }
}

fn folded(bytes: &[u8]) -> Option<Decoded> {
    let line_break = |at: usize| match &bytes[at..] {
        [] | [b'\r'] => LineBreak::Undecided,
        [b'\r', b'\n', rest @ ..] => {
            indentation(rest).map_or(LineBreak::Undecided, |blanks| LineBreak::End(at + 2 + blanks))
        }
        [b'\n', rest @ ..] => indentation(rest).map_or(LineBreak::Undecided, |blanks| LineBreak::End(at + 1 + blanks)),
        _ => LineBreak::None,
    };
    match line_break(0) {
        LineBreak::Undecided => Some(Decoded::Undecided),
        LineBreak::None => None,
        LineBreak::End(end) => Some(match line_break(end) {
            LineBreak::Undecided => Decoded::Undecided,
            LineBreak::None => byte(b' ', end),
            LineBreak::End(end) => byte(b'\n', end),
        }),
    }
}

/// A line break at one position of a folded text, if there is one.
enum LineBreak {
    Undecided,
    /// A line break that ends there, with its indentation.
    End(usize),
    None,
}

/// Returns the number of blanks at the start of a line. `None` if more may follow.
fn indentation(line: &[u8]) -> Option<usize> {
    let blanks = line.iter().take(MAX_INDENTATION).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    (blanks < line.len() || blanks == MAX_INDENTATION).then_some(blanks)
}

/// More than a printer indents by.
const MAX_INDENTATION: usize = 256;

/// Decodes `\u{1f511}`.
fn braced(bytes: &[u8]) -> Option<Decoded> {
    let digits: Vec<u8> = bytes[3..].iter().copied().take_while(u8::is_ascii_hexdigit).take(7).collect();
    match bytes.get(3 + digits.len()) {
        None if digits.len() <= 6 => Some(Decoded::Undecided),
        Some(b'}') if (1..=6).contains(&digits.len()) => {
            let number = u32::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
            Some(character(char::from_u32(number)?, 4 + digits.len()))
        }
        _ => None,
    }
}

/// Decodes the second half of a pair such as `\ud83d\udd11`.
fn surrogates(bytes: &[u8], high: u32, mark: &[u8]) -> Option<Decoded> {
    let start = mark.len() + 4;
    let second = &bytes[start..];
    if second.len() < mark.len() {
        return mark.starts_with(second).then_some(Decoded::Undecided);
    }
    if !second.starts_with(mark) {
        return None;
    }
    match digits(bytes, start + mark.len(), 4, 16) {
        Digits::Undecided => Some(Decoded::Undecided),
        Digits::Number(low @ 0xdc00..=0xdfff) => {
            let c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
            Some(character(c, start + mark.len() + 4))
        }
        _ => None,
    }
}

fn percent(bytes: &[u8]) -> Option<Decoded> {
    if bytes.len() == 1 {
        return Some(Decoded::Undecided);
    }
    if bytes[1] == b'u' {
        return match digits(bytes, 2, 4, 16) {
            Digits::Undecided => Some(Decoded::Undecided),
            Digits::Number(high @ 0xd800..=0xdbff) => surrogates(bytes, high, b"%u"),
            Digits::Number(number) => Some(character(char::from_u32(number)?, 6)),
            Digits::None => None,
        };
    }
    match digits(bytes, 1, 2, 16) {
        Digits::Undecided => Some(Decoded::Undecided),
        Digits::Number(number) => Some(byte(u8::try_from(number).ok()?, 3)),
        Digits::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a whole text.
    fn decoded(decoder: Decoder, text: &str) -> String {
        let mut bytes = text.as_bytes();
        let mut out = Vec::new();
        while !bytes.is_empty() {
            match decoder.decode(bytes) {
                Decoded::Text { length, text } => {
                    out.extend_from_slice(text.as_bytes());
                    bytes = &bytes[length..];
                }
                Decoded::Undecided => {
                    out.push(bytes[0]);
                    bytes = &bytes[1..];
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_escape_is_decoded() {
        for (decoder, text, expected) in [
            (Decoder::Backslash, r"\u002B\/\u003c\u00E4\n\t\\", "+/<ä\n\t\\"),
            (Decoder::Backslash, r"\ud83d\udd11 \U0001f511 \u{1f511} \xe4", "🔑 🔑 🔑 ä"),
            (Decoder::Backslash, r"\ud83d\u0041", r"\ud83dA"),
            (Decoder::Backslash, r"a\ b\&\'\q", "a b&'q"),
            (Decoder::BackslashBytes, r"\xc3\xa4 \303\244", "ä ä"),
            (Decoder::Percent, "%2b%2B%c3%a4%u002b/%zz%", "++ä+/%zz%"),
            (Decoder::Html, "&amp;&lt;&#43;&#x2B;&#X2b;&auml;&yuml;&nbsp;&plus;&nope;&", "&<+++äÿ\u{a0}+&nope;&"),
            (Decoder::Shell, r#"'it'\''s' 'it'"'"'s'"#, "'it's' 'it's'"),
            (Decoder::Wrapped, "ab\r\n\tcd\n 12:34", "abcd1234"),
            (Decoder::Backtick, "a`\"b`$c``d`n`", "a\"b$c`d\n`"),
            (Decoder::Backslash, "a\\\n  \\ b\\\nc", "a bc"),
            (Decoder::Caret, "a^<b^&c^^%%d^|%e%^", "a<b&c^%d|%e%^"),
            (Decoder::Folded, "a\n  b\r\n\tc\n\n  d\n \n e\rf\ng", "a b c\nd\ne\rf g"),
            (Decoder::Plain, r"\n%41", r"\n%41"),
        ] {
            assert_eq!(decoded(decoder, text), expected, "{decoder:?}: {text}");
        }
    }
}
