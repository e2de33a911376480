//! The encoding of a secret for the text around it.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// The encoding that the parameter `Encode` asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Encode {
    /// No encoding: the secret may change the structure of the text.
    None,
    Url,
    Json,
    Xml,
    Yaml,
    Ado,
    Base64,
    Shell,
}

const NAMES: [(&str, Encode); 8] = [
    ("none", Encode::None),
    ("url", Encode::Url),
    ("json", Encode::Json),
    ("xml", Encode::Xml),
    ("yaml", Encode::Yaml),
    ("ado", Encode::Ado),
    ("base64", Encode::Base64),
    ("shell", Encode::Shell),
];

impl Encode {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let known = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, encode)| encode).ok_or_else(|| {
            Error::invalid("encoding is unknown").with_help("use one of url, json, xml, yaml, ado, base64, shell, none")
        })
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, encode)| *encode == self).map(|(name, _)| name).unwrap_or_default()
    }

    /// Encodes `value`. `quote` is the quotation mark that the text has around the reference. For [`Ado`](Self::Ado) it
    /// may be `}`, within the braces of ODBC and JDBC, and `{`, where the value needs such braces.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](ErrorKind::InvalidSettings) if the format has no form for a character of the value.
    pub(super) fn encode(self, value: &str, quote: Option<char>) -> Result<Zeroizing<String>> {
        let is_forbidden = |c: char| match (self, quote) {
            (Self::Xml, _) => c < ' ' && !matches!(c, '\t' | '\r' | '\n') || matches!(c, '\u{fffe}' | '\u{ffff}'),
            // Line breaks are folded within single quotes.
            (Self::Yaml, Some('\'')) => {
                c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
            }
            (Self::Ado | Self::Shell, _) => c == '\0',
            _ => false,
        };
        if value.contains(is_forbidden) {
            return Err(Error::new(ErrorKind::InvalidSettings, "secret has a character that Encode cannot write")
                .with_status(ReferenceStatus::OtherReasons)
                .with_help("give the secret a setting of its own, or encode it with Encode=base64"));
        }
        Ok(match self {
            Self::None => Zeroizing::new(value.to_owned()),
            Self::Url => mapped(value, 3, |c, out| match c {
                'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '.' | '_' | '~' => out.push(c),
                _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                    out.push('%');
                    push_hex(out, u32::from(byte), 2);
                }),
            }),
            Self::Json | Self::Yaml if quote == Some('"') => double_quoted(value, self),
            Self::Yaml if quote == Some('\'') => doubled(value, '\''),
            Self::Json | Self::Yaml => wrapped("\"", &double_quoted(value, self), "\""),
            Self::Xml => mapped(value, 6, |c, out| match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                // A reader normalizes them in an attribute.
                '\t' => out.push_str("&#9;"),
                '\n' => out.push_str("&#10;"),
                '\r' => out.push_str("&#13;"),
                c => out.push(c),
            }),
            Self::Ado => ado(value, quote),
            Self::Base64 => Zeroizing::new(azure_core::base64::encode(value)),
            Self::Shell => shell(value, quote),
        })
    }
}

/// Returns the text whose base64 `value` is.
pub(super) fn decode_base64(value: &str) -> Result<Zeroizing<String>> {
    // Tools break long lines.
    let mut packed = Zeroizing::new(String::with_capacity(value.len()));
    packed.extend(value.split_ascii_whitespace());
    let error = |clause| {
        Error::new(ErrorKind::InvalidSettings, clause)
            .with_status(ReferenceStatus::OtherReasons)
            .with_help("remove Encoding=base64, or store the secret as the base64 of UTF-8 text")
    };
    let bytes = azure_core::base64::decode(packed.as_str());
    let bytes = Zeroizing::new(bytes.map_err(|_| error("reference has Encoding=base64 but the secret is not base64"))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| error("decoded secret is not UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Escapes `value` for a double-quoted string of [JSON](https://www.rfc-editor.org/rfc/rfc8259#section-7) or
/// [YAML](https://yaml.org/spec/1.2.2/#57-escaped-characters).
fn double_quoted(value: &str, encode: Encode) -> Zeroizing<String> {
    let is_escaped = |c: char| match encode {
        Encode::Yaml => c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'),
        _ => c < ' ',
    };
    mapped(value, 6, |c, out| match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_escaped(c) => {
            out.push_str("\\u");
            push_hex(out, u32::from(c), 4);
        }
        c => out.push(c),
    })
}

/// Quotes `value` as ADO.NET's
/// [`DbConnectionStringBuilder`](https://learn.microsoft.com/dotnet/api/system.data.common.dbconnectionstringbuilder)
/// does: only if needed, in double quotes unless the value contains those alone. A quotation mark inside is doubled.
/// ODBC and JDBC have braces instead.
fn ado(value: &str, quote: Option<char>) -> Zeroizing<String> {
    let is_special = |c: char| matches!(c, '"' | '\'' | '=' | ';') || c.is_whitespace() || c.is_control();
    match quote {
        Some('{') if value.starts_with('{') || value.contains(is_special) => wrapped("{", &doubled(value, '}'), "}"),
        Some('{') => Zeroizing::new(value.to_owned()),
        Some(quote) => doubled(value, quote),
        None if !value.contains(is_special) => Zeroizing::new(value.to_owned()),
        None if value.contains('"') && !value.contains('\'') => wrapped("'", value, "'"),
        None => wrapped("\"", &doubled(value, '"'), "\""),
    }
}

/// Quotes `value` for a POSIX
/// [shell](https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02).
fn shell(value: &str, quote: Option<char>) -> Zeroizing<String> {
    let single = |value: &str| {
        mapped(value, 4, |c, out| match c {
            '\'' => out.push_str(r"'\''"),
            c => out.push(c),
        })
    };
    match quote {
        Some('"') => mapped(value, 2, |c, out| match c {
            '"' | '$' | '`' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }),
        Some(_) => single(value),
        None => wrapped("'", &single(value), "'"),
    }
}

fn doubled(value: &str, quote: char) -> Zeroizing<String> {
    mapped(value, 2, |c, out| {
        out.push(c);
        out.extend((c == quote).then_some(c));
    })
}

fn wrapped(open: &str, value: &str, close: &str) -> Zeroizing<String> {
    Zeroizing::new([open, value, close].concat())
}

/// Writes each character of `value` with `write`, which writes at most `longest` bytes for each byte. So the buffer
/// never grows, because a string that grows leaves copies of itself in memory.
fn mapped(value: &str, longest: usize, mut write: impl FnMut(char, &mut String)) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(value.len() * longest));
    value.chars().for_each(|c| write(c, &mut text));
    text
}

