//! JSON, read and written without leaving copies in memory.

use std::io;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A string that is deserialized from JSON in memory.
///
/// `serde_json` collects a string with escapes, such as every key in PEM, in a growing buffer that it does not wipe.
/// This type writes the string once, into a buffer that is large enough and is wiped.
#[derive(Serialize)]
pub(crate) struct JsonString(pub(crate) Zeroizing<String>);

impl<'de> Deserialize<'de> for JsonString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        unescaped(raw.get()).map(Self).ok_or_else(|| D::Error::custom("not a string"))
    }
}

/// Unescapes `json`, which is one valid JSON value. Returns `None` if it is not a string or contains half a surrogate
/// pair.
pub(crate) fn unescaped(json: &str) -> Option<Zeroizing<String>> {
    let mut rest = json.trim_matches([' ', '\t', '\r', '\n']).strip_prefix('"')?.strip_suffix('"')?;
    // An escape is at least as long as its character, so the buffer never grows.
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let (letter, after) = (escape.chars().next()?, escape.get(1..)?);
        rest = after;
        text.push(match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (unit, after) = code_unit(after)?;
                let (letter, after) = letter_of(unit, after)?;
                rest = after;
                letter
            }
            '"' | '\\' | '/' => letter,
            _ => return None,
        });
    }
    text.push_str(rest);
    Some(text)
}

/// Reads four hexadecimal digits. Returns them with the text after them.
fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, after) = text.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten().map(|unit| (unit, after))
}

/// Decodes `unit`, with the second half of a surrogate pair from `after` if it is the first half.
fn letter_of(unit: u16, after: &str) -> Option<(char, &str)> {
    if let Some(letter) = char::from_u32(unit.into()) {
        return Some((letter, after));
    }
    let (low, after) = code_unit(after.strip_prefix("\\u")?)?;
    let letter = char::decode_utf16([unit, low]).next()?.ok()?;
    Some((letter, after))
}

/// Writes JSON into a buffer of its size: a buffer that grows leaves copies of its content behind.
pub(crate) fn to_json(value: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut length = ByteCount(0);
    serde_json::to_writer(&mut length, value)?;
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *json, value)?;
    Ok(json)
}

/// Counts the bytes that are written to it.
struct ByteCount(usize);

impl io::Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of `serde_json`.
    fn expected(json: &str) -> Option<String> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them() {
        for json in [
            r#""""#,
            r#""plain ü🔑""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""-----BEGIN KEY-----\nline\n-----END KEY-----\n""#,
            r#""\u0041\u00e9\u20AC\ud83d\ude00""#,
            r#" "white space" "#,
            r#""\ud83d""#,
            r#""\ud83d\u0041""#,
            r#""\ude00\ud83d""#,
            "null",
            "12",
            r#"["a"]"#,
        ] {
            assert_eq!(unescaped(json).as_deref().cloned(), expected(json), "{json}");
            let read = serde_json::from_str::<JsonString>(json).ok().map(|text| (*text.0).clone());
            assert_eq!(read, expected(json), "{json}");
        }
    }

    #[test]
    fn the_buffer_never_grows() {
        let json = format!("\"{}\"", "\\n\\u0041ü".repeat(1_000));
        let text = unescaped(&json).unwrap();
        assert_eq!(text.capacity(), json.len() - 2);
    }

    #[test]
    fn json_is_written_into_one_buffer_of_its_size() {
        let json = to_json(&serde_json::json!({"value": "a\"b\n".repeat(1_000)})).unwrap();
        assert_eq!(json.len(), json.capacity());
    }

    proptest! {
        #[test]
        fn any_string_survives_escaping_and_unescaping(text in any::<String>(), ascii in any::<bool>()) {
            let mut json = serde_json::to_string(&text).unwrap();
            if ascii {
                let escaped = |c: char| -> String {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                };
                json = json.chars().map(|c| if c.is_ascii() { c.to_string() } else { escaped(c) }).collect();
            }
            let found = unescaped(&json).unwrap();
            prop_assert_eq!(&*found, &text);
        }

        #[test]
        fn any_quoted_text_is_read_as_serde_json_reads_it(
            inner in r#"(\\["\\/bfnrtux]|\\u[0-9a-fA-F]{0,4}|\\ud[89a-f][0-9a-f]{2}|[a-z"ü ])*"#,
        ) {
            let json = format!("\"{inner}\"");
            // The function receives valid JSON only.
            if serde_json::from_str::<&RawValue>(&json).is_ok() {
                prop_assert_eq!(unescaped(&json).as_deref().cloned(), expected(&json));
            }
        }
    }
}
