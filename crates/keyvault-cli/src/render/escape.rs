//! Escaping a secret for the place in a document that it is put into.

use zeroize::Zeroizing;

use super::document::Style;

impl Style {
    /// Returns a whole value in other quotes, if it cannot keep those that are written. `keeps_line_breaks` is whether
    /// it is a block that keeps all line breaks at its end, and not one at most.
    pub(super) fn rewritten(self, values: &[&str], text: &str, keeps_line_breaks: bool) -> Option<Zeroizing<String>> {
        let any = |is_special: &dyn Fn(char) -> bool| values.iter().any(|value| value.contains(is_special));
        let is_too_long = || !keeps_line_breaks && (text == "\n" || text.ends_with("\n\n"));
        match self {
            Self::YamlPlain => Some(quoted(text, Escapes::Json)),
            Self::YamlSingle if any(&char::is_control) => Some(quoted(text, Escapes::Json)),
            Self::YamlLiteral if any(&|c| c.is_control() && c != '\n') => Some(quoted(text, Escapes::Json)),
            Self::YamlLiteral if is_too_long() => Some(quoted(text, Escapes::Json)),
            Self::YamlFolded if any(&char::is_control) => Some(quoted(text, Escapes::Json)),
            Self::TomlLiteral if any(&|c| c == '\'' || c.is_control()) => Some(quoted(text, Escapes::Json)),
            // Programs disagree on `\$` and `` \` `` in double quotes, and agree on single quotes.
            Self::EnvDouble if any(&|c| c == '$' || c == '`') && !text.contains(['\'', '\n', '\r']) => {
                Some(Zeroizing::new(format!("'{text}'")))
            }
            Self::EnvSingle if any(&|c| c == '\'') => Some(quoted(text, Escapes::Env)),
            Self::EnvPlain if any(&|c| !is_plain_in_env(c)) || text.is_empty() => {
                if text.contains(['\'', '\n', '\r']) {
                    Some(quoted(text, Escapes::Env))
                } else {
                    Some(Zeroizing::new(format!("'{text}'")))
                }
            }
            _ => None,
        }
    }

    /// Escapes a secret for the quotes that it is put into. `indent` is that of its line.
    pub(super) fn escaped(self, value: &str, indent: &str, is_first: bool) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Json | Self::YamlDouble | Self::TomlBasic => return escaped(value, Escapes::Json),
            Self::EnvDouble => return escaped(value, Escapes::Env),
            Self::YamlSingle => value.replace('\'', "''"),
            Self::YamlLiteral => value.replace('\n', &format!("\n{indent}")),
            Self::XmlText => {
                value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
            }
            Self::XmlAttribute => {
                let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let value = value.replace('"', "&quot;").replace('\'', "&#39;");
                value.replace('\t', "&#9;").replace('\n', "&#10;").replace('\r', "&#13;")
            }
            Self::XmlData => value.replace("]]>", "]]]]><![CDATA[>"),
            Self::Properties => return property(value, is_first),
            _ => value.to_owned(),
        })
    }
}

/// Returns whether no program gives `c` a meaning without quotes. A shell expands `~`.
fn is_plain_in_env(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:+=@%,^".contains(c)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Escapes {
    /// Those that JSON, TOML and YAML have in common.
    Json,
    /// Those of a shell, and line breaks.
    Env,
}

fn quoted(text: &str, escapes: Escapes) -> Zeroizing<String> {
    let inner = escaped(text, escapes);
    Zeroizing::new(["\"", inner.as_str(), "\""].concat())
}

fn escaped(text: &str, escapes: Escapes) -> Zeroizing<String> {
    // The longest escape has 12 bytes for a character of 4.
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 6));
    for c in text.chars() {
        match (c, escapes) {
            ('"' | '\\', _) => out.extend(['\\', c]),
            ('\n', _) => out.push_str("\\n"),
            ('\r', _) => out.push_str("\\r"),
            ('\t', Escapes::Json) => out.push_str("\\t"),
            ('$' | '`', Escapes::Env) => out.extend(['\\', c]),
            (_, Escapes::Env) => out.push(c),
            // Parsers differ in what they accept of these.
            (
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}',
                _,
            ) => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// Escapes the value of a property. Only ASCII is safe in every version of Java.
fn property(value: &str, is_first: bool) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 6));
    for (index, c) in value.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' if is_first && index == 0 => out.push_str("\\ "),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
    out
}
