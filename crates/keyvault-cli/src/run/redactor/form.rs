//! The texts that reveal a secret.

use zeroize::Zeroizing;

/// Shorter secrets are not masked, because they are part of many words (`1`, `on`).
pub(crate) const MIN_LENGTH: usize = 4;

/// A line of a secret with several lines is also masked on its own if it is at least this long.
const MIN_LINE_LENGTH: usize = 8;

/// Longer secrets are not searched in hexadecimal.
const MAX_HEX_LENGTH: usize = 1_024;

pub(super) type Pattern = Zeroizing<Vec<u8>>;

/// Returns the texts that a decoder yields for a secret: itself, what is encoded twice, and its long lines.
pub(super) fn texts(secret: &str) -> Vec<Pattern> {
    let secret = secret.trim();
    if secret.len() < MIN_LENGTH {
        return Vec::new();
    }
    let mut texts = vec![json_encoded(secret), url_encoded(secret)];
    let mut written = vec![Zeroizing::new(secret.to_owned())];
    for quote in ['\'', '"'] {
        if secret.contains(quote) {
            // SQL, PowerShell, YAML and CSV double the quotes.
            written.push(replaced(secret, quote, &[quote, quote]));
        }
    }
    if secret.contains(' ') {
        written.push(replaced(secret, ' ', &['+']));
    }
    for text in written {
        texts.push(pattern(&text));
        if text.contains('\n') {
            texts.push(pattern(&replaced(&text, '\n', &['\r', '\n'])));
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= MIN_LINE_LENGTH);
            texts.extend(lines.map(pattern));
        }
    }
    texts
}

/// Returns the secret in base64, at each position in a longer text or in JSON, and in hexadecimal.
pub(super) fn words(secret: &str) -> Vec<Pattern> {
    let secret = secret.trim();
    if secret.len() < MIN_LENGTH {
        return Vec::new();
    }
    let mut words = base64_words(secret.as_bytes());
    let json = json_encoded(secret);
    if *json != secret.as_bytes() {
        words.extend(base64_words(&json));
    }
    if secret.len() <= MAX_HEX_LENGTH {
        words.extend([b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| hex(digits, secret.as_bytes())));
    }
    words
}

fn base64_words(secret: &[u8]) -> Vec<Pattern> {
    let mut words = Vec::new();
    for alphabet in [STANDARD, URL_SAFE] {
        for shift in 0..3 {
            let whole = base64(alphabet, shift, secret);
            let bits = (shift + secret.len()) * 8;
            // The first character that no byte before the secret influences, and those that none after it influences.
            let (start, end) = ((shift * 8).div_ceil(6), bits / 6);
            for end in [end, bits.div_ceil(6)] {
                if end >= start + MIN_LENGTH {
                    words.push(Zeroizing::new(whole[start..end].to_vec()));
                }
            }
            if shift == 0 {
                words.push(padded(&whole));
                let mut line = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
                line.extend_from_slice(secret);
                line.push(b'\n');
                words.push(padded(&base64(alphabet, 0, &line)));
            }
        }
    }
    words
}

fn pattern(text: &str) -> Pattern {
    Zeroizing::new(text.as_bytes().to_vec())
}

/// Encodes `secret` as in a JSON string, without the quotes.
fn json_encoded(secret: &str) -> Pattern {
    // The longest escape is `\u0000`. With this capacity no copy is left behind by a reallocation.
    let mut json = Zeroizing::new(Vec::with_capacity(secret.len() * 6 + 2));
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(&mut *json, secret);
    Zeroizing::new(json[1..json.len() - 1].to_vec())
}

fn url_encoded(secret: &str) -> Pattern {
    const HEX_DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut url = Zeroizing::new(Vec::with_capacity(secret.len() * 3));
    for byte in secret.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte),
            _ => url.extend([b'%', HEX_DIGITS[usize::from(byte >> 4)], HEX_DIGITS[usize::from(byte & 15)]]),
        }
    }
    url
}

fn replaced(secret: &str, from: char, to: &[char]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(secret.len() * 2));
    for c in secret.chars() {
        if c == from { out.extend(to) } else { out.push(c) }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes `shift` zero bytes and `bytes`, without padding.
// The crate `base64` leaves copies of the secret that we cannot wipe.
fn base64(alphabet: &[u8; 64], shift: usize, bytes: &[u8]) -> Pattern {
    let length = ((shift + bytes.len()) * 8).div_ceil(6);
    let bit = |at: usize| {
        let (byte, bit) = (at / 8, at % 8);
        let byte = byte.checked_sub(shift).and_then(|index| bytes.get(index)).copied().unwrap_or(0);
        usize::from(byte >> (7 - bit) & 1)
    };
    let digit = |index: usize| alphabet[(0..6).fold(0, |digit, offset| digit << 1 | bit(index * 6 + offset))];
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    out.extend((0..length).map(digit));
    out
}

fn padded(base64: &[u8]) -> Pattern {
    let padding = base64.len().next_multiple_of(4) - base64.len();
    let mut out = Zeroizing::new(Vec::with_capacity(base64.len() + padding));
    out.extend_from_slice(base64);
    out.resize(base64.len() + padding, b'=');
    out
}

fn hex(digits: &[u8; 16], bytes: &[u8]) -> Pattern {
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
    for byte in bytes {
        out.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_at_every_position() {
        for (before, secret, after, encoded) in [
            ("", "hunter2", "", "aHVudGVyMg=="),
            ("u:", "hunter2", "", "dTpodW50ZXIy"),
            ("us:", "hunter2", "x", "dXM6aHVudGVyMng="),
            ("use:", "hunter2", "", "dXNlOmh1bnRlcjI="),
            ("", "??>>??>>", "", "Pz8-Pj8_Pj4="),
        ] {
            let longest = words(secret).into_iter().filter(|word| encoded.contains(str::from_utf8(word).unwrap()));
            let longest = longest.map(|word| word.len()).max().unwrap_or_default();
            let known = encoded.len() - (before.len() + after.len()) * 8 / 6 - 2;
            assert!(longest >= known.saturating_sub(1), "{before}{secret}{after}: {longest} of {known}");
        }
    }
}
