//! Text with its references replaced.

use std::fmt;

use zeroize::Zeroizing;

use crate::secret::SecretId;

/// Text in which secrets stand in the place of references.
///
/// The text leaves through [`expose_secret`](Resolved::expose_secret) only, and is zeroized on drop.
pub struct Resolved {
    text: Zeroizing<String>,
    secrets: Vec<SecretId>,
}

impl Resolved {
    pub(crate) fn literal(text: &str) -> Self {
        Self::filled(Zeroizing::new(text.to_owned()), Vec::new())
    }

    pub(crate) fn filled(text: Zeroizing<String>, secrets: Vec<SecretId>) -> Self {
        Self { text, secrets }
    }

    /// Gives out the plaintext.
    pub fn expose_secret(&self) -> &str {
        &self.text
    }

    /// Tells which secrets are in the text, with their versions.
    pub fn secrets(&self) -> &[SecretId] {
        &self.secrets
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}
