//! The access keys of the stores.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::random;

/// The access keys of every store of an emulator.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct AccessKeys {
    pub(crate) read_write: AccessKey,
    pub(crate) read_only: AccessKey,
}

/// An access key: the credential of a signed request.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    /// The secret in base64, as the connection string contains it.
    pub(crate) secret: String,
}

impl AccessKeys {
    /// Creates random keys.
    pub(crate) fn random() -> Self {
        Self { read_write: AccessKey::random(), read_only: AccessKey::random() }
    }

    /// Returns whether both secrets can be read.
    pub(crate) fn is_valid(&self) -> bool {
        [&self.read_write, &self.read_only].into_iter().all(|key| key.signing_key().is_some())
    }

    /// Returns the key with an identifier, and whether it grants writes.
    pub(super) fn find(&self, id: &str) -> Option<(&AccessKey, Access)> {
        match id {
            _ if self.read_write.id == id => Some((&self.read_write, Access::ReadWrite)),
            _ if self.read_only.id == id => Some((&self.read_only, Access::ReadOnly)),
            _ => None,
        }
    }
}

impl AccessKey {
    fn random() -> Self {
        Self { id: random::hex(), secret: STANDARD.encode(random::bytes::<32>()) }
    }

    /// Returns the key that signs requests. `None` if the secret is empty or not base64: an empty key proves nothing.
    pub(super) fn signing_key(&self) -> Option<hmac::Key> {
        let secret = STANDARD.decode(&self.secret).ok().filter(|secret| !secret.is_empty())?;
        Some(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// Returns the connection string of a store.
    pub(crate) fn connection_string(&self, endpoint: &str) -> String {
        format!("Endpoint={endpoint};Id={};Secret={}", self.id, self.secret)
    }
}

/// The operations that a credential grants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
}
