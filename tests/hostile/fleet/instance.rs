//! One instance of a fleet, with state of its own as in a process of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use keyvault::Live;
use keyvault_test_support::credential::FakeCredential;
use tokio::time::{Instant, sleep};

use super::vault::FleetVault;

pub(super) type Settings = BTreeMap<String, String>;

/// A running instance, and the history of its start.
pub(super) struct Instance {
    pub(super) live: Live<Settings>,
    pub(super) up: Instant,
    pub(super) restarts: u32,
}

impl Instance {
    /// Starts an instance. Retries like Kubernetes: after 10 seconds, then after twice as long each time, up to five
    /// minutes.
    pub(super) async fn begin(vault: Arc<FleetVault>, deadline: Duration, begins: Duration) -> Self {
        sleep(begins).await;
        let mut restarts = 0;
        loop {
            if let Ok(live) = start(&vault, deadline).await {
                return Self { live, up: Instant::now(), restarts };
            }
            sleep(Duration::from_secs(10 << restarts.min(5)).min(Duration::from_secs(300))).await;
            restarts += 1;
        }
    }
}

/// Starts with the defaults of the crate except for the deadline. Its own transport gives it its own rate limit.
async fn start(vault: &Arc<FleetVault>, deadline: Duration) -> keyvault::Result<Live<Settings>> {
    let client = vault.transport().client(&FakeCredential::fixed("t0ken-t0ken")).build()?;
    let clock = Arc::clone(vault);
    keyvault_figment::layered(client, Figment::new)
        .startup_deadline(deadline)
        .wall_clock(move || clock.time())
        .start()
        .await
}
