//! A service that uses the whole library each second.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Result;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Derived, Live, Notice, Resolver, SecretClient, SecretId, ValidationError};
use tokio::task::JoinHandle;

use crate::vault::RemoteVault;

type Settings = BTreeMap<String, serde::de::IgnoredAny>;

/// A service with live settings, a derived resource and a watcher.
pub struct Service {
    client: SecretClient,
    resolver: Resolver,
    live: Live<Settings>,
    pool: Derived<u64>,
    watcher: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    changes: AtomicU64,
    failed_refreshes: AtomicU64,
    calls: AtomicU64,
    failed_calls: AtomicU64,
}

/// The totals of a run.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    changes: u64,
    failed_refreshes: u64,
    calls: u64,
    failed_calls: u64,
    requests: u64,
    connections: u64,
}

impl Service {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// The vault does not answer.
    pub async fn start(vault: &RemoteVault) -> Result<Self> {
        let client = SecretClient::builder(&vault.access.url)
            .credential(Arc::new(vault.credential()))
            .certificate_authority(&vault.access.ca_pem)
            // Ends hanging calls within the warm-up.
            .timeout(Duration::from_secs(4))
            .build()?;
        let layers = || Figment::from(Serialized::default("url", "db:@KeyVault(SecretName=password)"));
        let live: Live<Settings> = keyvault_figment::layered(client.clone(), layers)
            .refresh_every(Duration::from_secs(1))
            .event_spread(Duration::from_millis(100))
            .start()
            .await?;
        let counts = Arc::<Counts>::default();
        let built = AtomicU64::new(0);
        let pool = live
            .derive(["url"], move |_| {
                let number = built.fetch_add(1, Ordering::Relaxed);
                async move { Ok::<_, ValidationError>(number) }
            })
            .await?;
        let watcher = tokio::spawn(watch(live.watch(), Arc::clone(&counts)));
        Ok(Self { resolver: client.clone().into(), client, live, pool, watcher, counts })
    }

    /// Starts the calls of one second, in which the password gets `version`.
    pub fn work(&self, version: &str) {
        let id = format!("{}/secrets/password/{version}", self.client.vault());
        if let Ok(id) = SecretId::parse(&id) {
            self.live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
        }
        let (live, client, resolver) = (self.live.clone(), self.client.clone(), self.resolver.clone());
        self.call(async move { live.report_rejected("url").await.is_ok() });
        self.call(async move { resolver.resolve("@KeyVault(SecretName=password)").await.is_ok() });
        for _ in 0..3 {
            let client = client.clone();
            self.call(async move { client.get("password").await.is_ok() });
        }
        // A caller that cancels its calls.
        let live = self.live.clone();
        self.call(async move {
            let mut watcher = live.watch();
            _ = tokio::time::timeout(Duration::from_millis(50), watcher.next()).await;
            tokio::time::timeout(Duration::from_millis(50), live.refresh_now()).await.is_ok()
        });
        _ = (self.live.current(), self.pool.current());
    }

    fn call(&self, call: impl Future<Output = bool> + Send + 'static) {
        let counts = Arc::clone(&self.counts);
        tokio::spawn(async move {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            counts.failed_calls.fetch_add(u64::from(!call.await), Ordering::Relaxed);
        });
    }

    /// Returns the number of settings published so far.
    pub fn generation(&self) -> u64 {
        self.live.published().generation()
    }

    /// Stops the service and everything that it started, and returns the totals.
    pub async fn shutdown(self) -> Totals {
        let Self { client, live, pool, watcher, counts, .. } = self;
        pool.shutdown().await;
        live.shutdown().await;
        _ = watcher.await;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let traffic = client.stats();
        Totals {
            changes: load(&counts.changes),
            failed_refreshes: load(&counts.failed_refreshes),
            calls: load(&counts.calls),
            failed_calls: load(&counts.failed_calls),
            requests: traffic.requests,
            connections: traffic.connections,
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("client", &self.client).finish_non_exhaustive()
    }
}

async fn watch(mut watcher: keyvault::Watcher<Settings>, counts: Arc<Counts>) {
    while let Some(notice) = watcher.next().await {
        match notice {
            Notice::Changed(_) => counts.changes.fetch_add(1, Ordering::Relaxed),
            Notice::Failed(_) => counts.failed_refreshes.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Totals {
    /// Returns whether a run of `seconds` had enough rotations and faults to prove anything.
    pub fn is_significant(&self, seconds: u64) -> bool {
        let least = seconds / 4;
        self.changes >= least && self.failed_calls >= least && self.failed_refreshes > 0 && self.connections > 1
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, failed_refreshes, calls, failed_calls, requests, connections } = self;
        writeln!(f, "{changes} changes were published, {failed_refreshes} refreshes failed;")?;
        writeln!(f, "{calls} calls were made, {failed_calls} of them failed or were canceled;")?;
        write!(f, "{requests} requests used {connections} connections.")
    }
}
