//! The text around a reference, and the values that would change its structure.
//!
//! [`Surrounding`] combines what `text_format` says of the whole text and `line` of the line: the part of a URL
//! (`url_part`) or of a data source name of Go (`go_dsn`), or the pair of a connection string (`pairs`) that the
//! reference is in. `check` finds the values that would change it.

mod check;
mod go_dsn;
mod line;
mod pairs;
mod text_format;
mod url_part;

use self::go_dsn::DsnPart;
use self::line::Line;
use self::pairs::{Pairs, Quotes, Separator};
use self::text_format::{JsonStrings, TextFormat};
use self::url_part::UrlPart;
use super::encode::Encode;

/// What a secret must not contain at one place of a text, because it would change the text's structure.
///
/// The text is looked at as people write settings: a URL, a connection string of `name=value` pairs, JSON or XML. In
/// any other text every value is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surrounding {
    url: Option<UrlPart>,
    dsn: Option<DsnPart>,
    pairs: Option<Pairs>,
    json: Option<JsonPlace>,
    is_xml: bool,
    /// The innermost quotation mark around the reference, other than that of a JSON string.
    quote: Option<char>,
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
        let mut json = JsonStrings::new(text);
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
            let is_xml = format == TextFormat::Xml;
            Self { url: line.url_part(), dsn: line.dsn_part(), pairs: line.pairs(), json, is_xml, quote }
        };
        places.iter().map(of).collect()
    }

    /// Returns the quotation mark around the reference that `encode` has to keep. In a connection string of ODBC or
    /// JDBC, it is `}` within braces and `{` without them.
    pub(super) fn quote(&self, encode: Encode) -> Option<char> {
        match (encode, self.pairs) {
            (Encode::Json, _) if self.json == Some(JsonPlace::String) => Some('"'),
            (Encode::Ado, Some(Pairs { quotes: Quotes::Braces, .. })) => Some('}'),
            (
                Encode::Ado,
                Some(Pairs { quotes: Quotes::Nothing, separator: Separator::Semicolon { has_braces: true } }),
            ) => Some('{'),
            _ => self.quote,
        }
    }
}

/// Stands for a reference in the text around it: it is valid in a JSON string and as a JSON value.
pub(super) const PLACEHOLDER: char = '0';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Result};

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
            ("run --json '{\"password\":\"*\"}'", "a\\", "Encode=json"),
            ("host=db password='*' dbname=shop", "a\\b", "setting of its own"),
            ("host=db password='*' dbname=shop", "a'b", "as the text needs it"),
            ("Driver={ODBC Driver 18 for SQL Server};Server=db;Pwd={*};Encrypt=yes", "a}b", "Encode=ado"),
            ("Driver={ODBC Driver 18 for SQL Server};Server=db;Pwd=*;Encrypt=yes", "{a", "Encode=ado"),
            ("jdbc:sqlserver://db:1433;user=sa;password={*}", "a}", "Encode=ado"),
            ("jdbc:sqlserver://db:1433;user=sa;password=*", " a", "Encode=ado"),
            ("//app:*@db:5432/shop", "x@evil.example/", "Encode=url"),
            ("dsn=//*:pw@db", "a:b", "Encode=url"),
            ("db: '//app:pw@*/shop'", "evil.example/?", "Encode=url"),
            ("app:pw@tcp(db:3306)/*", "@tcp(evil:1)/x", "Encode=url"),
            ("app:pw@tcp(db)/shop?loc=*", "Europe/Berlin", "Encode=url"),
            ("app:pw@tcp(*)/shop", "evil)/x@tcp(db", "setting of its own"),
            ("*:pw@tcp(db)/shop", "a:b", "setting of its own"),
            ("grant_type=client_credentials&client_secret=*", "a&scope=all", "Encode=url"),
            ("client_secret=*&grant_type=client_credentials", "a+b", "Encode=url"),
            (r#"{"form": "a=b&secret=*"}"#, "a&b=c", "Encode=url"),
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
            ("Driver={ODBC Driver 18 for SQL Server};Server=db;Pwd={*};Encrypt=yes", "a;b{c=\"d'"),
            ("Server=db;Password=\"*\";", "a\\"),
            ("host=db password='*' dbname=shop", "a b=\"c"),
            ("grant_type=x&client_secret=*", "a=b;c,d"),
            ("Driver={ODBC Driver 18 for SQL Server};Server=db;Pwd=*;Encrypt=yes", "'a\"{b"),
            ("jdbc:sqlserver://db:1433;user=sa;password={*}", "a;b{ "),
            ("app:*@tcp(db:3306)/shop?parseTime=true", "x@tcp(evil:1)/y?z#:%41"),
            ("app:pw@tcp(*)/shop", "[::1]:3306"),
            ("//app:*@db/shop", "correct-horse_1.2~"),
            ("// see *", "a/b@c"),
            ("//share/*", "a/b@c"),
            ("Tom & Jerry, password=*", "a&b"),
            (r#"<a path="*" />"#, "C:\\"),
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
        let odbc = of("Driver={SQL};Pwd={*}");
        assert_eq!(odbc.quote(Encode::Ado), Some('}'));
        assert!(odbc.check("a}}b", Some(Encode::Ado)).is_ok());
        assert_eq!(of("jdbc:sqlserver://db;password=*").quote(Encode::Ado), Some('{'));
        assert_eq!(of(ADO).quote(Encode::Ado), None);
        let dsn = of("app:*@tcp(db)/shop");
        assert!(dsn.check("a%40b", Some(Encode::Url)).unwrap_err().to_string().contains("does not decode it"));
        assert!(dsn.check("ab", Some(Encode::Url)).is_ok() && dsn.check("a%40b", None).is_ok());
        assert!(of("app:pw@tcp(db)/*").check("a%2Fb", Some(Encode::Url)).is_ok());
        let command = "cd /srv && PASSWORD=*";
        assert!(of(command).check("'a&b'", Some(Encode::Shell)).is_ok());
        assert!(of(command).check("a&b", None).is_err());
    }

    #[test]
    fn many_places_in_one_line_are_looked_at_in_linear_time() {
        let text = "a=0;".repeat(2_000);
        let places: Vec<usize> = (0..2_000).map(|at| at * 4 + 2).collect();
        assert!(Surrounding::of_all(&text, &places).iter().all(|found| found.pairs.is_some()));
    }
}
