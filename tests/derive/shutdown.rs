//! A derived resource ends with its last handle or on shutdown.

use keyvault_test_support::deadline::within_an_hour;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::service::{MINUTE, Service};

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_ends_the_task_and_drains_the_resource() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.drained(&live).grace(MINUTE).await.unwrap();
    let (other, mut watcher) = (pool.clone(), pool.watch());
    drop(pool);
    service.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.expect("a clone keeps it");
    service.said();
    let dropped = Instant::now();
    drop(other);
    assert!(timeout(MINUTE / 60, watcher.next()).await.expect("watchers end at once").is_none());
    service.alive(0).await;
    assert_eq!(service.said(), ["drain first", "drain second"]);
    assert_eq!(dropped.elapsed().as_secs(), 60, "it may still be in use for the grace");
    service.rotate(&live, "third").await;
    sleep(MINUTE).await;
    assert!(service.said().is_empty(), "no build follows");
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_cancels_a_build() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.drained(&live).grace(Duration::ZERO).await.unwrap();
    service.rotate(&live, "hangs").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(service.said(), ["build first", "build hangs"]);
    drop(pool);
    service.alive(0).await;
    assert_eq!(service.said(), ["drain first"]);
    assert_eq!(service.running.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resource_in_its_probe_at_shutdown_is_drained_too() {
    let service = Service::new();
    let live = service.live().await;
    let probe = |new: std::sync::Arc<super::service::Pool>| async move {
        if new.password == "second" { std::future::pending().await } else { Ok(()) }
    };
    let pool = service.drained(&live).probe(probe).await.unwrap();
    service.rotate(&live, "second").await;
    service.alive(2).await;
    let asked = Instant::now();
    within_an_hour(pool.shutdown()).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut said = service.said();
    said.sort();
    assert_eq!(said, ["build first", "build second", "drain first", "drain second"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_refresh_ends_a_build_and_leaves_the_last_resource() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.drained(&live).await.unwrap();
    let mut watcher = pool.watch();
    service.rotate(&live, "hangs").await;
    sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    within_an_hour(live.shutdown()).await;
    assert!(within_an_hour(watcher.next()).await.is_none());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(service.running.load(std::sync::atomic::Ordering::SeqCst), 0, "the build is given up");
    assert!(!pool.health().is_following);
    drop(live);
    sleep(MINUTE * 60).await;
    assert_eq!(pool.current().password, "first", "the last resource stays, undrained");
    assert_eq!(service.said(), ["build first", "build hangs"]);
    drop(pool);
    service.alive(0).await;
    assert_eq!(service.said(), ["drain first"], "it is drained when its handles are gone");
}

#[tokio::test(start_paused = true)]
async fn a_derived_resource_does_not_keep_the_settings_refreshed() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    drop(live);
    assert!(timeout(MINUTE / 60, watcher.next()).await.expect("it ends at once").is_none());
    assert_eq!(pool.current().password, "first");
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_everything_without_grace_and_waits_for_it() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.drained(&live).grace(MINUTE * 60).await.unwrap();
    let mut watcher = pool.watch();
    service.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    service.said();
    let asked = Instant::now();
    within_an_hour(futures::future::join(pool.shutdown(), pool.shutdown())).await;
    within_an_hour(pool.shutdown()).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut said = service.said();
    said.sort();
    assert_eq!(said, ["drain first", "drain second"], "together");
    assert_eq!(pool.current().password, "second", "readers keep the current settings");
    service.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_no_longer_than_a_drain_may_take() {
    let service = Service::new();
    let live = service.live().await;
    let drain = |_| std::future::pending();
    let pool = service.derive(&live).drain(drain).drain_deadline(Duration::from_secs(5)).await.unwrap();
    let asked = Instant::now();
    timeout(MINUTE, pool.shutdown()).await.expect("it ends");
    assert_eq!(asked.elapsed().as_secs(), 5);
}
