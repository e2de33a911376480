//! What is left of a secret until it is purged.

use std::time::SystemTime;

use super::SecretClient;
use super::call::Call;
use super::page::SecretList;
use super::verb::Verb;
use super::wire::SecretBundle;
use crate::error::Result;
use crate::secret::{SecretId, SecretProperties};

/// A deleted secret, with all its versions, that can still be [recovered](SecretClient::recover).
///
/// [Soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeletedSecret {
    /// What was known of the secret: of its latest version, where it was asked for by name.
    pub properties: SecretProperties,
    /// The URL under which the vault keeps it; none in a vault without soft delete, where it is gone.
    pub recovery_id: Option<String>,
    /// When it was deleted, to the second.
    pub deleted: Option<SystemTime>,
    /// When the vault will purge it by itself, to the second.
    pub scheduled_purge: Option<SystemTime>,
}

impl DeletedSecret {
    /// Tells which secret: with its latest version when it was asked for by name, without when a vault listed it.
    pub fn id(&self) -> &SecretId {
        self.properties.id()
    }
}

impl SecretClient {
    /// Tells what is left of a deleted secret.
    ///
    /// One request. For some seconds after a [delete](SecretClient::begin_delete) the vault has neither the secret nor
    /// the deleted one.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret yet, or its latest version is
    /// disabled, else what the vault or the way to it said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request.
    pub async fn get_deleted(&self, name: &str) -> Result<DeletedSecret> {
        self.fetch_deleted(&self.id(name, None)?).await
    }

    /// Lists the deleted secrets of the vault.
    ///
    /// One request for 25 secrets; the timeout counts for each request. An item has no version.
    pub fn list_deleted(&self) -> SecretList<DeletedSecret> {
        SecretList::new(self, Verb::ListDeleted, self.url(&["deletedsecrets"]))
    }

    /// Purges a deleted secret: it is gone for good, and its name is free again, if not always at once.
    ///
    /// One request.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) while the deletion still runs,
    /// [`Denied`](crate::ErrorKind::Denied) if the vault has purge protection,
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret, else what the vault or the way to it
    /// said; the advice tells whether it may be purged all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn purge(&self, name: &str) -> Result<()> {
        let id = self.id(name, None)?;
        let url = self.url(&["deletedsecrets", id.name().as_str()])?;
        self.exchange.call(&Call::new(Verb::Purge, url).about(&id)).await?;
        Ok(())
    }

    pub(super) async fn fetch_deleted(&self, id: &SecretId) -> Result<DeletedSecret> {
        let url = self.url(&["deletedsecrets", id.name().as_str()])?;
        self.call_for_deleted(Verb::GetDeleted, url, id).await
    }

    pub(super) async fn call_for_deleted(&self, verb: Verb, url: url::Url, id: &SecretId) -> Result<DeletedSecret> {
        let answer = self.exchange.call(&Call::new(verb, url).about(id)).await?;
        let bundle: SecretBundle = answer.json().map_err(|error| error.about(id))?;
        bundle.into_deleted_of(id).map_err(|error| error.about(id))
    }
}
