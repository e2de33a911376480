//! The secret that a reference means.

use crate::secret::{SecretId, SecretName, SecretVersion};

/// The secret that a reference means, as its parameters name it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum ReferenceTarget {
    Uri(SecretId),
    Named { vault: Option<Box<str>>, name: SecretName, version: Option<SecretVersion> },
}
