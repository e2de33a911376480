//! The text around a reference, and the values that would change its structure.

use serde::de::IgnoredAny;

use super::encode::Encode;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// What a secret must not contain at one place of a text, because it would change the text's structure.
///
/// The text is looked at as people write settings: a URL, a connection string of `name=value` pairs, JSON or XML. In
/// any other text every value is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surrounding {
    url: Option<UrlPart>,
    pairs: Option<Pairs>,
    json: Option<JsonPlace>,
    is_xml: bool,
    /// The innermost quotation mark around the reference, other than that of a JSON string.
    quote: Option<char>,
}

/// The part of a URL that a secret is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum UrlPart {
    User,
    Password,
    Host,
    Path,
    /// The value of a parameter of the query.
    QueryValue,
    /// Whole parameters of the query, such as a shared access signature.
    Query,
    Fragment,
}

/// The `name=value` pairs of a text, in one value of which a reference is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Pairs {
    separator: Separator,
    /// Whether quotation marks are around the value.
    is_quoted: bool,
}

/// What separates pairs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Separator {
    Semicolon,
    Comma,
    Space,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum JsonPlace {
    String,
    Value,
}

impl Surrounding {
    /// Looks at the text around each place in `text`, in order. A place is the offset of one [`PLACEHOLDER`].
    ///
    /// Looks at a bounded part of the text for each place, so that the cost is linear.
    pub(super) fn of_all(text: &str, places: &[usize]) -> Vec<Self> {
        let format = TextFormat::of(text);
        let mut json = JsonStrings { text, at: 0, string: None };
        let of = |place: &usize| {
            let string = match format {
                TextFormat::Json | TextFormat::LikeJson => json.around(*place),
                TextFormat::Xml | TextFormat::Other => None,
            };
            let json = match (format, string) {
                (TextFormat::Json, None) => Some(JsonPlace::Value),
                (_, string) => string.map(|_| JsonPlace::String),
            };
            let line = Line::around(text, *place);
            let line = string.map_or(line, |start| line.within_string(*place - start - 1));
            let quote = line.quote().map(|(_, quote)| quote);
            Self { url: line.url_part(), pairs: line.pairs(), json, is_xml: format == TextFormat::Xml, quote }
        };
        places.iter().map(of).collect()
    }

    /// Returns the quotation mark around the reference that `encode` has to keep.
    pub(super) fn quote(&self, encode: Encode) -> Option<char> {
        if encode == Encode::Json && self.json == Some(JsonPlace::String) { Some('"') } else { self.quote }
    }

    /// Checks that `value`, encoded by `encode`, does not change the structure of the text.
    pub(super) fn check(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        let is_encoded = |by: &[Encode]| encode.is_some_and(|encode| by.contains(&encode));
        if is_encoded(&[Encode::None]) {
            return Ok(());
        }
        if !is_encoded(&[Encode::Url]) && self.url.is_some_and(|part| part.is_changed_by(value)) {
            return Err(changes("the URL around it", URL_HELP));
        }
        let bare = self.pairs.filter(|pairs| !pairs.is_quoted).map(|pairs| pairs.separator);
        match bare {
            Some(Separator::Semicolon) if !is_encoded(&[Encode::Ado]) && breaks_ado(value) => {
                return Err(changes("the connection string around it", ADO_HELP));
            }
            Some(Separator::Comma) if value.contains([',', '\r', '\n']) => {
                return Err(changes("the list around it", OWN_SETTING));
            }
            Some(Separator::Space) if !is_encoded(&[Encode::Shell]) && breaks_words(value) => {
                return Err(changes("the words around it", OWN_SETTING));
            }
            _ => {}
        }
        let breaks_string = |c: char| matches!(c, '"' | '\\') || c < ' ';
        match self.json {
            _ if is_encoded(&[Encode::Json]) => {}
            Some(JsonPlace::String) if value.contains(breaks_string) => {
                return Err(changes("the JSON around it", JSON_HELP));
            }
            Some(JsonPlace::Value) if serde_json::from_str::<IgnoredAny>(value).is_err() => {
                return Err(changes("the JSON around it", JSON_HELP));
            }
            _ => {}
        }
        if self.is_xml && !is_encoded(&[Encode::Xml]) && value.contains(['<', '&']) {
            return Err(changes("the XML around it", XML_HELP));
        }
        let quoting = [Encode::Json, Encode::Yaml, Encode::Xml, Encode::Ado, Encode::Shell];
        if let Some(quote) = self.quote.filter(|_| !is_encoded(&quoting))
            && value.contains(quote)
        {
            let is_ado = self.pairs.is_some_and(|pairs| pairs.separator == Separator::Semicolon);
            return Err(changes("the quoted text around it", if is_ado { ADO_HELP } else { QUOTE_HELP }));
        }
        Ok(())
    }
}

