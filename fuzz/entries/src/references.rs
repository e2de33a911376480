//! References, and text with references.

use keyvault::{Cloud, Reference, Template, Vault};

use crate::{assert_error_is_value_free, assert_value_free};

/// Checks a reference: parsed and written again, it stays the same, and its secret ID is valid.
pub(crate) fn reference(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Reference::parse(text) {
        Ok(reference) => {
            let written = reference.to_string();
            assert_eq!(Reference::parse(&written).unwrap(), reference, "{written}");
            let default = Vault::parse("https://contoso.vault.azure.net").unwrap();
            if let Ok(id) = reference.secret_id(&default, Cloud::Public) {
                assert_eq!(keyvault::SecretId::parse(&id.url()).unwrap(), id);
            }
        }
        Err(error) => assert_error_is_value_free(&error),
    }
}

/// Checks a text: without a marker it contains no reference; with one, the result is a template or an error.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let marked = is_marked(text);
    match Template::parse(text) {
        Ok(Some(template)) => {
            let written = template.to_string();
            assert_eq!(Template::parse(&written).unwrap().as_ref(), Some(&template), "{written}");
            // The name of a secret is not confidential.
            if !template.references().any(|reference| reference.to_string().contains(crate::CANARY)) {
                assert_value_free(&template);
            }
        }
        Ok(None) => assert!(!marked, "a reference was not recognized"),
        Err(error) => assert_error_is_value_free(&error),
    }
}

/// Returns whether `text` contains the start of a reference.
pub(crate) fn is_marked(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["@keyvault(", "@microsoft.keyvault("].iter().any(|marker| text.contains(marker))
}
