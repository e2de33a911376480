//! A recovery that runs in the vault.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::SecretClient;
use super::call::Call;
use super::patience::{Patience, seen};
use super::verb::Verb;
use super::wire::SecretBundle;
use crate::error::Result;
use crate::secret::SecretProperties;

/// A recovery that a vault has begun: the secret can be read again, with all its versions, when it ends.
///
/// The vault goes on by itself, whatever becomes of this. `.await` waits for the end and gives the secret's properties.
///
/// # Errors
///
/// Awaited: [`Unavailable`](crate::ErrorKind::Unavailable) at the [deadline](RecoverOperation::deadline); what the vault
/// says when it is asked, if that does not pass by itself.
///
/// # Cancel safety
///
/// Dropping the operation, or the future that awaits it, ends the waiting and nothing else.
#[must_use = "the vault recovers without being waited for; await the operation to use the secret"]
#[derive(Clone)]
pub struct RecoverOperation {
    client: SecretClient,
    recovered: SecretProperties,
    patience: Patience,
}

impl RecoverOperation {
    /// Tells what the vault answered when it began.
    pub fn recovered(&self) -> &SecretProperties {
        &self.recovered
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

    /// Looks once whether the recovery has ended; gives the secret's properties if it has.
    ///
    /// One request, a get of the latest version. An identity that may not look, or a secret that is disabled, is told
    /// from one that is not there yet by the refusal.
    ///
    /// # Errors
    ///
    /// What the vault or the way to it said; the recovery goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request.
    pub async fn poll(&self) -> Result<Option<SecretProperties>> {
        let looked = self.client.fetch(&self.recovered.id().latest()).await;
        seen(looked.map(|secret| secret.properties().clone()), || self.recovered.clone())
    }
}

impl IntoFuture for RecoverOperation {
    type Output = Result<SecretProperties>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { self.patience.until(self.recovered.id(), || self.poll().boxed()).await }.boxed()
    }
}

impl fmt::Debug for RecoverOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoverOperation").field("recovered", &self.recovered.id()).finish_non_exhaustive()
    }
}

impl SecretClient {
    /// Begins to recover a deleted secret with all its versions, and does not wait for the end.
    ///
    /// One request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no such deleted secret,
    /// [`Conflict`](crate::ErrorKind::Conflict) while its deletion still runs, else what the vault or the way to it said;
    /// the advice tells whether it may be recovered all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the vault may have carried it out.
    pub async fn begin_recover(&self, name: &str) -> Result<RecoverOperation> {
        let id = self.id(name, None)?;
        let url = self.url(&["deletedsecrets", id.name().as_str(), "recover"])?;
        let answer = self.exchange.call(&Call::new(Verb::Recover, url).about(&id)).await?;
        let bundle: SecretBundle = answer.json().map_err(|error| error.about(&id))?;
        let recovered = bundle.into_properties_of(&id).map_err(|error| error.about(&id))?;
        Ok(RecoverOperation { client: self.clone(), recovered, patience: Patience::default() })
    }

    /// Recovers a deleted secret with all its versions, and waits until it can be read.
    ///
    /// As [`begin_recover`](SecretClient::begin_recover) and awaiting what it gives: a request, and one more every 2
    /// seconds for 2 minutes at most.
    ///
    /// # Errors
    ///
    /// Those of both.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the waiting; the vault may recover all the same.
    pub async fn recover(&self, name: &str) -> Result<SecretProperties> {
        self.begin_recover(name).await?.await
    }
}
