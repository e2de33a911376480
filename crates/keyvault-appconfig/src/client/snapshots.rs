//! The operations on snapshots.

use keyvault::http::Request;
use keyvault::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::app_configuration_client::{AppConfigurationClient, IF_NONE_MATCH};
use super::condition::quoted;
use super::operation::Operation;
use super::snapshot::{NewSnapshot, Snapshot};
use super::snapshot_creation::SnapshotCreation;
use crate::key_value::is_name;

impl AppConfigurationClient {
    /// Starts to create a snapshot. Does not wait for the end.
    ///
    /// Costs one request. It is retried only if the store has certainly not carried it out.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a snapshot has the name; [`Invalid`](ErrorKind::Invalid) if the name is
    /// empty or the store refuses the content; or an [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn begin_create_snapshot(&self, name: &str, content: NewSnapshot) -> Result<SnapshotCreation> {
        let request = self.snapshot_request(&Operation::CreateSnapshot, name)?;
        let request = request.with_json(&content)?.header("content-type", SNAPSHOT);
        Ok(SnapshotCreation::new(self, self.send_for(request).await?))
    }

    /// Creates a snapshot, and waits until it can be read.
    ///
    /// Starts with [`begin_create_snapshot`](AppConfigurationClient::begin_create_snapshot) and awaits the operation.
    ///
    /// # Errors
    ///
    /// Those of [`begin_create_snapshot`](AppConfigurationClient::begin_create_snapshot) and of [`SnapshotCreation`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops waiting. The store may still create the snapshot.
    pub async fn create_snapshot(&self, name: &str, content: NewSnapshot) -> Result<Snapshot> {
        self.begin_create_snapshot(name, content).await?.await
    }

    /// Fetches the properties of a snapshot. [`list`](AppConfigurationClient::list) with
    /// [`Selector::snapshot`](crate::Selector::snapshot) lists its key-values.
    ///
    /// Costs one request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such snapshot, or an
    /// [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn get_snapshot(&self, name: &str) -> Result<Snapshot> {
        self.send_for(self.snapshot_request(&Operation::GetSnapshot, name)?).await
    }

    /// Fetches the properties of a snapshot if its [ETag](Snapshot::etag) differs from `etag`. Returns `None` if it
    /// does not.
    ///
    /// Costs and fails like [`get_snapshot`](AppConfigurationClient::get_snapshot).
    pub async fn get_snapshot_if_changed(&self, name: &str, etag: &str) -> Result<Option<Snapshot>> {
        let request = self.snapshot_request(&Operation::GetSnapshot, name)?.header(IF_NONE_MATCH, quoted(etag)?);
        self.send_if_changed(request).await
    }

    /// Archives a snapshot: the store removes it when its [retention](Snapshot::retention) ends. An archived one stays
    /// as it is.
    ///
    /// Costs one request. It is retried after any transient failure.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such snapshot; [`Conflict`](ErrorKind::Conflict) unless it is
    /// ready; or an [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. The store may still carry it out.
    pub async fn archive_snapshot(&self, name: &str) -> Result<Snapshot> {
        self.send_update(name, "archived").await
    }

    /// Recovers an archived snapshot, so that it does not expire. A ready one stays as it is. Costs and fails like
    /// [`archive_snapshot`](AppConfigurationClient::archive_snapshot).
    pub async fn recover_snapshot(&self, name: &str) -> Result<Snapshot> {
        self.send_update(name, "ready").await
    }

    async fn send_update(&self, name: &str, status: &'static str) -> Result<Snapshot> {
        let request = self.snapshot_request(&Operation::UpdateSnapshot, name)?;
        self.send_for(request.with_json(&Update { status })?.header("content-type", MERGE_PATCH)).await
    }

    /// Returns the store's code for the failure of a creation.
    pub(super) async fn snapshot_failure(&self, name: &str) -> Result<Option<String>> {
        let mut url = self.url(&["operations"])?;
        url.query_pairs_mut().append_pair("snapshot", name);
        let request = self.request_about(&Operation::PollSnapshot, url, format!("snapshot {name}"));
        let details: OperationDetails = self.send_for(request).await?;
        let is_code = |code: &String| !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphabetic());
        Ok(details.error.and_then(|error| error.code).filter(|code| code.len() <= 64 && is_code(code)))
    }

    fn snapshot_request(&self, operation: &'static Operation, name: &str) -> Result<Request> {
        if !is_name(name) {
            return Err(Error::new(ErrorKind::Invalid, "name of the snapshot is malformed"));
        }
        Ok(self.request_about(operation, self.url(&["snapshots", name])?, format!("snapshot {name}")))
    }
}

#[derive(Serialize)]
struct Update {
    status: &'static str,
}

/// [The state of an operation](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-snapshot).
#[derive(Deserialize)]
struct OperationDetails {
    error: Option<OperationError>,
}

#[derive(Deserialize)]
struct OperationError {
    code: Option<String>,
}

const SNAPSHOT: &str = "application/vnd.microsoft.appconfig.snapshot+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
