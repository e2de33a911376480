//! A secret with all its versions, in one piece.

use std::fmt;

use azure_core::base64;
use zeroize::Zeroizing;

use super::SecretClient;
use super::call::Call;
use super::verb::Verb;
use super::wire::{Backup, SecretBundle};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretProperties;

/// A backup of a secret with all its versions, as the vault made it.
///
/// The bytes are what `az keyvault secret backup` writes into a file. Azure encrypts them, so that they can be
/// [restored](SecretClient::restore) only into a vault of the same subscription and geography; an emulator may not
/// encrypt them, so they are zeroized on drop like a value, and `Debug` does not show them.
#[derive(Clone)]
pub struct SecretBackup(Zeroizing<Vec<u8>>);

impl SecretBackup {
    /// Takes the bytes of a backup that was made earlier. Restoring tells whether they are one.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Gives out the bytes, to keep them somewhere safe.
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretBackup").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Backs up a secret with all its versions; a vault refuses to back up more than 500.
    ///
    /// One request, with an answer of up to 64 MiB.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the vault has no such secret, else what the vault or the way to it said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request.
    pub async fn backup(&self, name: &str) -> Result<SecretBackup> {
        let id = self.id(name, None)?;
        let call = Call::new(Verb::Backup, self.url(&["secrets", id.name().as_str(), "backup"])?).about(&id);
        let unreadable = || Error::new(ErrorKind::Unavailable, "vault answered with something else than a backup");
        let backup: Backup = self.exchange.call(&call).await?.json().map_err(|_| unreadable().about(&id))?;
        let bytes = base64::decode_url_safe(backup.value.as_bytes()).map_err(|_| unreadable().about(&id))?;
        Ok(SecretBackup::new(bytes))
    }

    /// Restores a secret with all its versions, under its own name and with the versions' own identifiers.
    ///
    /// One request, which is sent a second time only when it is certain that the first was not carried out.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the name is in use, deleted or was purged a moment ago,
    /// [`Invalid`](ErrorKind::Invalid) if the bytes are no backup that this vault can read. After
    /// [`Unavailable`](ErrorKind::Unavailable) the advice tells whether the secret may have been restored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn restore(&self, backup: &SecretBackup) -> Result<SecretProperties> {
        let value = Zeroizing::new(base64::encode_url_safe(backup.expose_secret()));
        let call = Call::new(Verb::Restore, self.url(&["secrets", "restore"])?).with_json(&Backup { value })?;
        let bundle: SecretBundle = self.exchange.call(&call).await?.json()?;
        bundle.into_properties(self.vault())
    }
}