fn changes(what: &'static str, help: &'static str) -> Error {
    let clause = format!("secret has a character that changes the structure of {what}");
    let heading = "secret has a character that changes the structure of …";
    Error::from_clause(ErrorKind::InvalidSettings, heading, clause)
        .with_status(ReferenceStatus::OtherReasons)
        .with_help(help)
}

const URL_HELP: &str =
    "add Encode=url to the reference; Encode=none if the secret is meant to be several parts of the URL";
const ADO_HELP: &str = "add Encode=ado to the reference; Encode=none if the secret is meant to be several pairs";
const JSON_HELP: &str = "add Encode=json to the reference; Encode=none if the secret is meant to be JSON itself";
const XML_HELP: &str = "add Encode=xml to the reference; Encode=none if the secret is meant to be XML itself";
const QUOTE_HELP: &str = "add Encode=json, yaml, xml, ado or shell to the reference, as the text needs it";
const OWN_SETTING: &str =
    "give the secret a setting of its own, or add Encode=url or base64 to the reference if the reader decodes it";

impl UrlPart {
    fn is_changed_by(self, value: &str) -> bool {
        let delimiters: &[char] = match self {
            Self::User => &['/', '?', '#', '@', '\\', '[', ']', ':'],
            Self::Password => &['/', '?', '#', '@', '\\', '[', ']'],
            Self::Host => &['/', '?', '#', '@', '\\'],
            Self::Path => &['/', '?', '#', '\\'],
            Self::QueryValue => &['&', '#', '+'],
            Self::Query => &['#'],
            Self::Fragment => &[],
        };
        let decodes = !matches!(self, Self::Query | Self::Fragment) && has_escape(value);
        let is_dots = self == Self::Path && matches!(value, "." | "..");
        let splits = |c: char| c.is_whitespace() || c.is_control() || delimiters.contains(&c);
        decodes || is_dots || value.contains(splits)
    }
}

/// Returns whether a reader of the URL would decode a part of `value`.
fn has_escape(value: &str) -> bool {
    let mut escapes = value.as_bytes().windows(3);
    escapes.any(|bytes| bytes[0] == b'%' && bytes[1..].iter().all(u8::is_ascii_hexdigit))
}

/// Returns whether an unquoted `value` is read differently, by the rules of
/// [ADO.NET](https://learn.microsoft.com/dotnet/api/system.data.sqlclient.sqlconnection.connectionstring#remarks).
fn breaks_ado(value: &str) -> bool {
    let is_outer = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let splits = |c: char| c == ';' || c.is_control();
    value.contains(splits) || value.starts_with(is_outer) || value.starts_with('=') || value.ends_with(is_outer)
}

/// Returns whether an unquoted `value` is read differently in words such as those of libpq.
fn breaks_words(value: &str) -> bool {
    value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '\\') || value.starts_with(['\'', '"'])
}

/// Stands for a reference in the text around it: it is valid in a JSON string and as a JSON value.
pub(super) const PLACEHOLDER: char = '0';

#[derive(Clone, Copy, Eq, PartialEq)]
enum TextFormat {
    Json,
    /// Text that begins like JSON and is not, such as JSON with comments.
    LikeJson,
    Xml,
    Other,
}

impl TextFormat {
    fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim();
        match text.chars().next() {
            // Text in brackets is not JSON for that alone.
            Some('{' | '[') if !text.contains('"') => Self::Other,
            Some('{' | '[') if serde_json::from_str::<IgnoredAny>(text).is_ok() => Self::Json,
            Some('{' | '[') => Self::LikeJson,
            Some('<') if text.ends_with('>') => Self::Xml,
            _ => Self::Other,
        }
    }
}

