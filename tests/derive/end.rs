//! The following ends when nobody needs it any more.

use keyvault_test_support::deadline::within_an_hour;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::stage::{MINUTE, Stage};

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_ends_the_task_and_drains_the_resource() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.drained(&live).grace(MINUTE).await.unwrap();
    let (other, mut watcher) = (pool.clone(), pool.watch());
    drop(pool);
    stage.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.expect("a clone keeps it");
    stage.said();
    let dropped = Instant::now();
    drop(other);
    assert!(timeout(MINUTE / 60, watcher.next()).await.expect("watchers end at once").is_none());
    stage.alive(0).await;
    assert_eq!(stage.said(), ["drain first", "drain second"]);
    assert_eq!(dropped.elapsed().as_secs(), 60, "it may still be in use for the grace");
    stage.rotate(&live, "third").await;
    sleep(MINUTE).await;
    assert!(stage.said().is_empty(), "nobody builds any more");
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_gives_up_a_build() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.drained(&live).grace(Duration::ZERO).await.unwrap();
    stage.rotate(&live, "hangs").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.said(), ["build first", "build hangs"]);
    drop(pool);
    stage.alive(0).await;
    assert_eq!(stage.said(), ["drain first"]);
    assert_eq!(stage.running.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_probed_at_the_end_is_drained_too() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let probe = |new: std::sync::Arc<super::stage::Pool>| async move {
        if new.password == "second" { std::future::pending().await } else { Ok(()) }
    };
    let pool = stage.drained(&live).probe(probe).await.unwrap();
    stage.rotate(&live, "second").await;
    stage.alive(2).await;
    let asked = Instant::now();
    within_an_hour(pool.shutdown()).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut said = stage.said();
    said.sort();
    assert_eq!(said, ["build first", "build second", "drain first", "drain second"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_refresh_ends_a_build_and_leaves_the_last_resource() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.drained(&live).await.unwrap();
    let mut watcher = pool.watch();
    stage.rotate(&live, "hangs").await;
    sleep(Duration::from_secs(1)).await;
    let asked = Instant::now();
    within_an_hour(live.shutdown()).await;
    assert!(within_an_hour(watcher.next()).await.is_none());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(stage.running.load(std::sync::atomic::Ordering::SeqCst), 0, "the build is given up");
    assert!(!pool.health().is_following);
    drop(live);
    sleep(MINUTE * 60).await;
    assert_eq!(pool.current().password, "first", "the last resource stays, undrained");
    assert_eq!(stage.said(), ["build first", "build hangs"]);
    drop(pool);
    stage.alive(0).await;
    assert_eq!(stage.said(), ["drain first"], "it is drained when its handles are gone");
}

#[tokio::test(start_paused = true)]
async fn a_derived_resource_does_not_keep_the_settings_refreshed() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    drop(live);
    assert!(timeout(MINUTE / 60, watcher.next()).await.expect("it ends at once").is_none());
    assert_eq!(pool.current().password, "first");
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_everything_without_grace_and_is_waited_for() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.drained(&live).grace(MINUTE * 60).await.unwrap();
    let mut watcher = pool.watch();
    stage.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    stage.said();
    let asked = Instant::now();
    within_an_hour(futures::future::join(pool.shutdown(), pool.shutdown())).await;
    within_an_hour(pool.shutdown()).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let mut said = stage.said();
    said.sort();
    assert_eq!(said, ["drain first", "drain second"], "together");
    assert_eq!(pool.current().password, "second", "readers keep what there is");
    stage.alive(1).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_no_longer_than_a_drain_may_take() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let drain = |_| std::future::pending();
    let pool = stage.derive(&live).drain(drain).drain_deadline(Duration::from_secs(5)).await.unwrap();
    let asked = Instant::now();
    timeout(MINUTE, pool.shutdown()).await.expect("it ends");
    assert_eq!(asked.elapsed().as_secs(), 5);
}
