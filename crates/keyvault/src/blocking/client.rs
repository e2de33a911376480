//! A client with blocking calls.

use super::list::SecretList;
use super::poller::Poller;
use super::worker::Worker;
use crate::client::{DeletedSecret, SecretBackup, SecretClientBuilder, VersionProperties};
use crate::error::Result;
use crate::secret::{Secret, SecretProperties, Vault};

/// A [`SecretClient`](crate::SecretClient) with blocking calls.
///
/// It works outside of a runtime and inside of one, where a call blocks a worker thread of the runtime like any other
/// blocking call. One thread of its own serves the connections and timers of all clones, and ends with the last of
/// them. `Clone` is cheap.
///
/// Each method has the costs, limits and errors of the asynchronous method of the same name.
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

impl SecretClientBuilder {
    /// Builds a client with blocking calls, and starts its thread. Sends nothing to the vault.
    ///
    /// # Errors
    ///
    /// Those of [`build`](SecretClientBuilder::build), and [`Unavailable`](crate::ErrorKind::Unavailable) if the thread
    /// cannot be started.
    pub fn build_blocking(self) -> Result<SecretClient> {
        Ok(SecretClient { client: self.build()?, worker: Worker::start()? })
    }
}

impl SecretClient {
    /// Copies the client for another vault, like [`with_vault`](crate::SecretClient::with_vault).
    pub fn with_vault(&self, vault: &str) -> Result<Self> {
        Ok(Self { client: self.client.with_vault(vault)?, worker: self.worker.clone() })
    }

    /// Returns the vault that this client talks to.
    pub fn vault(&self) -> &Vault {
        self.client.vault()
    }

    /// Fetches the latest version of a secret, like [`get`](crate::SecretClient::get).
    pub fn get(&self, name: &str) -> Result<Secret> {
        self.worker.run(self.client.get(name))
    }

    /// Fetches one version of a secret, like [`get_version`](crate::SecretClient::get_version).
    pub fn get_version(&self, name: &str, version: &str) -> Result<Secret> {
        self.worker.run(self.client.get_version(name, version))
    }

    /// Fetches a certificate's secret as PEM, like [`get_pem`](crate::SecretClient::get_pem).
    pub fn get_pem(&self, name: &str) -> Result<Secret> {
        self.worker.run(self.client.get_pem(name))
    }

    /// Lists every secret of the vault, like [`list`](crate::SecretClient::list).
    pub fn list(&self) -> SecretList {
        SecretList::new(&self.worker, self.client.list())
    }

    /// Lists every version of a secret, like [`list_versions`](crate::SecretClient::list_versions).
    pub fn list_versions(&self, name: &str) -> SecretList {
        SecretList::new(&self.worker, self.client.list_versions(name))
    }

    /// Sets a secret, like [`set`](crate::SecretClient::set).
    pub fn set(&self, name: &str, value: impl Into<String> + Send) -> Result<Secret> {
        self.worker.run(self.client.set(name, value))
    }

    /// Sets a secret with properties, like [`set_with`](crate::SecretClient::set_with).
    pub fn set_with(
        &self,
        name: &str,
        value: impl Into<String> + Send,
        properties: VersionProperties,
    ) -> Result<Secret> {
        self.worker.run(self.client.set_with(name, value, properties))
    }

    /// Updates the properties of the latest version, like [`update`](crate::SecretClient::update).
    pub fn update(&self, name: &str, properties: VersionProperties) -> Result<SecretProperties> {
        self.worker.run(self.client.update(name, properties))
    }

    /// Updates the properties of one version, like [`update_version`](crate::SecretClient::update_version).
    pub fn update_version(&self, name: &str, version: &str, properties: VersionProperties) -> Result<SecretProperties> {
        self.worker.run(self.client.update_version(name, version, properties))
    }

    /// Starts to delete a secret, like [`begin_delete`](crate::SecretClient::begin_delete).
    pub fn begin_delete(&self, name: &str) -> Result<Poller<DeletedSecret>> {
        Ok(Poller::new(&self.worker, self.worker.run(self.client.begin_delete(name))?))
    }

    /// Deletes a secret and waits for the end, like [`delete`](crate::SecretClient::delete).
    pub fn delete(&self, name: &str) -> Result<DeletedSecret> {
        self.worker.run(self.client.delete(name))
    }

    /// Fetches a deleted secret, like [`get_deleted`](crate::SecretClient::get_deleted).
    pub fn get_deleted(&self, name: &str) -> Result<DeletedSecret> {
        self.worker.run(self.client.get_deleted(name))
    }

    /// Lists the deleted secrets of the vault, like [`list_deleted`](crate::SecretClient::list_deleted).
    pub fn list_deleted(&self) -> SecretList<DeletedSecret> {
        SecretList::new(&self.worker, self.client.list_deleted())
    }

    /// Starts to recover a deleted secret, like [`begin_recover`](crate::SecretClient::begin_recover).
    pub fn begin_recover(&self, name: &str) -> Result<Poller<SecretProperties>> {
        Ok(Poller::new(&self.worker, self.worker.run(self.client.begin_recover(name))?))
    }

    /// Recovers a deleted secret and waits for the end, like [`recover`](crate::SecretClient::recover).
    pub fn recover(&self, name: &str) -> Result<SecretProperties> {
        self.worker.run(self.client.recover(name))
    }

    /// Purges a deleted secret, like [`purge`](crate::SecretClient::purge).
    pub fn purge(&self, name: &str) -> Result<()> {
        self.worker.run(self.client.purge(name))
    }

    /// Backs up a secret with all its versions, like [`backup`](crate::SecretClient::backup).
    pub fn backup(&self, name: &str) -> Result<SecretBackup> {
        self.worker.run(self.client.backup(name))
    }

    /// Restores a secret with all its versions, like [`restore`](crate::SecretClient::restore).
    pub fn restore(&self, backup: &SecretBackup) -> Result<SecretProperties> {
        self.worker.run(self.client.restore(backup))
    }
}
