//! One program of a fleet, in a process of its own as far as the crate can tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use keyvault::Live;
use keyvault_test_support::credential::FakeCredential;
use tokio::time::{Instant, sleep};

use super::vault::FleetVault;

pub(super) type Settings = BTreeMap<String, String>;

/// How an instance came up.
pub(super) struct Instance {
    pub(super) live: Live<Settings>,
    pub(super) up: Instant,
    pub(super) restarts: u32,
}

impl Instance {
    /// Starts it, and again if that fails: after 10 seconds, then twice as long each time up to five minutes, as Kubernetes does.
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

/// With the crate's defaults, but for the deadline. A transport of its own gives it a pace of its own.
async fn start(vault: &Arc<FleetVault>, deadline: Duration) -> keyvault::Result<Live<Settings>> {
    let client = vault.transport().client(&FakeCredential::fixed("t0ken-t0ken")).build()?;
    let clock = Arc::clone(vault);
    keyvault_figment::layered(client, Figment::new)
        .startup_deadline(deadline)
        .wall_clock(move || clock.time())
        .start()
        .await
}
