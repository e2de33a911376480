//! A secret that a load requests by name.

use crate::secret::SecretName;
use crate::settings::Key;

/// The requirement on a requested secret: the result of a load if the secret does not exist.
///
/// The strictest requirement comes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Requirement {
    /// The load fails, because the list showed the secret a moment earlier.
    Listed,
    /// The load fails.
    Required,
    /// The load skips the secret and notes it.
    Optional,
    /// The load skips the secret without a note.
    Possible,
}

/// One secret to request, and the setting that it gives.
pub(crate) struct RequestedSecret {
    pub(crate) name: SecretName,
    pub(crate) key: Key,
    pub(crate) requirement: Requirement,
}
