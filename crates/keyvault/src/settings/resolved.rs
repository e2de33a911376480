//! Text with its references replaced.

use std::fmt;

use zeroize::Zeroizing;

use crate::secret::SecretId;

/// Text in which secrets replace the references.
///
/// Only [`expose_secret`](Resolved::expose_secret) returns the text. Drop zeroizes it.
pub struct Resolved {
    pub(crate) text: Zeroizing<String>,
    pub(crate) secrets: Vec<SecretId>,
}

impl Resolved {
    pub(crate) fn literal(text: &str) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), secrets: Vec::new() }
    }

    /// Returns the plaintext.
    pub fn expose_secret(&self) -> &str {
        &self.text
    }

    /// Returns the secrets in the text, with their versions, in the order of the references.
    pub fn secrets(&self) -> &[SecretId] {
        &self.secrets
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}
