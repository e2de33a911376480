//! Deleting a secret, which the vault completes in its own time.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::deleted_secret::DeletedSecret;
use super::operation::Operation;
use super::poller::{Poller, poll_result};
use super::secret_client::SecretClient;
use crate::error::Result;

/// A deletion that a vault has started. When it ends, the secret can be recovered or purged.
///
/// The vault completes it even if this is dropped. `.await` waits for the end and returns the deleted secret.
///
/// # Errors
///
/// When awaited: [`Unavailable`](crate::ErrorKind::Unavailable) at the [deadline](DeleteOperation::deadline), or an
/// [error of a request](SecretClient#errors) that is not transient.
///
/// # Cancel safety
///
/// Dropping the operation, or the future that awaits it, only stops waiting.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: keyvault::SecretClient) -> keyvault::Result<()> {
/// let deletion = client.begin_delete("db-password").await?;
/// println!("purged at the latest at {:?}", deletion.deleted().scheduled_purge);
/// deletion.await?;
/// client.purge("db-password").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the vault deletes the secret in any case; await the operation before you purge it or reuse its name"]
#[derive(Clone)]
pub struct DeleteOperation {
    client: SecretClient,
    deleted: DeletedSecret,
    poller: Poller,
}

impl DeleteOperation {
    /// Returns the deleted secret as the vault described it when the deletion started.
    pub fn deleted(&self) -> &DeletedSecret {
        &self.deleted
    }

    /// Sets the pause between two polls. Default: 2 seconds.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.poller.interval = interval;
        self
    }

    /// Sets the longest time to wait when awaited. Default: 2 minutes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.poller.deadline = deadline;
        self
    }

    /// Polls once. Returns the deleted secret, or `None` while the deletion is running.
    ///
    /// Costs one request. If the identity may not get deleted secrets, the refusal proves that the deletion has ended,
    /// and the result is [`deleted`](DeleteOperation::deleted). In a vault without soft delete the deletion ends when
    /// it starts.
    ///
    /// # Errors
    ///
    /// An [error of the request](SecretClient#errors). The deletion continues.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn poll(&self) -> Result<Option<DeletedSecret>> {
        if self.deleted.recovery_id.is_none() {
            return Ok(Some(self.deleted.clone()));
        }
        let fetched = self.client.fetch_deleted(&self.deleted.id().latest()).await;
        poll_result(fetched, || self.deleted.clone())
    }
}

impl IntoFuture for DeleteOperation {
    type Output = Result<DeletedSecret>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.poller.wait(self.deleted.id(), || self.poll().boxed()).await }.boxed()
    }
}

impl fmt::Debug for DeleteOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteOperation").field("deleted", &self.deleted.id()).finish_non_exhaustive()
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
    pub async fn begin_delete(&self, name: &str) -> Result<DeleteOperation> {
        let id = self.id(name, None)?;
        let url = self.url(&["secrets", id.name().as_str()])?;
        let deleted = self.send_for_deleted(Operation::Delete, url, &id).await?;
        Ok(DeleteOperation { client: self.clone(), deleted, poller: Poller::default() })
    }

    /// Soft-deletes a secret with all its versions, and waits until it can be recovered or purged.
    ///
    /// Starts with [`begin_delete`](SecretClient::begin_delete) and awaits the operation: one request, and another
    /// every 2 seconds for at most 2 minutes. The service took 2 to 5 seconds in recordings.
    ///
    /// # Errors
    ///
    /// Those of [`begin_delete`](SecretClient::begin_delete) and of [`DeleteOperation`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops waiting. The vault may still delete the secret.
    pub async fn delete(&self, name: &str) -> Result<DeletedSecret> {
        self.begin_delete(name).await?.await
    }
}
