//! A resource is rebuilt if its settings change, and only then.

use std::sync::Arc;

use keyvault::ErrorKind;
use keyvault_test_support::deadline::within_an_hour;
use tokio::time::{Instant, sleep, timeout};

use super::service::{MINUTE, Pool, Service, Settings};

#[tokio::test(start_paused = true)]
async fn a_resource_is_replaced_if_one_of_its_settings_changes() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    let held = pool.current();
    let rotated = Instant::now();
    service.rotate(&live, "second").await;
    assert_eq!(within_an_hour(watcher.replaced()).await, Some(2));
    assert_eq!(pool.current().password, "second");
    assert_eq!(held.password, "first", "the settings in use stay complete");
    assert!(rotated.elapsed().as_millis() < 100, "it waits for nothing else: {:?}", rotated.elapsed());
    assert_eq!(pool.health().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_another_setting_builds_nothing() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let before = pool.current();
    let mut watcher = pool.watch();
    service.vault.set("cache--size", "2").unwrap();
    live.refresh_now().await.unwrap().unwrap();
    assert!(timeout(MINUTE * 10, watcher.next()).await.is_err());
    assert!(Arc::ptr_eq(&before, &pool.current()));
    assert_eq!(service.said(), ["build first"]);
    assert_eq!((pool.health().generation, pool.health().behind), (2, None), "it fits the newer settings as well");
}

#[tokio::test(start_paused = true)]
async fn the_empty_key_is_all_settings() {
    let service = Service::new();
    let live = service.live().await;
    let size = live.derive([""], async |settings: Arc<Settings>| Ok(settings.cache.size.clone())).await.unwrap();
    service.vault.set("cache--size", "2").unwrap();
    let mut watcher = size.watch();
    live.refresh_now().await.unwrap();
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!(*size.current(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_misspelt_key_is_refused_unless_it_may_be_absent() {
    let service = Service::new();
    let live = service.live().await;
    let derive = || live.derive(["database", "cash"], async |_: Arc<Settings>| Ok(()));
    let error = derive().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("there is no setting at cash"), "{error}");
    assert!(derive().may_be_absent().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_build_are_not_lost_and_the_latest_wins() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    for password in ["slow second", "third", "fourth", "slow fifth"] {
        service.rotate(&live, password).await;
        // Lets the build begin.
        sleep(MINUTE / 60).await;
    }
    while within_an_hour(watcher.replaced()).await.unwrap() < 5 {}
    assert_eq!(pool.current().password, "slow fifth");
    assert_eq!(
        service.said(),
        ["build first", "build slow second", "build slow fifth"],
        "one at a time, and each is used"
    );
    assert!(timeout(MINUTE * 10, watcher.next()).await.is_err(), "there is no notice without a replacement");
}

#[tokio::test(start_paused = true)]
async fn settings_that_changed_back_need_no_build() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    let first = service.vault.clone();
    service.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    assert_eq!(pool.health().consecutive_failures, 1);
    // A new version is a change even if the value is the same.
    first.set("database--password", "first").unwrap();
    live.refresh_now().await.unwrap();
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!((pool.health().consecutive_failures, pool.health().behind), (0, None));
    assert!(pool.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn several_resources_follow_the_same_settings_independently() {
    let service = Service::new();
    let live = service.live().await;
    let pools: Vec<_> = futures::future::try_join_all((0..5).map(|_| {
        let build = async |settings: Arc<Settings>| Ok(settings.database.password.clone());
        live.derive(["database.password"], build).into_future()
    }))
    .await
    .unwrap();
    let mut watchers: Vec<_> = pools.iter().map(|pool| pool.watch()).collect();
    service.rotate(&live, "second").await;
    for (pool, watcher) in pools.iter().zip(&mut watchers) {
        within_an_hour(watcher.replaced()).await.unwrap();
        assert_eq!(*pool.current(), "second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_shows_nothing_of_its_settings() {
    let service = Service::new();
    let live = service.live().await;
    let builder = service.derive(&live);
    let shown = format!("{builder:?}");
    let pool: keyvault::Derived<Pool> = builder.await.unwrap();
    let shown = format!("{shown}{pool:?}{:?}{:?}", pool.health(), pool.watch());
    assert!(shown.contains("database") && !shown.contains("first"), "{shown}");
}
