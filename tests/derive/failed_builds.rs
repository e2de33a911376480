//! A failed build keeps the last good resource, is visible, and is retried.

use std::time::Duration;

use keyvault::ErrorKind;
use keyvault::derive::DerivedNotice;
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::deadline::within_an_hour;
use keyvault_test_support::log::Log;
use tokio::time::{Instant, timeout};

use super::service::{MINUTE, Service};

#[tokio::test(start_paused = true)]
async fn a_failed_build_keeps_the_last_resource_and_is_visible() {
    let log = Log::begin();
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    for (password, kind) in
        [("bad", ErrorKind::InvalidSettings), ("panics", ErrorKind::InvalidSettings), ("hangs", ErrorKind::Unavailable)]
    {
        service.rotate(&live, password).await;
        let Some(DerivedNotice::Failed(error)) = within_an_hour(watcher.next()).await else {
            panic!("{password} was not reported")
        };
        assert_eq!(error.kind(), kind, "{password}");
        assert_eq!(pool.current().password, "first");
    }
    let health = pool.health();
    assert_eq!((health.generation, health.consecutive_failures), (1, 3));
    assert_eq!(health.last_error.unwrap().kind(), ErrorKind::Unavailable);
    assert!(health.behind.is_some_and(|behind| behind >= MINUTE / 2), "{:?}", health.behind);
    assert!(health.next_build.is_some());
    assert!(log.text().contains("derived resource could not be replaced and stays"), "{}", log.text());
    assert_free_of(&log.text(), &["first"]);

    service.rotate(&live, "good").await;
    assert!(matches!(within_an_hour(watcher.next()).await, Some(DerivedNotice::Replaced(5))));
    let health = pool.health();
    assert_eq!((health.generation, health.consecutive_failures, health.behind, health.next_build), (5, 0, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_is_retried_with_growing_pauses() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).retry(Duration::from_secs(1), Duration::from_secs(8)).await.unwrap();
    let mut watcher = pool.watch();
    service.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    for expected in [1.0, 2.0, 4.0, 8.0, 8.0, 8.0] {
        let last = Instant::now();
        within_an_hour(watcher.next()).await.unwrap();
        let pause = last.elapsed().as_secs_f64();
        assert!(pause >= expected * 0.74 && pause <= expected * 1.26, "{pause} for {expected}");
    }
    service.said();
    service.rotate(&live, "good").await;
    let rotated = Instant::now();
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!(rotated.elapsed().as_millis(), 0, "new settings do not wait for the pause");
    assert_eq!(service.said(), ["build good"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_other_settings_does_not_cut_the_pause_short() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE * 5, MINUTE * 5).await.unwrap();
    let mut watcher = pool.watch();
    service.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    let failed = Instant::now();
    service.vault.set("cache--size", "2").unwrap();
    live.refresh_now().await.unwrap();
    within_an_hour(watcher.next()).await.unwrap();
    assert!(failed.elapsed() >= MINUTE * 3, "{:?}", failed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_build_that_hangs_ends_at_its_deadline() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).build_deadline(Duration::from_secs(5)).await.unwrap();
    let mut watcher = pool.watch();
    service.rotate(&live, "hangs").await;
    let begun = Instant::now();
    timeout(MINUTE, watcher.next()).await.expect("it ends");
    assert_eq!(begun.elapsed().as_secs(), 5);
}
