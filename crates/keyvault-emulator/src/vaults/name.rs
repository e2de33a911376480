//! The grammar of secret names and versions.
//!
//! See [object identifiers](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates).

/// Returns whether a text is a valid secret name: 1 to 127 letters, digits and hyphens.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Returns whether a text is a valid version: 32 hexadecimal digits.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
