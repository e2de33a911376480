//! A secret with its versions, live or deleted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret_version::SecretVersion;

/// A secret with all its versions, oldest first. It has at least one.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct StoredSecret {
    /// The name in the case in which it was first set.
    pub(crate) name: String,
    pub(crate) versions: Vec<SecretVersion>,
    /// The end of a recovery, before which reads do not see the secret. Zero without a recovery, so that a clock that
    /// moves back hides nothing.
    #[serde(skip)]
    pub(crate) visible_at: Duration,
}

impl StoredSecret {
    /// Returns the latest version.
    pub(crate) fn latest(&self) -> &SecretVersion {
        self.versions.last().expect("a secret has a version")
    }

    /// Returns a version by identifier, or the latest.
    pub(crate) fn version(&self, id: Option<&str>) -> Option<&SecretVersion> {
        match id {
            Some(id) => self.versions.iter().find(|version| version.id == id),
            None => self.versions.last(),
        }
    }

    /// Returns a version by identifier, or the latest, for an update.
    pub(crate) fn version_mut(&mut self, id: Option<&str>) -> Option<&mut SecretVersion> {
        match id {
            Some(id) => self.versions.iter_mut().find(|version| version.id == id),
            None => self.versions.last_mut(),
        }
    }
}

/// A deleted secret.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct DeletedSecret {
    #[serde(rename = "item")]
    pub(crate) secret: StoredSecret,
    pub(crate) deleted_at: Duration,
    pub(crate) purged_at: Duration,
    /// The end of the deletion, before which neither live nor deleted reads see the secret.
    pub(crate) ready_at: Duration,
}
