//! The `name=value` pairs of a connection string, a list or words.

/// The `name=value` pairs of a text, in one value of which a reference is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pairs {
    pub(super) separator: Separator,
    pub(super) quotes: Quotes,
}

/// The signs around the value of a pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quotes {
    Nothing,
    QuotationMarks,
    /// The braces of ODBC and JDBC, within which only `}` has a meaning.
    Braces,
}

/// The separator of pairs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Separator {
    /// The pairs of a connection string. `has_braces` is whether braces quote a value, as in ODBC and JDBC, and not
    /// quotation marks, as in ADO.NET.
    Semicolon {
        has_braces: bool,
    },
    /// The pairs of a form, as in the query of a URL.
    Ampersand,
    Comma,
    Space,
}

impl Separator {
    pub(super) fn sign(self) -> char {
        match self {
            Self::Semicolon { .. } => ';',
            Self::Ampersand => '&',
            Self::Comma => ',',
            Self::Space => ' ',
        }
    }
}

/// Returns whether `text` begins like `name=`.
pub(super) fn is_pair(text: &str, separator: Separator) -> bool {
    let text = text.trim_start();
    let Some((name, _)) = text.split_once('=') else { return false };
    let is_letter =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.') || (c == ' ' && separator != Separator::Space);
    !name.is_empty() && name.chars().all(is_letter)
}

/// Returns whether a part of a connection string is one of [ODBC](https://learn.microsoft.com/openspecs/sql_server_protocols/ms-odbcstr/)
/// or of [SQL Server's JDBC](https://learn.microsoft.com/sql/connect/jdbc/building-the-connection-url) driver.
pub(super) fn has_braces(text: &str) -> bool {
    let is_odbc = |pair: &str| {
        let name = pair.split_once('=').map(|(name, _)| name.rsplit(['"', '\'']).next().unwrap_or_default().trim());
        name.is_some_and(|name| ["driver", "dsn"].iter().any(|key| name.eq_ignore_ascii_case(key)))
    };
    text.to_ascii_lowercase().contains("jdbc:sqlserver:") || text.split(';').any(is_odbc)
}

/// Returns whether an unquoted `value` of a connection string is read differently.
pub(super) fn breaks_pair(value: &str, has_braces: bool) -> bool {
    if !has_braces {
        return breaks_ado(value);
    }
    let splits = |c: char| c == ';' || c.is_control();
    value.contains(splits) || value.starts_with('{') || value.trim() != value
}

/// Returns whether an unquoted `value` is read differently, by the rules of
/// [ADO.NET](https://learn.microsoft.com/dotnet/api/system.data.sqlclient.sqlconnection.connectionstring#remarks).
fn breaks_ado(value: &str) -> bool {
    let is_outer = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let splits = |c: char| c == ';' || c.is_control();
    value.contains(splits) || value.starts_with(is_outer) || value.starts_with('=') || value.ends_with(is_outer)
}

/// Returns whether an unquoted `value` is read differently in words such as those of libpq.
pub(super) fn breaks_words(value: &str) -> bool {
    value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '\\') || value.starts_with(['\'', '"'])
}