fn push_hex(out: &mut String, number: u32, digits: u32) {
    let digit = |at: u32| char::from_digit((number >> (4 * at)) & 15, 16).unwrap_or('0').to_ascii_uppercase();
    out.extend((0..digits).rev().map(digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_follows_the_rule_of_its_format() {
        for (encode, quote, value, expected) in [
            (Encode::None, None, "a;b", "a;b"),
            (Encode::Url, None, "p@ss/w?#:%ü é~-._", "p%40ss%2Fw%3F%23%3A%25%C3%BC%20%C3%A9~-._"),
            (Encode::Json, Some('"'), "a\"b\\c\n\u{1}ü/", r#"a\"b\\c\n\u0001ü/"#),
            (Encode::Json, None, "a\"b", r#""a\"b""#),
            (Encode::Xml, None, "<a & 'b' \"c\">\n", "&lt;a &amp; &#39;b&#39; &quot;c&quot;&gt;&#10;"),
            (Encode::Yaml, None, "a: #b\t\u{85}\"", r#""a: #b\t\u0085\"""#),
            (Encode::Yaml, Some('"'), "a\\b", r"a\\b"),
            (Encode::Yaml, Some('\''), "it's", "it''s"),
            (Encode::Ado, None, "plain", "plain"),
            (Encode::Ado, None, "", ""),
            (Encode::Ado, None, "a;b", "\"a;b\""),
            (Encode::Ado, None, "a=b", "\"a=b\""),
            (Encode::Ado, None, " a", "\" a\""),
            (Encode::Ado, None, "a\"b", "'a\"b'"),
            (Encode::Ado, None, "a'b", "\"a'b\""),
            (Encode::Ado, None, "a'b\"c", "\"a'b\"\"c\""),
            (Encode::Ado, Some('\''), "a'b;c", "a''b;c"),
            (Encode::Ado, Some('}'), "a}b;\"c\"", "a}}b;\"c\""),
            (Encode::Ado, Some('{'), "a;b}c\"", "{a;b}}c\"}"),
            (Encode::Ado, Some('{'), "{a", "{{a}"),
            (Encode::Ado, Some('{'), "a{b", "a{b"),
            (Encode::Base64, None, "ü?", "w7w/"),
            (Encode::Shell, None, "it's $HOME", r"'it'\''s $HOME'"),
            (Encode::Shell, Some('\''), "it's", r"it'\''s"),
            (Encode::Shell, Some('"'), "a$b`c\"\\", r#"a\$b\`c\"\\"#),
        ] {
            let encoded = encode.encode(value, quote).unwrap();
            assert_eq!(*encoded, expected, "{encode:?} {quote:?} {value}");
            assert_eq!(Encode::parse(&encode.name().to_uppercase()).unwrap(), encode);
        }
        assert!(Encode::parse("percent").is_err());
    }

    #[test]
    fn a_character_without_a_form_in_the_format_is_an_error_without_the_value() {
        for (encode, quote, value) in [
            (Encode::Xml, None, "canary\u{1}"),
            (Encode::Ado, None, "canary\0"),
            (Encode::Shell, None, "canary\0"),
            (Encode::Yaml, Some('\''), "canary\n"),
        ] {
            let error = encode.encode(value, quote).unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn json_and_yaml_strings_are_read_back_unchanged() {
        let value: String = ('\0'..'\u{300}').chain(['\u{2028}', '\u{feff}', '\u{10ffff}']).collect();
        let json = Encode::Json.encode(&value, None).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }

    #[test]
    fn base64_is_decoded_with_line_breaks() {
        assert_eq!(*decode_base64("w7w/\r\nw7w/\n").unwrap(), "ü?ü?");
        for value in ["canary!", "/w=="] {
            assert!(!format!("{:?}", decode_base64(value).unwrap_err()).contains(value), "{value}");
        }
    }
}
