//! Words that must not be seen where people look, in whatever clothes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use azure_core::base64;

/// A random text, that nothing but a leak can bring to light.
#[derive(Clone)]
pub(crate) struct Canary {
    text: String,
}

impl Canary {
    /// Makes the value of a secret: every way to write text down changes something in it.
    pub(crate) fn secret() -> Self {
        Self { text: format!("{}\"\n\\%é+/{}", letters(24), letters(24)) }
    }

    /// Makes a token: three parts with dots in between.
    pub(crate) fn token() -> Self {
        Self { text: format!("{}.{}.{}", letters(24), letters(24), letters(24)) }
    }

    /// Makes a word of letters alone, which fits wherever a code, an id or a name does.
    pub(crate) fn word() -> Self {
        let letters = letters(32);
        Self {
            text: letters
                .chars()
                .map(|c| if c.is_ascii_digit() { (c as u8 - b'0' + b'K') as char } else { c })
                .collect(),
        }
    }

    /// Takes a text that was made elsewhere and is as random.
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Gives everything that is looked for: the whole and both of its ends, in every clothes.
    fn forms(&self) -> Vec<Form> {
        let letters: Vec<char> = self.text.chars().collect();
        let end = END.min(letters.len());
        let (head, tail) = (&letters[..end], &letters[letters.len() - end..]);
        let pieces = [self.text.clone(), head.iter().collect(), tail.iter().collect()];
        let mut forms: Vec<Form> = pieces.iter().flat_map(|piece| dressed(piece)).collect();
        forms.sort_by(|one, other| one.bytes.cmp(&other.bytes));
        forms.dedup_by(|one, other| one.bytes == other.bytes);
        forms
    }
}

/// A leak of a half is a leak. So many letters stand together nowhere by chance.
const END: usize = 16;

/// A canary as somebody may write it.
struct Form {
    how: &'static str,
    bytes: Vec<u8>,
}

fn dressed(piece: &str) -> Vec<Form> {
    let bytes = piece.as_bytes();
    let joined =
        |separator: &str, write: fn(&u8) -> String| bytes.iter().map(write).collect::<Vec<_>>().join(separator);
    let escaped = |lower: bool, all: bool| {
        let letter = |byte: &u8| match byte {
            byte if byte.is_ascii_alphanumeric() && !all => (*byte as char).to_string(),
            byte if lower => format!("%{byte:02x}"),
            byte => format!("%{byte:02X}"),
        };
        bytes.iter().map(letter).collect::<String>()
    };
    let mut forms = vec![
        ("as it is", piece.to_owned()),
        ("as JSON", piece.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")),
        (
            "as ASCII JSON",
            piece.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('é', "\\u00e9"),
        ),
        ("by Debug", piece.escape_debug().to_string()),
        ("by escape_default", piece.escape_default().to_string()),
        ("by Debug of bytes", bytes.escape_ascii().to_string()),
        ("percent-encoded", escaped(false, false)),
        ("percent-encoded, in small letters", escaped(true, false)),
        ("percent-encoded throughout", escaped(false, true)),
        ("in hex", joined("", |byte| format!("{byte:02x}"))),
        ("in capital hex", joined("", |byte| format!("{byte:02X}"))),
        ("in hex with colons", joined(":", |byte| format!("{byte:02x}"))),
        // Lists are looked for in text without white space, so that it does not matter how they are laid out.
        ("as a list of bytes", joined(",", u8::to_string)),
        ("as a list of hex", joined(",", |byte| format!("{byte:02x}"))),
        ("as a list of 0x", joined(",", |byte| format!("{byte:#x}"))),
    ];
    for offset in 0..3 {
        forms.push(("in base64", aligned(bytes, offset, base64::encode)));
        forms.push(("in base64 for URLs", aligned(bytes, offset, base64::encode_url_safe)));
    }
    forms.into_iter().map(|(how, text)| Form { how, bytes: text.into_bytes() }).collect()
}

/// Writes base64 as it comes out behind `offset` other bytes; only the letters that are the same whatever stands around.
fn aligned(bytes: &[u8], offset: usize, encode: fn(Vec<u8>) -> String) -> String {
    let text = encode([&vec![0; offset], bytes].concat());
    let first = (offset * 8).div_ceil(6);
    let last = (offset + bytes.len()) * 8 / 6;
    text[first..last].to_owned()
}

/// Finds canaries in text of any length, in one go.
pub(crate) struct Finder {
    forms: Vec<Form>,
    /// Which forms begin with two bytes.
    starts: Vec<Vec<usize>>,
}

impl Finder {
    pub(crate) fn new<'c>(canaries: impl IntoIterator<Item = &'c Canary>) -> Self {
        let forms: Vec<Form> = canaries.into_iter().flat_map(Canary::forms).collect();
        let mut starts = vec![Vec::new(); 1 << 16];
        for (at, form) in forms.iter().enumerate() {
            assert!(form.bytes.len() >= END, "what is short is found everywhere");
            starts[start(&form.bytes)].push(at);
        }
        Self { forms, starts }
    }

    /// Tells how canaries stand in `text`, and what stands around them; with and without its white space.
    pub(crate) fn hits(&self, text: &[u8]) -> Vec<String> {
        let squeezed: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        [self.hits_in(text), self.hits_in(&squeezed)].concat()
    }

    fn hits_in(&self, text: &[u8]) -> Vec<String> {
        let mut hits = Vec::new();
        for at in 0..text.len().saturating_sub(1) {
            for form in &self.starts[start(&text[at..])] {
                let Form { how, bytes } = &self.forms[*form];
                if text[at..].starts_with(bytes) {
                    let around = &text[at.saturating_sub(160)..text.len().min(at + bytes.len() + 40)];
                    hits.push(format!("{how}: …{}…", around.escape_ascii()));
                }
            }
        }
        hits
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Makes random letters and digits.
fn letters(count: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| ALPHABET[(RandomState::new().build_hasher().finish() % 62) as usize] as char;
    (0..count).map(letter).collect()
}
