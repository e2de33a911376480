//! A resource is replaced when its settings change, and only then.

use std::sync::Arc;

use keyvault::ErrorKind;
use keyvault_test_support::deadline::within_an_hour;
use tokio::time::{Instant, sleep, timeout};

use super::stage::{MINUTE, Pool, Settings, Stage};

#[tokio::test(start_paused = true)]
async fn a_resource_is_replaced_when_a_setting_of_its_changes() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    let held = pool.current();
    let rotated = Instant::now();
    stage.rotate(&live, "second").await;
    assert_eq!(within_an_hour(watcher.replaced()).await, Some(2));
    assert_eq!(pool.current().password, "second");
    assert_eq!(held.password, "first", "what is in use stays whole");
    assert!(rotated.elapsed().as_millis() < 100, "it waits for nothing else: {:?}", rotated.elapsed());
    assert_eq!(pool.health().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_setting_of_somebody_else_builds_nothing() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.derive(&live).await.unwrap();
    let before = pool.current();
    let mut watcher = pool.watch();
    stage.vault.set("cache--size", "2").unwrap();
    live.refresh_now().await.unwrap().unwrap();
    assert!(timeout(MINUTE * 10, watcher.next()).await.is_err());
    assert!(Arc::ptr_eq(&before, &pool.current()));
    assert_eq!(stage.said(), ["build first"]);
    assert_eq!((pool.health().generation, pool.health().behind), (2, None), "it fits the newer settings as well");
}

#[tokio::test(start_paused = true)]
async fn the_empty_key_is_all_settings() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let size = live.derive([""], async |settings: Arc<Settings>| Ok(settings.cache.size.clone())).await.unwrap();
    stage.vault.set("cache--size", "2").unwrap();
    let mut watcher = size.watch();
    live.refresh_now().await.unwrap();
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!(*size.current(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_misspelt_key_is_refused_unless_it_may_be_absent() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let derive = || live.derive(["database", "cash"], async |_: Arc<Settings>| Ok(()));
    let error = derive().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("there is no setting at cash"), "{error}");
    assert!(derive().may_be_absent().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn changes_during_a_build_are_not_lost_and_the_latest_wins() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.derive(&live).await.unwrap();
    let mut watcher = pool.watch();
    for password in ["slow second", "third", "fourth", "slow fifth"] {
        stage.rotate(&live, password).await;
        // Gives the build the time to begin.
        sleep(MINUTE / 60).await;
    }
    while within_an_hour(watcher.replaced()).await.unwrap() < 5 {}
    assert_eq!(pool.current().password, "slow fifth");
    assert_eq!(stage.said(), ["build first", "build slow second", "build slow fifth"], "one at a time, none in vain");
    assert!(timeout(MINUTE * 10, watcher.next()).await.is_err(), "there is no notice without a replacement");
}

#[tokio::test(start_paused = true)]
async fn settings_that_went_there_and_back_need_no_build() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pool = stage.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    let first = stage.vault.clone();
    stage.rotate(&live, "bad").await;
    within_an_hour(watcher.next()).await.unwrap();
    assert_eq!(pool.health().consecutive_failures, 1);
    // A new version is a change even with the old value.
    first.set("database--password", "first").unwrap();
    live.refresh_now().await.unwrap();
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!((pool.health().consecutive_failures, pool.health().behind), (0, None));
    assert!(pool.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn several_resources_follow_the_same_settings_on_their_own() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let pools: Vec<_> = futures::future::try_join_all((0..5).map(|_| {
        let build = async |settings: Arc<Settings>| Ok(settings.database.password.clone());
        live.derive(["database.password"], build).into_future()
    }))
    .await
    .unwrap();
    let mut watchers: Vec<_> = pools.iter().map(|pool| pool.watch()).collect();
    stage.rotate(&live, "second").await;
    for (pool, watcher) in pools.iter().zip(&mut watchers) {
        within_an_hour(watcher.replaced()).await.unwrap();
        assert_eq!(*pool.current(), "second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_shows_nothing_of_what_it_was_built_from() {
    let stage = Stage::begin();
    let live = stage.live().await;
    let builder = stage.derive(&live);
    let shown = format!("{builder:?}");
    let pool: keyvault::Derived<Pool> = builder.await.unwrap();
    let shown = format!("{shown}{pool:?}{:?}{:?}", pool.health(), pool.watch());
    assert!(shown.contains("database") && !shown.contains("first"), "{shown}");
}
