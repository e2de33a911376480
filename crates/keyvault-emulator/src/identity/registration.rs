//! The registration of the emulator's application in its tenant.

use serde::{Deserialize, Serialize};

use crate::app_configuration::AccessKeys;
use crate::random;

/// The one tenant, the one application in it, and their secrets.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct AppRegistration {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// The value that App Service requires in the header `X-IDENTITY-HEADER`.
    pub(crate) header: String,
    /// The key that signs tokens.
    pub(crate) token_key: String,
    /// The access keys of the App Configuration stores. Absent in the file of an emulator without them.
    #[serde(default = "AccessKeys::random")]
    pub(crate) access_keys: AccessKeys,
}

impl AppRegistration {
    /// Creates a registration with random identifiers and secrets.
    pub(crate) fn random() -> Self {
        Self {
            tenant_id: random::uuid(),
            client_id: random::uuid(),
            client_secret: random::hex(),
            header: random::hex(),
            token_key: random::hex(),
            access_keys: AccessKeys::random(),
        }
    }
}
