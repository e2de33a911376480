//! References to secrets in Key Vault.

use keyvault::{Error, ErrorKind, Result, SecretId};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Parses the content of a key-value that refers to a secret, such as
/// `{"uri":"https://contoso.vault.azure.net/secrets/db-password"}`
/// ([schema](https://github.com/Azure/AppConfiguration/blob/main/docs/ConfigurationTypes/KeyVaultReference.v1.0.0.schema.json)).
/// Ignores members other than `uri`, as the official providers do.
///
/// [`KeyValue::key_vault_reference`](crate::KeyValue::key_vault_reference) parses that of a key-value. This function
/// parses the content in an export.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid), without the content, if it is not JSON with the `uri` of a secret.
pub fn parse_key_vault_reference(content: &str) -> Result<SecretId> {
    #[derive(Deserialize)]
    struct Content {
        uri: Zeroizing<String>,
    }
    let malformed = |clause, help| Error::new(ErrorKind::Invalid, clause).with_help(help);
    // serde takes the members of an object from an array, too.
    let object = Some(content).filter(|content| content.trim_start().starts_with('{'));
    let Content { uri } = object
        .and_then(|object| serde_json::from_str(object).ok())
        .ok_or_else(|| malformed("Key Vault reference is not JSON with the URI of a secret", HELP))?;
    SecretId::parse(&uri).map_err(|error| {
        malformed("Key Vault reference has no URI of a secret", error.help().unwrap_or(HELP)).caused_by(error.clause())
    })
}

const HELP: &str = "the value of such a key-value is {\"uri\":\"https://VAULT.vault.azure.net/secrets/NAME\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_secret() {
        for (content, expected) in [
            (
                r#"{"uri":"https://contoso.vault.azure.net/secrets/db-password"}"#,
                "https://contoso.vault.azure.net/secrets/db-password",
            ),
            (
                r#" { "uri" : "https:\/\/Contoso.vault.azure.net:443\/secrets\/a\/0F\/" , "note": 1} "#,
                "https://contoso.vault.azure.net/secrets/a/0f",
            ),
        ] {
            let secret = parse_key_vault_reference(content).expect(content);
            assert_eq!(secret.url(), expected, "{content}");
        }
    }

    #[test]
    fn a_malformed_reference_is_refused_without_repeating_it() {
        for content in [
            "",
            "canary",
            "https://contoso.vault.azure.net/secrets/canary",
            r#"{"uri":null}"#,
            r#"{"uri":["canary"]}"#,
            r#"["https://contoso.vault.azure.net/secrets/canary"]"#,
            r#"{"secret_uri":"https://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/a","uri":"https://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary)@KeyVault(SecretName=b"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary;Optional=true"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/keys/canary"}"#,
            r#"{"uri":"http://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net.evil.example/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary""#,
        ] {
            let error = parse_key_vault_reference(content).expect_err(content);
            assert_eq!(error.kind(), keyvault::ErrorKind::Invalid, "{content}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{content}: {error:?}");
        }
    }
}
