//! A service that uses everything there is, all the time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use figment::Figment;
use figment::providers::Serialized;
use keyvault::{
    Derived, Live, Notice, Resolver, SecretClient, SecretEvent, SecretEventKind, SecretId, ValidationError,
};
use keyvault_examples::Outcome;
use tokio::task::JoinHandle;

use crate::vault::RemoteVault;

type Settings = BTreeMap<String, serde::de::IgnoredAny>;

/// A service, its settings, what is derived from them, and who watches.
pub(crate) struct Service {
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
    failures: AtomicU64,
    calls: AtomicU64,
    failed_calls: AtomicU64,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct Story {
    changes: u64,
    failures: u64,
    calls: u64,
    failed_calls: u64,
    requests: u64,
    connections: u64,
}

impl Service {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The vault does not answer.
    pub(crate) async fn start(vault: &RemoteVault) -> Outcome<Self> {
        let client = SecretClient::builder(&vault.access.url)
            .credential(Arc::new(vault.credential()))
            .certificate_authority(&vault.access.ca)
            // What hangs ends within the warm-up.
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

    /// Does what a service does in a second in which the password gets `version`.
    pub(crate) fn work(&self, version: String) {
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
        // Who asks and does not wait for the answer.
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

    /// Tells how many settings were published.
    pub(crate) fn generation(&self) -> u64 {
        self.live.published().generation()
    }

    /// Ends it, and everything that it had.
    pub(crate) async fn end(self) -> Story {
        let Self { client, live, pool, watcher, counts, .. } = self;
        pool.shutdown().await;
        live.shutdown().await;
        _ = watcher.await;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let traffic = client.traffic();
        Story {
            changes: of(&counts.changes),
            failures: of(&counts.failures),
            calls: of(&counts.calls),
            failed_calls: of(&counts.failed_calls),
            requests: traffic.requests,
            connections: traffic.connections,
        }
    }
}

async fn watch(mut watcher: keyvault::Watcher<Settings>, counts: Arc<Counts>) {
    while let Some(notice) = watcher.next().await {
        match notice {
            Notice::Changed(_) => counts.changes.fetch_add(1, Ordering::Relaxed),
            Notice::Failed(_) => counts.failures.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

impl Story {
    /// Tells whether enough happened in so many seconds to prove something.
    pub(crate) fn is_eventful(&self, seconds: u64) -> bool {
        self.changes >= seconds / 4 && self.failed_calls >= seconds / 4 && self.failures > 0 && self.connections > 1
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, failures, calls, failed_calls, requests, connections } = self;
        writeln!(f, "{changes} changes were published, {failures} refreshes failed;")?;
        writeln!(f, "{calls} calls were made, of which {failed_calls} failed or were given up;")?;
        write!(f, "{requests} requests went over {connections} connections, one after the other.")
    }
}