/// The strings of a JSON text, in one pass.
struct JsonStrings<'t> {
    text: &'t str,
    at: usize,
    /// The offset of the string that is open at `at`.
    string: Option<usize>,
}

impl JsonStrings<'_> {
    /// Returns the offset of the string around `place`. The places come in order.
    fn around(&mut self, place: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        while self.at < place {
            match bytes[self.at] {
                b'\\' if self.string.is_some() => self.at += 1,
                b'"' => self.string = if self.string.is_some() { None } else { Some(self.at) },
                _ => {}
            }
            self.at += 1;
        }
        self.string
    }
}

/// The line around a reference, at most [`WIDTH`] bytes on each side.
#[derive(Clone, Copy)]
struct Line<'t> {
    before: &'t str,
    after: &'t str,
}

const WIDTH: usize = 1_024;

impl<'t> Line<'t> {
    fn around(text: &'t str, place: usize) -> Self {
        let boundary = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let start = boundary(place.saturating_sub(WIDTH));
        let after = place + PLACEHOLDER.len_utf8();
        let end = boundary(text.len().min(after + WIDTH));
        let before = &text[start..place];
        let before = before.rfind(['\r', '\n']).map_or(before, |at| &before[at + 1..]);
        Self { before, after: text[after..end].split(['\r', '\n']).next().unwrap_or_default() }
    }

    /// Returns the part within a JSON string that begins `length` bytes before the reference.
    fn within_string(&self, length: usize) -> Self {
        let before = self.before.len().checked_sub(length).map_or(self.before, |start| &self.before[start..]);
        Self { before, after: self.after.split('"').next().unwrap_or_default() }
    }

    /// Returns the quotation mark that opens before the reference and closes after it, with its offset.
    fn quote(&self) -> Option<(usize, char)> {
        let (mut open, mut previous) = (None, ' ');
        let mut letters = self.before.char_indices();
        while let Some((at, letter)) = letters.next() {
            match (letter, open) {
                ('\\', _) => _ = letters.next(),
                // An apostrophe within a word opens nothing.
                ('"' | '\'', None) if !previous.is_alphanumeric() => open = Some((at, letter)),
                (letter, Some((_, quote))) if letter == quote => open = None,
                _ => {}
            }
            previous = letter;
        }
        open.filter(|(_, quote)| self.after.contains(*quote))
    }

    /// Returns the part of a URL that the reference is in.
    fn url_part(&self) -> Option<UrlPart> {
        let (before, rest) = self.before.rsplit_once("://")?;
        let scheme = before.ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ';' | '`');
        if !scheme || rest.contains(ends) {
            return None;
        }
        if rest.contains('#') {
            return Some(UrlPart::Fragment);
        }
        if let Some((_, query)) = rest.split_once('?') {
            let parameter = query.rsplit('&').next().unwrap_or_default();
            return Some(if parameter.contains('=') { UrlPart::QueryValue } else { UrlPart::Query });
        }
        if rest.contains('/') {
            return Some(UrlPart::Path);
        }
        let authority = self.after.split(|c: char| ends(c) || matches!(c, '/' | '?' | '#')).next().unwrap_or_default();
        Some(match rest.rsplit_once('@') {
            None if authority.contains('@') && rest.contains(':') => UrlPart::Password,
            None if authority.contains('@') => UrlPart::User,
            _ => UrlPart::Host,
        })
    }

    /// Returns the pairs that the reference is in the value of: those within its quotation marks, or else those around.
    fn pairs(&self) -> Option<Pairs> {
        let Some((at, quote)) = self.quote() else {
            return self.separator().map(|separator| Pairs { separator, is_quoted: false });
        };
        let (inner_after, outer_after) = self.after.split_once(quote).unwrap_or((self.after, ""));
        let inner = Line { before: &self.before[at + 1..], after: inner_after }.separator();
        let outer = || Line { before: &self.before[..at], after: outer_after }.separator();
        let inner = inner.map(|separator| Pairs { separator, is_quoted: false });
        inner.or_else(|| outer().map(|separator| Pairs { separator, is_quoted: true }))
    }

    /// Returns what separates the pairs of the line, if the reference is in the value of one.
    fn separator(&self) -> Option<Separator> {
        let separates = |separator: Separator| {
            let sign = separator.sign();
            let split = self.before.rsplit_once(sign);
            let (earlier, pair) = split.map_or((None, self.before), |(earlier, pair)| (Some(earlier), pair));
            let later = self.after.split_once(sign).map(|(_, later)| later);
            let follows = || later.is_some_and(|later| is_pair(later, separator));
            let is_list = match separator {
                Separator::Semicolon => earlier.is_some() || later.is_some(),
                Separator::Comma | Separator::Space => earlier.is_some_and(|text| !text.trim().is_empty()) || follows(),
            };
            // A pair whose value is in quotation marks ends with them.
            is_list && is_pair(pair, separator) && !pair.contains(['"', '\'', '<', '>'])
        };
        [Separator::Semicolon, Separator::Comma, Separator::Space].into_iter().find(|separator| separates(*separator))
    }
}

