//! Examines an App Configuration store.

use std::sync::Arc;

use azure_core::http::ClientOptions;
use azure_core::http::policies::Policy;
use keyvault::{Error, ErrorKind};
use keyvault_appconfig::AppConfigurationClient;

use super::finding::{Finding, Health};
use super::timing::TimingPolicy;
use super::vault::{clock, read_finding};
use crate::failure::Failure;
use crate::store::StoreAddress;
use crate::vault::ConnectionArguments;

/// Sends a request to a store and returns what it shows.
pub(super) async fn examine(connection: &ConnectionArguments, address: &StoreAddress) -> Result<Vec<Finding>, Failure> {
    let timing = Arc::new(TimingPolicy::default());
    let mut options = ClientOptions::default();
    options.per_try_policies.push(Arc::clone(&timing) as Arc<dyn Policy>);
    let client = address.client_builder(connection)?.client_options(options).build()?;
    let outcome = get_missing_key(&client).await;
    let Some(response) = timing.first() else {
        return Ok(vec![match outcome {
            Err(error) => Finding::failed("reachable", &error),
            Ok(()) => Finding::new("reachable", Health::Unknown, "no response was recorded"),
        }]);
    };
    Ok(vec![
        Finding::new("reachable", Health::Healthy, format!("in {} ms", response.time.as_millis())),
        clock(response.skew, "store"),
        read_finding("get", "key-values may be read", outcome),
    ])
}

/// Requests a key-value that no store has. The store checks the permission first, so "not found" means permitted.
async fn get_missing_key(client: &AppConfigurationClient) -> Result<(), Error> {
    match client.get("keyvault-doctor-asks-whether-get-is-allowed", None).await.map(drop) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
