//! References in the form of Azure App Configuration.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::secret::SecretId;

/// Parses `{"uri":"https://contoso.vault.azure.net/secrets/db-password"}`. Returns `None` for any other text.
///
/// The
/// [schema](https://github.com/Azure/AppConfiguration/blob/main/docs/ConfigurationTypes/KeyVaultReference.v1.0.0.schema.json)
/// allows only that member. An object whose `uri` is not the URI of a secret is not a reference. An object with the URI
/// of a secret and a further member, or with malformed JSON, is an error, so that no setting receives its text.
pub(crate) fn parse(text: &str) -> Option<Result<SecretId>> {
    let text = text.trim();
    if !text.starts_with('{') || !text.contains("uri") {
        return None;
    }
    match serde_json::from_str::<UriObject>(text) {
        Ok(object) => {
            let uri = object.uri.as_str().filter(|uri| is_secret_uri(uri))?;
            Some(if object.others.is_empty() {
                SecretId::parse(uri).map_err(Error::from)
            } else {
                Err(Error::invalid("App Configuration reference has members other than uri"))
            })
        }
        Err(_) if text.contains("\"uri\"") && text.contains("https://") && text.contains("/secrets/") => {
            Some(Err(Error::invalid("App Configuration reference is not valid JSON with one uri")))
        }
        Err(_) => None,
    }
}

/// Returns whether a URI looks like that of a secret: its path begins with `/secrets/`.
pub(crate) fn is_secret_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.trim().split_once("://") else { return false };
    let path = rest.split_once('/').map(|(_, path)| path.to_ascii_lowercase());
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    is_web && path.is_some_and(|path| path.starts_with("secrets/"))
}

/// An object with a member called `uri`, once and of any type, and other members.
#[derive(Deserialize)]
struct UriObject {
    #[serde(default)]
    uri: Value,
    #[serde(flatten)]
    others: BTreeMap<String, IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_the_uri_of_a_secret_is_a_reference() {
        for (text, name, version) in [
            (r#"{"uri":"https://contoso.vault.azure.net/secrets/a"}"#, "a", None),
            (r#"  { "uri" : "https://contoso.vault.azure.net/secrets/a/" }  "#, "a", None),
            (r#"{"uri":"https://contoso.vault.azure.net/secrets/a/0F"}"#, "a", Some("0f")),
            (r#"{"uri":"https:\/\/contoso.vault.azure.net\/secrets\/a"}"#, "a", None),
            (r#"{"uri":"HTTPS://contoso.vault.azure.net/Secrets/a"}"#, "a", None),
        ] {
            let id = parse(text).unwrap().unwrap();
            let found = id.version().map(ToString::to_string);
            assert_eq!((id.name().as_str(), found.as_deref()), (name, version), "{text}");
        }
    }

    #[test]
    fn malformed_references_are_refused_without_repeating_them() {
        for text in [
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary","other":1}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/a","uri":"https://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary_x"}"#,
            r#"{"uri":"http://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net.evil.example/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net@evil.example/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary""#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary"} x"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary?x=1"}"#,
        ] {
            let error = parse(text).expect(text).expect_err(text);
            assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{text}: {error:?}");
        }
    }

    #[test]
    fn other_objects_and_other_text_are_not_references() {
        for text in [
            "",
            "{}",
            r#"{"uri":1}"#,
            r#"{"uri":"https://contoso.example/hook"}"#,
            r#"{"uri":"http://contoso.example/secrets"}"#,
            r#"{"URI":"https://contoso.vault.azure.net/secrets/a"}"#,
            r#"{"url":"https://contoso.vault.azure.net/secrets/a"}"#,
            r#"{"x":{"uri":"https://contoso.vault.azure.net/secrets/a"}}"#,
            r#"["https://contoso.vault.azure.net/secrets/a"]"#,
            "https://contoso.vault.azure.net/secrets/a",
            "{uri of my secrets}",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
