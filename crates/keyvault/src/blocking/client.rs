//! A client whose calls block.

use super::list::SecretList;
use super::operation::{DeleteOperation, RecoverOperation};
use super::worker::Worker;
use crate::client::{DeletedSecret, NewSecret, SecretBackup, SecretUpdate};
use crate::error::Result;
use crate::secret::{Secret, SecretProperties, Vault};

/// A [`SecretClient`](crate::SecretClient) whose calls block.
///
/// It may be used anywhere: outside of a runtime and inside of one, where a call blocks the worker that makes it, as any
/// other blocking call does. The work is done by one thread of its own, which all clones share; it ends with the last of
/// them. `Clone` is cheap.
///
/// Each method costs, fails and is limited as the one of the same name there.
///
/// # Examples
///
/// ```no_run
/// # fn example() -> keyvault::Result<()> {
/// let client = keyvault::SecretClient::builder("https://contoso.vault.azure.net")
///     .credential(keyvault::default_credential()?)
///     .build_blocking()?;
/// let password = client.get("db-password")?;
/// for secret in client.list() {
///     println!("{}", secret?.id());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SecretClient {
    client: crate::SecretClient,
    worker: Worker,
}

impl SecretClient {
    pub(crate) fn new(client: crate::SecretClient) -> Result<Self> {
        Ok(Self { client, worker: Worker::start()? })
    }

    /// Copies the client for another vault; see [there](crate::SecretClient::with_vault).
    pub fn with_vault(&self, url: &str) -> Result<Self> {
        Ok(Self { client: self.client.with_vault(url)?, worker: self.worker.clone() })
    }

    /// Tells which vault the client is for.
    pub fn vault(&self) -> &Vault {
        self.client.vault()
    }

    /// Fetches the latest version of a secret; see [there](crate::SecretClient::get).
    pub fn get(&self, name: &str) -> Result<Secret> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.get(&name).await })
    }

    /// Fetches one version of a secret; see [there](crate::SecretClient::get_version).
    pub fn get_version(&self, name: &str, version: &str) -> Result<Secret> {
        let ((client, name), version) = (self.with(name), version.to_owned());
        self.worker.run(async move { client.get_version(&name, &version).await })
    }

    /// Fetches a certificate's secret as PEM; see [there](crate::SecretClient::get_pem).
    pub fn get_pem(&self, name: &str) -> Result<Secret> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.get_pem(&name).await })
    }

    /// Lists every secret of the vault; see [there](crate::SecretClient::list).
    pub fn list(&self) -> SecretList {
        SecretList::new(&self.worker, self.client.list())
    }

    /// Lists every version of a secret; see [there](crate::SecretClient::list_versions).
    pub fn list_versions(&self, name: &str) -> SecretList {
        SecretList::new(&self.worker, self.client.list_versions(name))
    }

    /// Sets a secret; see [there](crate::SecretClient::set).
    pub fn set(&self, name: &str, secret: impl Into<NewSecret>) -> Result<Secret> {
        let ((client, name), secret) = (self.with(name), secret.into());
        self.worker.run(async move { client.set(&name, secret).await })
    }

    /// Changes what is said about a version of a secret; see [there](crate::SecretClient::update).
    pub fn update(&self, name: &str, update: SecretUpdate) -> Result<SecretProperties> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.update(&name, update).await })
    }

    /// Begins to delete a secret; see [there](crate::SecretClient::begin_delete).
    pub fn begin_delete(&self, name: &str) -> Result<DeleteOperation> {
        let (client, name) = self.with(name);
        let begun = self.worker.run(async move { client.begin_delete(&name).await })?;
        Ok(DeleteOperation::new(&self.worker, begun))
    }

    /// Deletes a secret and waits for the end; see [there](crate::SecretClient::delete).
    pub fn delete(&self, name: &str) -> Result<DeletedSecret> {
        self.begin_delete(name)?.wait()
    }

    /// Tells what is left of a deleted secret; see [there](crate::SecretClient::get_deleted).
    pub fn get_deleted(&self, name: &str) -> Result<DeletedSecret> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.get_deleted(&name).await })
    }

    /// Lists the deleted secrets of the vault; see [there](crate::SecretClient::list_deleted).
    pub fn list_deleted(&self) -> SecretList<DeletedSecret> {
        SecretList::new(&self.worker, self.client.list_deleted())
    }

    /// Begins to recover a deleted secret; see [there](crate::SecretClient::begin_recover).
    pub fn begin_recover(&self, name: &str) -> Result<RecoverOperation> {
        let (client, name) = self.with(name);
        let begun = self.worker.run(async move { client.begin_recover(&name).await })?;
        Ok(RecoverOperation::new(&self.worker, begun))
    }

    /// Recovers a deleted secret and waits for the end; see [there](crate::SecretClient::recover).
    pub fn recover(&self, name: &str) -> Result<SecretProperties> {
        self.begin_recover(name)?.wait()
    }

    /// Purges a deleted secret; see [there](crate::SecretClient::purge).
    pub fn purge(&self, name: &str) -> Result<()> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.purge(&name).await })
    }

    /// Backs up a secret with all its versions; see [there](crate::SecretClient::backup).
    pub fn backup(&self, name: &str) -> Result<SecretBackup> {
        let (client, name) = self.with(name);
        self.worker.run(async move { client.backup(&name).await })
    }

    /// Restores a secret with all its versions; see [there](crate::SecretClient::restore).
    pub fn restore(&self, backup: &SecretBackup) -> Result<SecretProperties> {
        let (client, backup) = (self.client.clone(), backup.clone());
        self.worker.run(async move { client.restore(&backup).await })
    }

    fn with(&self, name: &str) -> (crate::SecretClient, String) {
        (self.client.clone(), name.to_owned())
    }
}
