//! References and text with references in it.

use keyvault::{Cloud, Reference, Template, Vault};

use crate::{assert_error_is_value_free, assert_value_free};

/// One reference: what parses is written as it reads, and is of a vault that is one.
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

/// Text: what has no marker stays as it is, what has one is a reference, an escape or an error.
pub(crate) fn template(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let marked = is_marked(text);
    match Template::parse(text) {
        Ok(Some(template)) => {
            let written = template.to_string();
            assert_eq!(Template::parse(&written).unwrap().as_ref(), Some(&template), "{written}");
            // Where the canary is the name of a secret, it is none.
            if !template.references().any(|reference| reference.to_string().contains(crate::CANARY)) {
                assert_value_free(&template);
            }
        }
        Ok(None) => assert!(!marked, "a reference was taken for text"),
        Err(error) => assert_error_is_value_free(&error),
    }
}

/// Tells whether anything in `text` begins like a reference.
pub(crate) fn is_marked(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["@keyvault(", "@microsoft.keyvault("].iter().any(|marker| text.contains(marker))
}
