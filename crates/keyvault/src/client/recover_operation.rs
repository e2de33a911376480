//! Recovering a deleted secret, which the vault completes in its own time.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::models::SecretBundle;
use super::operation::Operation;
use super::poller::{Poller, poll_result};
use super::request::Request;
use super::secret_client::SecretClient;
use crate::error::Result;
use crate::secret::SecretProperties;

/// A recovery that a vault has started. When it ends, the secret can be read again, with all its versions.
///
/// The vault completes it even if this is dropped. `.await` waits for the end and returns the secret's properties.
///
/// # Errors
///
/// When awaited: [`Unavailable`](crate::ErrorKind::Unavailable) at the [deadline](RecoverOperation::deadline), or an
/// [error of a request](SecretClient#errors) that is not transient.
///
/// # Cancel safety
///
/// Dropping the operation, or the future that awaits it, only stops waiting.
#[must_use = "the vault recovers the secret in any case; await the operation before you read it"]
#[derive(Clone)]
pub struct RecoverOperation {
    client: SecretClient,
    recovered: SecretProperties,
    poller: Poller,
}

impl RecoverOperation {
    /// Returns the secret as the vault described it when the recovery started.
    pub fn recovered(&self) -> &SecretProperties {
        &self.recovered
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

    /// Polls once. Returns the secret's properties, or `None` while the recovery is running.
    ///
    /// Costs one request, a get of the latest version. If the identity may not get secrets, or the secret is disabled,
    /// the refusal proves that the recovery has ended.
    ///
    /// # Errors
    ///
    /// An [error of the request](SecretClient#errors). The recovery continues.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn poll(&self) -> Result<Option<SecretProperties>> {
        let fetched = self.client.fetch(&self.recovered.id().latest()).await;
        poll_result(fetched.map(|secret| secret.properties().clone()), || self.recovered.clone())
    }
}

impl IntoFuture for RecoverOperation {
    type Output = Result<SecretProperties>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.poller.wait(self.recovered.id(), || self.poll().boxed()).await }.boxed()
    }
}

impl fmt::Debug for RecoverOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoverOperation").field("recovered", &self.recovered.id()).finish_non_exhaustive()
    }
}

impl SecretClient {
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
    pub async fn begin_recover(&self, name: &str) -> Result<RecoverOperation> {
        let id = self.id(name, None)?;
        let url = self.url(&["deletedsecrets", id.name().as_str(), "recover"])?;
        let bundle: SecretBundle = self.send_for(&Request::new(Operation::Recover, url).about(&id)).await?;
        let recovered = bundle.into_properties_of(&id)?;
        Ok(RecoverOperation { client: self.clone(), recovered, poller: Poller::default() })
    }

    /// Recovers a deleted secret with all its versions, and waits until it can be read.
    ///
    /// Starts with [`begin_recover`](SecretClient::begin_recover) and awaits the operation: one request, and another
    /// every 2 seconds for at most 2 minutes.
    ///
    /// # Errors
    ///
    /// Those of [`begin_recover`](SecretClient::begin_recover) and of [`RecoverOperation`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops waiting. The vault may still recover the secret.
    pub async fn recover(&self, name: &str) -> Result<SecretProperties> {
        self.begin_recover(name).await?.await
    }
}
