//! Deleted secrets, which a vault keeps until they are purged.

use std::time::SystemTime;

use url::Url;

use super::models::{ListItem, SecretBundle, time};
use super::operation::Operation;
use super::pages::SecretList;
use super::request::Request;
use super::secret_client::SecretClient;
use crate::error::Result;
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
    fn from_bundle(bundle: SecretBundle, vault: &Vault) -> Result<Self> {
        deleted_from(bundle, |bundle| bundle.into_properties(vault))
    }
}

impl SecretClient {
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
        self.fetch_deleted(&self.id(name, None)?).await
    }

    /// Lists the deleted secrets of the vault.
    ///
    /// Costs one request for 25 secrets; the timeout applies to each request. An item has no version.
    pub fn list_deleted(&self) -> SecretList<DeletedSecret> {
        SecretList::new(self, Operation::ListDeleted, self.url(&["deletedsecrets"]))
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
        let url = self.url(&["deletedsecrets", id.name().as_str()])?;
        self.send(&Request::new(Operation::Purge, url).about(&id)).await?;
        Ok(())
    }

    pub(super) async fn fetch_deleted(&self, id: &SecretId) -> Result<DeletedSecret> {
        let url = self.url(&["deletedsecrets", id.name().as_str()])?;
        self.send_for_deleted(Operation::GetDeleted, url, id).await
    }

    /// Sends a request that the vault answers with the deleted secret `id`.
    pub(super) async fn send_for_deleted(
        &self,
        operation: Operation,
        url: Url,
        id: &SecretId,
    ) -> Result<DeletedSecret> {
        let bundle = self.send_for(&Request::new(operation, url).about(id)).await?;
        deleted_from(bundle, |bundle| bundle.into_properties_of(id))
    }
}

fn deleted_from(
    mut bundle: SecretBundle,
    properties: impl FnOnce(SecretBundle) -> Result<SecretProperties>,
) -> Result<DeletedSecret> {
    let recovery_id = bundle.recovery_id.take();
    let deleted = bundle.deleted_date.and_then(time);
    let scheduled_purge = bundle.scheduled_purge_date.and_then(time);
    Ok(DeletedSecret { properties: properties(bundle)?, recovery_id, deleted, scheduled_purge })
}
