//! Backup and restore of a secret with all its versions.

use std::fmt;

use azure_core::base64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::bundle::{ListItem, SecretBundle};
use super::operation::Operation;
use super::secret_client::SecretClient;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Request;
use crate::secret::SecretProperties;

/// A backup of a secret with all its versions, as the vault created it.
///
/// The bytes are the same that `az keyvault secret backup` writes to a file. Azure encrypts them, so they can be
/// [restored](SecretClient::restore) only to a vault of the same subscription and geography. An emulator may not
/// encrypt them, so they are zeroized on drop like a value, and `Debug` omits them.
#[derive(Clone)]
pub struct SecretBackup(Zeroizing<Vec<u8>>);

impl SecretBackup {
    /// Creates a backup from stored bytes. Only the vault can check them, in [`restore`](SecretClient::restore).
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the bytes, to store them in a safe place.
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

/// [`BackupSecretResult`](https://learn.microsoft.com/rest/api/keyvault/secrets/backup-secret/backup-secret#backupsecretresult),
/// and the body of
/// [restore](https://learn.microsoft.com/rest/api/keyvault/secrets/restore-secret/restore-secret#request-body).
#[derive(Deserialize, Serialize)]
struct BackupBody {
    value: Zeroizing<String>,
}

impl fmt::Debug for SecretBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretBackup").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Backs up a secret with all its versions. The vault backs up at most 500 versions.
    ///
    /// Costs one request, with a response of up to 64 MiB.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the vault has no such secret, or an [error of the
    /// request](SecretClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn backup(&self, name: &str) -> Result<SecretBackup> {
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["secrets", id.name().as_str(), "backup"])?;
        let response = self.pipeline.send(&Request::new(&Operation::Backup, url).about(&id)).await?;
        let malformed = || Error::new(ErrorKind::Unavailable, "vault's backup cannot be parsed").about(&id);
        let body: BackupBody = response.json().map_err(|_| malformed())?;
        let bytes = base64::decode_url_safe(body.value.as_bytes()).map_err(|_| malformed())?;
        Ok(SecretBackup::new(bytes))
    }

    /// Restores a secret with all its versions, under its own name and with the identifiers of its versions.
    ///
    /// Costs one request. It is retried only if the vault has certainly not carried it out.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the name is in use, deleted, or was purged a moment ago;
    /// [`Invalid`](ErrorKind::Invalid) if the bytes are not a backup that this vault can read; or an [error of the
    /// request](SecretClient#errors). After [`Unavailable`](ErrorKind::Unavailable) the advice says whether the secret
    /// may have been restored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn restore(&self, backup: &SecretBackup) -> Result<SecretProperties> {
        let value = Zeroizing::new(base64::encode_url_safe(backup.expose_secret()));
        let request = Request::new(&Operation::Restore, self.pipeline.url(&["secrets", "restore"])?);
        let bundle: SecretBundle = self.send_for(&request.with_json(&BackupBody { value })?).await?;
        SecretProperties::from_bundle(bundle, self.vault())
    }
}
