//! References in the form of Azure App Configuration.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

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
    match serde_json::from_str::<UriMembers>(text) {
        Ok(members) => {
            let uri = members.uri.filter(|uri| is_secret_uri(uri))?;
            Some(match members.count {
                1 => SecretId::parse(&uri).map_err(Error::from),
                _ => Err(Error::invalid("App Configuration reference has members other than uri")),
            })
        }
        Err(_) if text.contains("\"uri\"") && text.contains("https://") && text.contains("/secrets/") => {
            Some(Err(Error::invalid("App Configuration reference is not valid JSON")))
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

/// The number of members of an object, and its first member called `uri`.
struct UriMembers {
    uri: Option<String>,
    count: usize,
}

impl<'de> Deserialize<'de> for UriMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UriMembersVisitor;

        impl<'de> Visitor<'de> for UriMembersVisitor {
            type Value = UriMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UriMembers, A::Error> {
                let mut members = UriMembers { uri: None, count: 0 };
                while let Some(name) = map.next_key::<String>()? {
                    members.count += 1;
                    if name == "uri" && members.uri.is_none() {
                        members.uri = map.next_value::<OptionalText>()?.0;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(UriMembersVisitor)
    }
}

/// A string, or `None` for a value of another type.
#[derive(Deserialize)]
#[serde(from = "serde_json::Value")]
struct OptionalText(Option<String>);

impl From<serde_json::Value> for OptionalText {
    fn from(value: serde_json::Value) -> Self {
        Self(value.as_str().map(str::to_owned))
    }
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