impl Separator {
    fn sign(self) -> char {
        match self {
            Self::Semicolon => ';',
            Self::Comma => ',',
            Self::Space => ' ',
        }
    }
}

/// Returns whether `text` begins like `name=`.
fn is_pair(text: &str, separator: Separator) -> bool {
    let text = text.trim_start();
    let Some((name, _)) = text.split_once('=') else { return false };
    let is_letter =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.') || (c == ' ' && separator != Separator::Space);
    !name.is_empty() && name.chars().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the value at `*` in `text`.
    fn check(text: &str, value: &str) -> Result<()> {
        let place = text.find('*').unwrap();
        let text = text.replace('*', &PLACEHOLDER.to_string());
        Surrounding::of_all(&text, &[place])[0].check(value, None)
    }

    const URL: &str = "postgres://app:*@db:5432/shop?sslmode=require";
    const ADO: &str = "Server=db;Password=*;Encrypt=true";
    const JSON: &str = r#"{"user": "app", "password": "*"}"#;

    #[test]
    fn a_value_that_changes_the_structure_is_refused_with_the_remedy() {
        for (text, value, help) in [
            (URL, "x@evil.example/", "Encode=url"),
            (URL, "a/b", "Encode=url"),
            (URL, "a?b", "Encode=url"),
            (URL, "a#b", "Encode=url"),
            (URL, "a\\b", "Encode=url"),
            (URL, "a b", "Encode=url"),
            (URL, "a%40b", "Encode=url"),
            (URL, "a\n", "Encode=url"),
            ("dsn postgres://*:pw@db", "a:b", "Encode=url"),
            ("redis://*/0", "evil@host", "Encode=url"),
            ("https://contoso.example/*/x", "../y", "Encode=url"),
            ("https://contoso.example/*/x", "..", "Encode=url"),
            ("https://contoso.example/?sig=*&x=1", "a+b", "Encode=url"),
            ("https://contoso.example/?sig=*&x=1", "a&x=2", "Encode=url"),
            ("https://contoso.example/?*", "a#b", "Encode=url"),
            ("jdbc:postgresql://db/shop?user=a&password=*", "a&b", "Encode=url"),
            (r#"{"url": "https://a:*@b"}"#, "c@d", "Encode=url"),
            (ADO, "a;Server=evil", "Encode=ado"),
            (ADO, " a", "Encode=ado"),
            (ADO, "a ", "Encode=ado"),
            (ADO, "'a", "Encode=ado"),
            (ADO, "a\"", "Encode=ado"),
            (ADO, "=a", "Encode=ado"),
            (ADO, "a\nb", "Encode=ado"),
            ("Server=db;Pwd=*", "a;b", "Encode=ado"),
            ("Pwd=*;Server=db", "a;b", "Encode=ado"),
            ("Server=db;Password='*';", "a'b", "Encode=ado"),
            ("Server=db;Password=\"*\";", "a\"b", "Encode=ado"),
            ("Endpoint=sb://contoso.example/;SharedAccessKey=*", "a;b", "Encode=ado"),
            ("jdbc:sqlserver://db:1433;user=sa;password=*", "a;b", "Encode=ado"),
            ("contoso.example:6380,password=*,ssl=True", "a,b", "setting of its own"),
            ("host=db password=* dbname=shop", "a host=evil", "setting of its own"),
            ("host=db password=*", "", "setting of its own"),
            (r#"{"db": "Server=db;Password=*"}"#, "a;Server=evil", "Encode=ado"),
            (r#"{"db": "Server=db;Password='*'"}"#, "a'b", "Encode=ado"),
            (r#"<add connectionString="Server=db;Password=*" />"#, "a;Server=evil", "Encode=ado"),
            ("db: \"Server=db;Password=*\"", "a;Server=evil", "Encode=ado"),
            (JSON, "a\"b", "Encode=json"),
            (JSON, "a\\b", "Encode=json"),
            (JSON, "a\nb", "Encode=json"),
            (r#"{"password": "*", } // comment"#, "a\"b", "Encode=json"),
            (r#"{"port": *}"#, "1, \"admin\": true", "Encode=json"),
            (r#"{"port": *}"#, "text", "Encode=json"),
            (r#"<add key="a" value="*" />"#, "a&b", "Encode=xml"),
            (r#"<add key="a" value="*" />"#, "a\" b=\"", "xml"),
            ("<a>*</a>", "<b/>", "Encode=xml"),
            ("run --password \"*\" now", "a\"b", "shell"),
        ] {
            let error = check(text, value).expect_err(&format!("{text}: {value}"));
            assert!(error.advice().unwrap_or_default().contains(help), "{text}: {value}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{text}: {value}");
        }
    }

    #[test]
    fn a_value_that_does_not_change_the_structure_passes() {
        for (text, value) in [
            (URL, "correct-horse_1.2~"),
            (URL, "a:b;c=d+e,f!$&'()*"),
            (URL, "100%"),
            (URL, "ü"),
            ("redis://*/0", "cache.example:6380"),
            ("https://contoso.example/*/x", "a:b@c"),
            ("https://contoso.example/blob?*", "sv=2024-01-01&sig=a%2Bb%3D"),
            ("https://contoso.example/?sig=*", "a/b=="),
            ("see https://contoso.example and *", "a/b?c#d@e"),
            (ADO, "a'b\"c=d=="),
            (ADO, "a/b+c=="),
            (ADO, ""),
            ("Server=db;Password='*';", "a;b\"c"),
            ("Server=db;*", "Encrypt=true;Pooling=false"),
            ("a; b; *", "c;d"),
            ("contoso.example:6380,password=*,ssl=True", "a=b;c"),
            ("host=db password=* dbname=shop", "a;b,c"),
            ("password=*", "a b;c,d"),
            ("--password=*", "a b"),
            ("Bearer *", "a.b/c+d="),
            (JSON, "a'b;c/d@e"),
            (r#"{"port": *}"#, "5432"),
            (r#"{"port": *}"#, "{\"a\": [1]}"),
            ("<a>*</a>", "a\"b'c>"),
            ("<a b=\"c\">*</a>", "d e;f,g"),
            ("a=\"b\" *", "c d"),
            ("[*]", "text"),
            ("{*}", "text"),
            ("*", "anything \"' <&>;"),
            ("prefix-*", "a b;\"c"),
            ("it's *, and it's fine", "a'b"),
            ("[section]\nkey = *", "a\\b\"c"),
        ] {
            let found = check(text, value);
            assert!(found.is_ok(), "{text}: {value}: {found:?}");
        }
    }

    #[test]
    fn an_encoded_value_passes_the_rule_of_its_format_only() {
        let of = |text: &str| {
            let place = text.find('*').unwrap();
            Surrounding::of_all(&text.replace('*', "0"), &[place])[0]
        };
        assert!(of(URL).check("a%40b", Some(Encode::Url)).is_ok());
        assert!(of(URL).check("a/b", Some(Encode::Base64)).is_err());
        assert!(of(URL).check("a/b", Some(Encode::None)).is_ok());
        assert!(of(JSON).check(r#"a\"b"#, Some(Encode::Json)).is_ok());
        assert!(of(r#"{"u": "https://a:*@b"}"#).check("a@b", Some(Encode::Json)).is_err());
        assert!(of(ADO).check("\"a;b\"", Some(Encode::Ado)).is_ok());
        assert!(of(ADO).check("a;b", Some(Encode::Url)).is_err());
    }

    #[test]
    fn many_places_in_one_line_are_looked_at_in_linear_time() {
        let text = "a=0;".repeat(2_000);
        let places: Vec<usize> = (0..2_000).map(|at| at * 4 + 2).collect();
        assert!(Surrounding::of_all(&text, &places).iter().all(|found| found.pairs.is_some()));
    }
}
