//! References to settings of App Configuration in a template.
//!
//! The syntax is that of [App
//! Service](https://learn.microsoft.com/azure/app-service/app-service-configuration-references):
//! `@Microsoft.AppConfiguration(Endpoint=https://contoso.azconfig.io; Key=shop:url; Label=prod)`, or in short
//! `@AppConfiguration(Key=shop:url)`.

use std::ops::Range;

use keyvault_appconfig::Endpoint;
use zeroize::Zeroizing;

use crate::store::StoreContents;

/// One reference to a setting.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct SettingReference {
    key: String,
    label: Option<String>,
    endpoint: Option<String>,
    is_optional: bool,
}

/// The reason that a reference has no value, and the exit code.
pub(super) type Refusal = (&'static str, u8);

impl SettingReference {
    /// Finds every reference in `text`, well-formed or not, with its range of bytes, but no escaped one. A malformed
    /// one ends with its parenthesis or before the end of its line.
    pub(super) fn scan(text: &str) -> Vec<(Range<usize>, Result<Self, Refusal>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(distance) = text[at..].find('@') {
            at += distance;
            let Some(length) = marker_length(&text[at..]) else {
                at += 1;
                // The escape of a reference is no reference.
                if marker_length(&text[at..]).is_some() {
                    at += 1;
                }
                continue;
            };
            let rest = &text[at + length..];
            let line = rest.split(['\n', '\r']).next().unwrap_or_default();
            let (parameters, end) = match line.find(')') {
                Some(end) => (Self::parse(&line[..end]), end + 1),
                None => (Err(malformed("reference has no closing parenthesis on its line")), line.len()),
            };
            found.push((at..at + length + end, parameters));
            at += length + end;
        }
        found
    }

    /// Returns whether `text` begins like a reference.
    pub(super) fn begins(text: &str) -> bool {
        marker_length(text).is_some()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let [mut key, mut label, mut endpoint, mut optional] = [None, None, None, None];
        let text = text.trim();
        for parameter in text.strip_suffix(';').unwrap_or(text).split(';') {
            let (name, value) = parameter.split_once('=').ok_or(malformed("parameter of the reference has no ="))?;
            let place = match name.trim() {
                name if name.eq_ignore_ascii_case("Key") => &mut key,
                name if name.eq_ignore_ascii_case("Label") => &mut label,
                name if name.eq_ignore_ascii_case("Endpoint") => &mut endpoint,
                name if name.eq_ignore_ascii_case("Optional") => &mut optional,
                _ => {
                    return Err(malformed(
                        "unknown parameter of the reference, expected Key, Label, Endpoint, Optional",
                    ));
                }
            };
            let value = Some(value.trim()).filter(|value| !value.is_empty());
            let value = value.ok_or(malformed("parameter of the reference is empty"))?;
            if place.replace(value.to_owned()).is_some() {
                return Err(malformed("parameter of the reference is repeated"));
            }
        }
        let is_optional = match optional.as_deref() {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(malformed("value of Optional is neither true nor false")),
        };
        let key = key.ok_or(malformed("reference has no Key"))?;
        Ok(Self { key, label, endpoint, is_optional })
    }

    /// Returns the value of the setting, which may contain references. `None` if it is optional and not selected.
    pub(super) fn text(&self, store: Option<&StoreContents<'_>>) -> Result<Option<Zeroizing<String>>, Refusal> {
        let store = store.ok_or(malformed("reference needs a store: name it with --app-configuration"))?;
        if let Some(endpoint) = &self.endpoint
            && Endpoint::parse(endpoint).ok().as_ref() != Some(store.endpoint())
        {
            return Err(malformed("reference names another store than --app-configuration"));
        }
        match store.find(&self.key, self.label.as_deref()) {
            Some(setting) => {
                Ok(Some(setting.text().map_err(|_| malformed("Key Vault reference has no URI of a secret"))?))
            }
            None if self.is_optional => Ok(None),
            None => Err((NOT_SELECTED, 3)),
        }
    }
}

const NOT_SELECTED: &str = "no selected key-value has the key and the label of the reference: --select reads others";

fn malformed(message: &'static str) -> Refusal {
    (message, 2)
}

/// Returns the length of `@AppConfiguration(` or `@Microsoft.AppConfiguration(` at the start of `text`.
fn marker_length(text: &str) -> Option<usize> {
    let is_marker = |marker: &&str| text.get(..marker.len()).is_some_and(|head| head.eq_ignore_ascii_case(marker));
    ["@AppConfiguration(", "@Microsoft.AppConfiguration("].into_iter().find(is_marker).map(str::len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(key: &str, label: Option<&str>, endpoint: Option<&str>, is_optional: bool) -> SettingReference {
        let [label, endpoint] = [label, endpoint].map(|text| text.map(str::to_owned));
        SettingReference { key: key.to_owned(), label, endpoint, is_optional }
    }

    #[test]
    fn a_reference_is_read_as_app_service_writes_it() {
        let endpoint = Some("https://contoso.azconfig.io");
        for (text, expected) in [
            ("@AppConfiguration(Key=shop:url)", reference("shop:url", None, None, false)),
            (
                "@Microsoft.AppConfiguration(Endpoint=https://contoso.azconfig.io; Key=a b; Label=prod)",
                reference("a b", Some("prod"), endpoint, false),
            ),
            ("@appconfiguration( key = a=b ; OPTIONAL=True; )", reference("a=b", None, None, true)),
        ] {
            let found = SettingReference::scan(&format!("x{text}y"));
            assert_eq!(found, [(1..text.len() + 1, Ok(expected))], "{text}");
        }
    }

    #[test]
    fn a_malformed_reference_is_refused() {
        for text in [
            "@AppConfiguration()",
            "@AppConfiguration(Label=a)",
            "@AppConfiguration(Key=)",
            "@AppConfiguration(Key=a;Key=b)",
            "@AppConfiguration(Name=a)",
            "@AppConfiguration(a)",
            "@AppConfiguration(Key=a;Optional=1)",
            "@AppConfiguration(Key=a;;Label=b)",
            "@AppConfiguration(Key=a",
        ] {
            let found = SettingReference::scan(&format!("{text}\n)"));
            assert!(matches!(&found[..], [(range, Err((_, 2)))] if *range == (0..text.len())), "{text}: {found:?}");
        }
    }

    #[test]
    fn an_escaped_reference_is_none() {
        for text in ["@@AppConfiguration(Key=a)", "AppConfiguration(Key=a)", "@AppConfig(Key=a)", "@", "@@"] {
            assert_eq!(SettingReference::scan(text), [], "{text}");
        }
        let two = SettingReference::scan("@AppConfiguration(Key=a)@AppConfiguration(Key=b)");
        assert_eq!(two.len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_scanner_panic(text in "(@|AppConfiguration|\\(|\\)|Key=|;|\n|é|x){0,20}") {
            let mut end = 0;
            for (range, _) in SettingReference::scan(&text) {
                prop_assert!(range.start >= end && text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
