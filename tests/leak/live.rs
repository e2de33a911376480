//! Live settings: start, refresh, rejection, events, derived resources and health.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Derived, Error, ErrorKind, Live, Notice, SecretId, ValidationError};
use keyvault_test_support::CONTOSO;

use super::scan::Scan;
use super::settings::{BOTH, One, Service};

type Settings = One<String>;

fn accept(_: &Settings) -> Result<(), ValidationError> {
    Ok(())
}

/// Records all outputs of live settings.
fn look_at(scan: &mut Scan, live: &Live<Settings>) {
    scan.shows("live", live);
    let published = live.published();
    scan.shows("published", &published);
    scan.shows("origins", published.origins());
    scan.shows("origins", &published.origins().iter().collect::<Vec<_>>());
    scan.shows("snapshot", published.snapshot());
    for (id, secret) in published.snapshot().iter() {
        scan.says("secret", id);
        scan.shows("secret", secret);
    }
    scan.report("report", published.report());
    scan.shows("health", &live.health());
    scan.writes("health", &live.health());
    scan.shows("watcher", &live.watch());
}

#[tokio::test]
async fn live_settings_with_every_failure_leak_nothing() {
    let mut scan = Scan::begin();
    for framework in BOTH {
        let service = Service::new(&scan);
        let live = service.start(framework, accept).await.unwrap();
        assert_eq!(live.current().value, scan.secret.text());
        let mut watcher = live.watch();
        look_at(&mut scan, &live);

        service.vault.set("password", format!("{}, second", scan.secret.text())).unwrap();
        scan.outcome("refresh", &live.refresh_now().await);
        scan.shows("changed", &watcher.next().await);
        scan.outcome("refresh if due", &live.refresh_if_due().await);
        scan.outcome("rejected", &live.report_rejected("value").await);
        scan.outcome("rejected again", &live.report_rejected("value").await);
        let pasted = scan.secret.text().to_owned();
        scan.outcome("rejected nonsense", &live.report_rejected(pasted.as_str()).await.map_err(|error| error.clone()));

        let id = SecretId::parse(&format!("{CONTOSO}/secrets/password")).unwrap();
        let event = SecretEvent::new(id, SecretEventKind::NewVersion);
        scan.shows("event", &event);
        live.notify(event);
        for kind in
            [ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }, ErrorKind::NotFound]
        {
            service.vault.fail(Error::new(kind, "vault fails"));
            scan.outcome("failed", &live.refresh_now().await);
            scan.outcome("rejected in vain", &live.report_rejected("value").await);
            look_at(&mut scan, &live);
        }
        service.vault.fail(None);
        service.vault.delete("password");
        scan.outcome("deleted", &live.refresh_now().await);
        look_at(&mut scan, &live);
        while let Some(notice) = watcher.next().now_or_never().flatten() {
            if let Notice::Failed(error) = &notice {
                scan.fails("notice", error);
            }
            scan.shows("notice", &notice);
        }
        live.shutdown().await;
        look_at(&mut scan, &live);
    }
    scan.end();
}

#[tokio::test]
async fn a_derived_resource_leaks_nothing_if_its_build_succeeds_fails_or_panics() {
    let mut scan = Scan::begin();
    for framework in BOTH {
        let service = Service::new(&scan);
        let live = service.start(framework, accept).await.unwrap();
        let projection = live.map(|settings| settings.value.as_str());
        scan.shows("projection", &projection);
        assert_eq!(&*projection.current(), scan.secret.text());

        let refuses = async |_: Arc<Settings>| Err::<Pool, _>(ValidationError::new("refused"));
        scan.outcome("refused", &live.derive(["value"], refuses).await);
        let panics = async |settings: Arc<Settings>| -> Result<Pool, ValidationError> {
            std::panic::resume_unwind(Box::new(settings.value.clone()))
        };
        scan.outcome("panics", &live.derive(["value"], panics).await);
        let hangs = async |_: Arc<Settings>| std::future::pending::<Result<Pool, ValidationError>>().await;
        scan.outcome("hangs", &live.derive(["value"], hangs).build_deadline(Duration::from_millis(20)).await);
        let unhealthy = async |_: Arc<Pool>| Err(ValidationError::new("no"));
        scan.outcome("unhealthy", &live.derive(["value"], builds).probe(unhealthy).await);
        scan.outcome("unknown key", &live.derive(["unknown"], builds).await);
        scan.shows("setup", &live.derive(["value"], builds));

        let drains = async |pool: Arc<Pool>| std::panic::resume_unwind(Box::new(pool.0.clone()));
        let derived: Derived<Pool> = live.derive(["value"], builds).drain(drains).grace(Duration::ZERO).await.unwrap();
        let mut watcher = derived.watch();
        for next in ["second", "bad", "third"] {
            service.vault.set("password", format!("{}, {next}", scan.secret.text())).unwrap();
            live.refresh_now().await.unwrap();
            scan.shows("derived anew", &watcher.next().await);
            scan.shows("health", &derived.health());
        }
        scan.shows("derived", &derived);
        derived.shutdown().await;
        live.shutdown().await;
    }
    scan.end();
}

/// Its `Debug` shows the value, so our crates must not use it.
#[derive(Debug)]
#[expect(dead_code, reason = "only its Debug is of interest")]
struct Connection(String);

struct Pool(String);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pool").finish_non_exhaustive()
    }
}

async fn builds(settings: Arc<Settings>) -> Result<Pool, ValidationError> {
    if settings.value.ends_with("bad") {
        std::panic::resume_unwind(Box::new(Connection(settings.value.clone())));
    }
    Ok(Pool(settings.value.clone()))
}

#[tokio::test]
async fn a_panicking_event_source_leaks_nothing() {
    let mut scan = Scan::begin();
    let service = Service::new(&scan);
    let text = scan.secret.text().to_owned();
    let panics = stream::once(async move { std::panic::resume_unwind(Box::new(text)) });
    let panics = panics.map(|event: SecretEvent| event);
    let layers = || figment::Figment::new();
    let builder = keyvault_figment::layered(service.vault.clone(), layers).events(Box::pin(panics));
    scan.shows("builder", &builder);
    let live: Live<serde_json::Value> = builder.start().await.unwrap();
    service.vault.set("named", format!("{}, second", scan.secret.text())).unwrap();
    scan.outcome("refresh", &live.refresh_now().await);
    scan.shows("health", &live.health());
    live.shutdown().await;
    scan.end();
}
