//! References to secrets in Key Vault.

use keyvault::{Error, SecretId};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::value::malformed;

/// Returns the reference that core resolves for the content of a key-value, such as
/// `{"uri":"https://contoso.vault.azure.net/secrets/db-password"}`
/// ([schema](https://github.com/Azure/AppConfiguration/blob/main/docs/ConfigurationTypes/KeyVaultReference.v1.0.0.schema.json)).
/// Members other than `uri` are ignored, as the official providers do.
///
/// # Errors
///
/// [`Invalid`](keyvault::ErrorKind::Invalid), without the content, if it is not JSON with the `uri` of a secret.
pub(super) fn reference_text(content: &str) -> Result<Zeroizing<String>, Error> {
    #[derive(Deserialize)]
    struct Content {
        uri: Zeroizing<String>,
    }
    let Content { uri } = serde_json::from_str(content)
        .map_err(|_| malformed("Key Vault reference is not JSON with the URI of a secret", HELP))?;
    // The text is made of the parsed identifier, so that no part of a URI can end the reference early.
    let secret = SecretId::parse(&uri).map_err(|error| {
        malformed("Key Vault reference has no URI of a secret", error.help().unwrap_or(HELP)).caused_by(error.clause())
    })?;
    Ok(Zeroizing::new(format!("@Microsoft.KeyVault(SecretUri={})", secret.url())))
}

const HELP: &str = "the value of such a key-value is {\"uri\":\"https://VAULT.vault.azure.net/secrets/NAME\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_the_text_that_core_resolves() {
        for (content, expected) in [
            (
                r#"{"uri":"https://contoso.vault.azure.net/secrets/db-password"}"#,
                "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/db-password)",
            ),
            (
                r#" { "uri" : "https:\/\/Contoso.vault.azure.net:443\/secrets\/a\/0F\/" , "note": 1} "#,
                "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/a/0f)",
            ),
        ] {
            let text = reference_text(content).expect(content);
            assert_eq!(*text, expected, "{content}");
            let template = keyvault::Template::parse(&text).unwrap().expect("a reference");
            assert_eq!(template.references().count(), 1, "{content}");
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
            r#"{"secret_uri":"https://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/a","uri":"https://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary)@KeyVault(SecretName=b"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary;Optional=true"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/keys/canary"}"#,
            r#"{"uri":"http://contoso.vault.azure.net/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net.evil.example/secrets/canary"}"#,
            r#"{"uri":"https://contoso.vault.azure.net/secrets/canary""#,
        ] {
            let error = reference_text(content).expect_err(content);
            assert_eq!(error.kind(), keyvault::ErrorKind::Invalid, "{content}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{content}: {error:?}");
        }
    }
}
