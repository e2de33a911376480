//! A deletion that runs in the vault.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::SecretClient;
use super::deleted::DeletedSecret;
use super::patience::{Patience, seen};
use super::verb::Verb;
use crate::error::Result;

/// A deletion that a vault has begun: the secret can be read no more, and can be recovered or purged when it ends.
///
/// The vault goes on by itself, whatever becomes of this. `.await` waits for the end and gives the deleted secret.
///
/// # Errors
///
/// Awaited: [`Unavailable`](crate::ErrorKind::Unavailable) at the [deadline](DeleteOperation::deadline); what the vault
/// says when it is asked, if that does not pass by itself.
///
/// # Cancel safety
///
/// Dropping the operation, or the future that awaits it, ends the waiting and nothing else.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: keyvault::SecretClient) -> keyvault::Result<()> {
/// let deletion = client.begin_delete("db-password").await?;
/// println!("gone for good at {:?}", deletion.deleted().scheduled_purge);
/// deletion.await?;
/// client.purge("db-password").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the vault deletes without being waited for; await the operation to purge or to use the name again"]
#[derive(Clone)]
pub struct DeleteOperation {
    client: SecretClient,
    deleted: DeletedSecret,
    patience: Patience,
}

impl DeleteOperation {
    /// Tells what the vault answered when it began.
    pub fn deleted(&self) -> &DeletedSecret {
        &self.deleted
    }

    /// Sets the pause between two looks. Default: 2 seconds.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.patience.interval = interval;
        self
    }

    /// Sets how long to wait at most when it is awaited. Default: 2 minutes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.patience.deadline = deadline;
        self
    }

    /// Looks once whether the deletion has ended; gives the deleted secret if it has.
    ///
    /// One request. An identity that may not look learns from the refusal that there is something, and gets what the
    /// vault answered when it began. In a vault without soft delete the deletion ended with its beginning.
    ///
    /// # Errors
    ///
    /// What the vault or the way to it said; the deletion goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request.
    pub async fn poll(&self) -> Result<Option<DeletedSecret>> {
        if self.deleted.recovery_id.is_none() {
            return Ok(Some(self.deleted.clone()));
        }
        let looked = self.client.fetch_deleted(&self.deleted.id().latest()).await;
        seen(looked, || self.deleted.clone())
    }
}

impl IntoFuture for DeleteOperation {
    type Output = Result<DeletedSecret>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.patience.until(self.deleted.id(), || self.poll().boxed()).await }.boxed()
    }
}

impl fmt::Debug for DeleteOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteOperation").field("deleted", &self.deleted.id()).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Begins to delete a secret with all its versions, softly, and does not wait for the end.
    ///
    /// One request. The secret is gone from reads and lists at once; recovering and purging it, and using its name again,
    /// must wait for the end of the operation.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if the vault has no such secret,
    /// [`Denied`](crate::ErrorKind::Denied) for the secret of a certificate, else what the vault or the way to it said;
    /// the advice tells whether it may be deleted all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn begin_delete(&self, name: &str) -> Result<DeleteOperation> {
        let id = self.id(name, None)?;
        let url = self.url(&["secrets", id.name().as_str()])?;
        let deleted = self.call_for_deleted(Verb::Delete, url, &id).await?;
        Ok(DeleteOperation { client: self.clone(), deleted, patience: Patience::default() })
    }

    /// Deletes a secret with all its versions, softly, and waits until it can be recovered or purged.
    ///
    /// As [`begin_delete`](SecretClient::begin_delete) and awaiting what it gives: a request, and one more every 2
    /// seconds for 2 minutes at most. A vault took 2 to 5 seconds where it was recorded.
    ///
    /// # Errors
    ///
    /// Those of both.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the waiting; the vault may delete all the same.
    pub async fn delete(&self, name: &str) -> Result<DeletedSecret> {
        self.begin_delete(name).await?.await
    }
}
