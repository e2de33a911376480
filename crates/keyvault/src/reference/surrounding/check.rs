//! The check of a value at its place in a text.

use serde::de::IgnoredAny;

use super::go_dsn::DsnPart;
use super::pairs::{Quotes, Separator, breaks_pair, breaks_words};
use super::url_part::UrlPart;
use super::{Encode, JsonPlace, Surrounding};
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

impl Surrounding {
    /// Checks that `value`, encoded by `encode`, does not change the structure of the text.
    pub(in crate::reference) fn check(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        if encode == Some(Encode::None) {
            return Ok(());
        }
        self.check_url(value, encode)?;
        self.check_dsn(value, encode)?;
        self.check_pairs(value, encode)?;
        self.check_json(value, encode)?;
        self.check_xml(value, encode)?;
        self.check_quotes(value, encode)
    }

    fn check_url(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        match self.url {
            Some(part) if encode != Some(Encode::Url) && part.is_changed_by(value) => {
                Err(changes("the URL around it", URL_HELP))
            }
            _ => Ok(()),
        }
    }

    fn check_dsn(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        let Some(part) = self.dsn else { return Ok(()) };
        let is_decoded = part == DsnPart::Encoded;
        if encode != Some(Encode::Url) {
            return match part.is_changed_by(value) {
                true => {
                    let help = if is_decoded { URL_HELP } else { OWN_SETTING };
                    Err(changes("the data source name of Go around it", help))
                }
                false => Ok(()),
            };
        }
        if !is_decoded && value.contains('%') {
            let clause = "secret is encoded for a URL, and the data source name of Go around it does not decode it";
            return Err(Error::new(ErrorKind::InvalidSettings, clause)
                .with_status(ReferenceStatus::OtherReasons)
                .with_help("remove Encode=url from the reference"));
        }
        Ok(())
    }

    fn check_pairs(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        let Some(pairs) = self.pairs else { return Ok(()) };
        match (pairs.quotes, pairs.separator) {
            (Quotes::Braces, _) if encode != Some(Encode::Ado) && value.contains('}') => {
                Err(changes("the braces around it", ADO_HELP))
            }
            // The ampersands may be those of a shell's `&&`.
            (Quotes::Nothing, Separator::Ampersand)
                if self.url.is_none()
                    && !matches!(encode, Some(Encode::Url | Encode::Shell))
                    && UrlPart::QueryValue.is_changed_by(value) =>
            {
                Err(changes("the form around it", URL_HELP))
            }
            (Quotes::Nothing, Separator::Semicolon { has_braces })
                if encode != Some(Encode::Ado) && breaks_pair(value, has_braces) =>
            {
                Err(changes("the connection string around it", ADO_HELP))
            }
            (Quotes::Nothing, Separator::Comma) if value.contains([',', '\r', '\n']) => {
                Err(changes("the list around it", OWN_SETTING))
            }
            (Quotes::Nothing, Separator::Space) if encode != Some(Encode::Shell) && breaks_words(value) => {
                Err(changes("the words around it", OWN_SETTING))
            }
            _ => Ok(()),
        }
    }

    fn check_json(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        let breaks_string = |c: char| matches!(c, '"' | '\\') || c < ' ';
        let is_changed = match self.json {
            _ if encode == Some(Encode::Json) => false,
            Some(JsonPlace::String) => value.contains(breaks_string),
            Some(JsonPlace::Value) => serde_json::from_str::<IgnoredAny>(value).is_err(),
            None => false,
        };
        if is_changed { Err(changes("the JSON around it", JSON_HELP)) } else { Ok(()) }
    }

    fn check_xml(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        if self.is_xml && encode != Some(Encode::Xml) && value.contains(['<', '&']) {
            return Err(changes("the XML around it", XML_HELP));
        }
        Ok(())
    }

    fn check_quotes(&self, value: &str, encode: Option<Encode>) -> Result<()> {
        let quoting = [Encode::Json, Encode::Yaml, Encode::Xml, Encode::Ado, Encode::Shell];
        let Some(quote) = self.quote.filter(|_| encode.is_none_or(|encode| !quoting.contains(&encode))) else {
            return Ok(());
        };
        let is_ado = self.pairs.is_some_and(|pairs| matches!(pairs.separator, Separator::Semicolon { .. }));
        let what = "the quoted text around it";
        if value.contains(quote) {
            return Err(changes(what, if is_ado { ADO_HELP } else { QUOTE_HELP }));
        }
        if is_ado || self.is_xml {
            return Ok(());
        }
        // libpq reads the character after any backslash as it is.
        let is_libpq = quote == '\''
            && self
                .pairs
                .is_some_and(|pairs| pairs.quotes == Quotes::QuotationMarks && pairs.separator == Separator::Space);
        if is_libpq && value.contains('\\') {
            return Err(changes(what, OWN_SETTING));
        }
        // Most other formats read the quotation mark after a backslash as a part of the text.
        if value.ends_with('\\') {
            return Err(changes(what, QUOTE_HELP));
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
    "add Encode=url to the reference, or Encode=none if the secret contains several parts of the URL";
const ADO_HELP: &str = "add Encode=ado to the reference, or Encode=none if the secret contains several pairs";
const JSON_HELP: &str = "add Encode=json to the reference, or Encode=none if the secret is JSON itself";
const XML_HELP: &str = "add Encode=xml to the reference, or Encode=none if the secret is XML itself";
const QUOTE_HELP: &str = "add Encode=json, yaml, xml, ado or shell to the reference, as the text needs it";
const OWN_SETTING: &str =
    "give the secret a setting of its own, or add Encode=url or base64 to the reference if the reader decodes it";
