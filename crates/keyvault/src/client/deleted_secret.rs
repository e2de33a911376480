//! Deleted secrets, which a vault keeps until they are purged: deletion, recovery, purge.

use std::time::SystemTime;

use super::bundle::{ListItem, SecretBundle, time};
use super::operation::Operation;
use super::pages::SecretList;
use super::poller::{Polled, Poller};
use super::secret_client::SecretClient;
use crate::error::Result;
use crate::http::Request;
use crate::secret::{SecretId, SecretProperties, Vault};

/// A deleted secret with all its versions, which can still be [recovered](SecretClient::recover).
///
/// [Soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeletedSecret {
    /// The properties of the secret; those of its latest version, unless the secret comes from a list.
    pub properties: SecretProperties,
    /// The URL under which the vault keeps the secret. `None` in a vault without soft delete, which has removed it.
    pub recovery_id: Option<String>,
    /// The time of the deletion, to the second.
    pub deleted: Option<SystemTime>,
    /// The time at which the vault will purge the secret by itself, to the second.
    pub scheduled_purge: Option<SystemTime>,
}

impl DeletedSecret {
    /// Returns the identifier: with the latest version, or without a version if the secret comes from a list.
    pub fn id(&self) -> &SecretId {
        self.properties.id()
    }
}

impl ListItem for DeletedSecret {
    fn from_bundle(mut bundle: SecretBundle, vault: &Vault) -> Result<Self> {
        Ok(Self {
            recovery_id: bundle.recovery_id.take(),
            deleted: bundle.deleted_date.and_then(time),
            scheduled_purge: bundle.scheduled_purge_date.and_then(time),
            properties: SecretProperties::from_bundle(bundle, vault)?,
        })
    }

    fn id(&self) -> &SecretId {
        self.id()
    }
}

/// A deletion ends when the deleted secret can be read.
impl Polled for DeletedSecret {
    async fn fetch(&self, client: &SecretClient) -> Result<Self> {
        if self.recovery_id.is_none() {
            return Ok(self.clone());
        }
        client.get_deleted(self.id().name().as_str()).await
    }
}

/// A recovery ends when the secret can be read.
impl Polled for SecretProperties {
    async fn fetch(&self, client: &SecretClient) -> Result<Self> {
        Ok(client.get(self.id().name().as_str()).await?.properties().clone())
    }
}

impl SecretClient {
    /// Starts to soft-delete a secret with all its versions. Does not wait for the end.
    ///
    /// Costs one request. Reads and lists omit the secret at once. Wait for the end of the operation before you recover
    /// or purge the secret or reuse its name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the vault has no such secret;
    /// [`Denied`](crate::ErrorKind::Denied) if it belongs to a certificate; or an
    /// [error of the request](SecretClient#errors). The advice says whether the secret may have been deleted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn begin_delete(&self, name: &str) -> Result<Poller<DeletedSecret>> {
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["secrets", id.name().as_str()])?;
        let deleted = self.send_for_item(&Request::new(&Operation::Delete, url).about(&id), &id).await?;
        Ok(Poller::new(self, deleted))
    }

    /// Soft-deletes a secret with all its versions, and waits until it can be recovered or purged.
    ///
    /// Starts with [`begin_delete`](SecretClient::begin_delete) and awaits the operation: one request, and another
    /// every 2 seconds for at most 2 minutes. The service took 2 to 5 seconds in recordings.
    ///
    /// # Errors
    ///
    /// Those of [`begin_delete`](SecretClient::begin_delete) and of [`Poller`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops waiting. The vault may still delete the secret.
    pub async fn delete(&self, name: &str) -> Result<DeletedSecret> {
        self.begin_delete(name).await?.await
    }

    /// Fetches a deleted secret.
    ///
    /// Costs one request. For some seconds after a [delete](SecretClient::begin_delete) the vault returns neither the
    /// secret nor the deleted secret.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret yet, or its latest version is
    /// disabled; or an [error of the request](SecretClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn get_deleted(&self, name: &str) -> Result<DeletedSecret> {
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["deletedsecrets", id.name().as_str()])?;
        self.send_for_item(&Request::new(&Operation::GetDeleted, url).about(&id), &id).await
    }

    /// Lists the deleted secrets of the vault.
    ///
    /// Costs one request for 25 secrets; the timeout applies to each request. An item has no version.
    pub fn list_deleted(&self) -> SecretList<DeletedSecret> {
        SecretList::new(self, &Operation::ListDeleted, self.pipeline.url(&["deletedsecrets"]))
    }

    /// Starts to recover a deleted secret with all its versions. Does not wait for the end.
    ///
    /// Costs one request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret;
    /// [`Conflict`](crate::ErrorKind::Conflict) while its deletion is still running; or an
    /// [error of the request](SecretClient#errors). The advice says whether the secret may have been recovered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn begin_recover(&self, name: &str) -> Result<Poller<SecretProperties>> {
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["deletedsecrets", id.name().as_str(), "recover"])?;
        let recovered = self.send_for_item(&Request::new(&Operation::Recover, url).about(&id), &id).await?;
        Ok(Poller::new(self, recovered))
    }

    /// Recovers a deleted secret with all its versions, and waits until it can be read.
    ///
    /// Starts with [`begin_recover`](SecretClient::begin_recover) and awaits the operation: one request, and another
    /// every 2 seconds for at most 2 minutes.
    ///
    /// # Errors
    ///
    /// Those of [`begin_recover`](SecretClient::begin_recover) and of [`Poller`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops waiting. The vault may still recover the secret.
    pub async fn recover(&self, name: &str) -> Result<SecretProperties> {
        self.begin_recover(name).await?.await
    }

    /// Purges a deleted secret for good. Its name becomes free again, though not always at once.
    ///
    /// Costs one request.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) while the deletion is still running;
    /// [`Denied`](crate::ErrorKind::Denied) if the vault has purge protection;
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret; or an
    /// [error of the request](SecretClient#errors). The advice says whether the secret may have been purged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The vault may still carry it out.
    pub async fn purge(&self, name: &str) -> Result<()> {
        let id = self.id(name, None)?;
        let url = self.pipeline.url(&["deletedsecrets", id.name().as_str()])?;
        self.pipeline.send(&Request::new(&Operation::Purge, url).about(&id)).await?;
        Ok(())
    }
}
