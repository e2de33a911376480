//! Canaries: random text that must not appear in anything people see, in any encoding.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

use azure_core::base64;

/// Asserts that an error shows no canary: `Display` and `Debug`, plain and pretty, of the error and of its sources.
#[track_caller]
pub fn assert_value_free(error: &(dyn Error + 'static), canaries: &[&str]) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        assert_free_of(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"), canaries);
        cause = error.source();
    }
}

/// Asserts that `text` contains no canary.
#[track_caller]
pub fn assert_free_of(text: &str, canaries: &[&str]) {
    for canary in canaries {
        assert!(!canary.is_empty(), "every text contains an empty canary");
        assert!(!text.contains(canary), "{canary} leaked: {text}");
    }
}

/// A random text. Only a leak can show it.
#[derive(Clone)]
pub struct Canary {
    text: String,
}

impl Canary {
    /// Creates the value of a secret. It contains characters that every encoding changes.
    pub fn secret() -> Self {
        Self { text: format!("{}\"\n\\%é+/{}", letters(24), letters(24)) }
    }

    /// Creates a token: three parts, separated by dots.
    pub fn token() -> Self {
        Self { text: format!("{}.{}.{}", letters(24), letters(24), letters(24)) }
    }

    /// Creates a word of letters only, which fits where a code, an id or a name fits.
    pub fn word() -> Self {
        let letter = |c: char| if c.is_ascii_digit() { (c as u8 - b'0' + b'K') as char } else { c };
        Self { text: letters(32).chars().map(letter).collect() }
    }

    /// Creates a canary from text that is random already.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns each form to search for: the whole text and both of its ends, in every encoding.
    fn forms(&self) -> Vec<Form> {
        let letters: Vec<char> = self.text.chars().collect();
        let end = END.min(letters.len());
        let (head, tail) = (&letters[..end], &letters[letters.len() - end..]);
        let pieces = [self.text.clone(), head.iter().collect(), tail.iter().collect()];
        let mut forms: Vec<Form> = pieces.iter().flat_map(|piece| encoded(piece)).collect();
        forms.sort_by(|one, other| one.bytes.cmp(&other.bytes));
        forms.dedup_by(|one, other| one.bytes == other.bytes);
        forms
    }
}

/// Shows no text.
impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary").finish_non_exhaustive()
    }
}

/// The length of each searched end, in characters: half a canary is a leak too. No 16 characters match by chance.
const END: usize = 16;

/// A canary in one encoding.
struct Form {
    encoding: &'static str,
    bytes: Vec<u8>,
}

fn encoded(piece: &str) -> Vec<Form> {
    let mut forms = escaped_text(piece);
    forms.extend(percent_encoded(piece.as_bytes()));
    forms.extend(byte_lists(piece.as_bytes()));
    for offset in 0..3 {
        forms.push(("in base64", aligned(piece.as_bytes(), offset, base64::encode)));
        forms.push(("in base64 for URLs", aligned(piece.as_bytes(), offset, base64::encode_url_safe)));
    }
    forms.into_iter().map(|(encoding, text)| Form { encoding, bytes: text.into_bytes() }).collect()
}

fn escaped_text(piece: &str) -> Vec<(&'static str, String)> {
    let json = piece.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    vec![
        ("as it is", piece.to_owned()),
        ("as ASCII JSON", json.replace('é', "\\u00e9")),
        ("as JSON", json),
        ("by Debug", piece.escape_debug().to_string()),
        ("by escape_default", piece.escape_default().to_string()),
        ("by Debug of bytes", piece.as_bytes().escape_ascii().to_string()),
    ]
}

fn percent_encoded(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let encode = |lower: bool, all: bool| {
        let letter = |byte: &u8| match byte {
            byte if byte.is_ascii_alphanumeric() && !all => (*byte as char).to_string(),
            byte if lower => format!("%{byte:02x}"),
            byte => format!("%{byte:02X}"),
        };
        bytes.iter().map(letter).collect::<String>()
    };
    vec![
        ("percent-encoded", encode(false, false)),
        ("percent-encoded, in lower case", encode(true, false)),
        ("percent-encoded throughout", encode(false, true)),
    ]
}

fn byte_lists(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let joined =
        |separator: &str, write: fn(&u8) -> String| bytes.iter().map(write).collect::<Vec<_>>().join(separator);
    vec![
        ("in hex", joined("", |byte| format!("{byte:02x}"))),
        ("in capital hex", joined("", |byte| format!("{byte:02X}"))),
        ("in hex with colons", joined(":", |byte| format!("{byte:02x}"))),
        // The search also runs over the text without white space, so the layout of a list does not matter.
        ("as a list of bytes", joined(",", u8::to_string)),
        ("as a list of hex", joined(",", |byte| format!("{byte:02x}"))),
        ("as a list of 0x", joined(",", |byte| format!("{byte:#x}"))),
    ]
}

/// Encodes `bytes` in base64 at `offset` of a longer text, and keeps the letters that do not depend on the neighbours.
fn aligned(bytes: &[u8], offset: usize, encode: fn(Vec<u8>) -> String) -> String {
    let text = encode([&vec![0; offset], bytes].concat());
    let first = (offset * 8).div_ceil(6);
    let last = (offset + bytes.len()) * 8 / 6;
    text[first..last].to_owned()
}

/// A search for many canaries in one pass over a text of any length.
pub struct Finder {
    forms: Vec<Form>,
    /// The indexes of the forms that begin with these two bytes.
    starts: Vec<Vec<usize>>,
}

impl Finder {
    /// Prepares the search for `canaries`.
    pub fn new<'c>(canaries: impl IntoIterator<Item = &'c Canary>) -> Self {
        let forms: Vec<Form> = canaries.into_iter().flat_map(Canary::forms).collect();
        let mut starts = vec![Vec::new(); 1 << 16];
        for (at, form) in forms.iter().enumerate() {
            assert!(form.bytes.len() >= END, "a short text matches by chance");
            starts[start(&form.bytes)].push(at);
        }
        Self { forms, starts }
    }

    /// Returns the encoding and the surroundings of each canary in `text`, with and without the white space of `text`.
    pub fn hits(&self, text: &[u8]) -> Vec<String> {
        let squeezed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        [self.hits_in(text), self.hits_in(&squeezed)].concat()
    }

    fn hits_in(&self, text: &[u8]) -> Vec<String> {
        let mut hits = Vec::new();
        for at in 0..text.len().saturating_sub(1) {
            for form in &self.starts[start(&text[at..])] {
                let Form { encoding, bytes } = &self.forms[*form];
                if text[at..].starts_with(bytes) {
                    let around = &text[at.saturating_sub(160)..text.len().min(at + bytes.len() + 40)];
                    hits.push(format!("{encoding}: …{}…", around.escape_ascii()));
                }
            }
        }
        hits
    }
}

/// Shows the number of forms only.
impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Returns random letters and digits.
fn letters(count: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| ALPHABET[(RandomState::new().build_hasher().finish() % 62) as usize] as char;
    (0..count).map(letter).collect()
}
