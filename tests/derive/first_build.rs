//! The first build and the probe of a derived resource.

use std::sync::Arc;

use keyvault::{ErrorKind, ValidationError};
use keyvault_test_support::deadline::within_an_hour;
use tokio::time::{Instant, timeout};

use super::service::{MINUTE, Pool, Service};

#[tokio::test(start_paused = true)]
async fn a_failed_first_build_reports_its_cause_at_once() {
    let service = Service::new();
    service.vault.set("database--password", "bad").unwrap();
    let live = service.live().await;
    let begun = Instant::now();
    let error = service.derive(&live).await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSettings, Some("database.password")));
    let clause = "resource derived from database could not be built: the database refuses the login";
    assert!(error.to_string().ends_with(clause), "{error}");
    assert_eq!(begun.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_first_build_may_be_retried_with_the_newest_settings_until_a_deadline() {
    let service = Service::new();
    service.vault.set("database--password", "bad").unwrap();
    let live = service.live().await;
    let rotation = async {
        tokio::time::sleep(MINUTE / 2).await;
        service.rotate(&live, "second").await;
    };
    let (pool, ()) = tokio::join!(service.derive(&live).start_deadline(MINUTE * 2), rotation);
    assert_eq!(pool.unwrap().current().password, "second");

    service.rotate(&live, "bad").await;
    let begun = Instant::now();
    assert!(service.derive(&live).start_deadline(MINUTE).await.is_err());
    assert!(begun.elapsed() <= MINUTE, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_first_build_that_hangs_or_panics_is_an_error_too() {
    let service = Service::new();
    for (password, kind, clause) in [
        ("hangs", ErrorKind::Unavailable, "resource derived from database was not built in time"),
        ("panics", ErrorKind::InvalidSettings, "panicked while the resource derived from database was built"),
    ] {
        service.vault.set("database--password", password).unwrap();
        let live = service.live().await;
        let error = timeout(MINUTE, service.derive(&live).into_future()).await.expect("it ends").unwrap_err();
        assert_eq!(error.kind(), kind, "{password}");
        assert!(error.to_string().contains(clause), "{password}: {error}");
    }
}

#[tokio::test]
async fn a_failed_build_names_the_settings_that_it_was_derived_from() {
    let live = Service::new().live().await;
    for (keys, named) in
        [(&["database", "cache.size"][..], "derived from database, cache.size"), (&[""], "derived from all settings")]
    {
        let refused = |_| async { Err::<(), _>(ValidationError::new("no")) };
        let error = live.derive(keys.iter().copied(), refused).await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        let build = |_| async { Ok(()) };
        let probe = |_| async { Err(ValidationError::new("no")) };
        let error = live.derive(keys.iter().copied(), build).probe(probe).await.unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_first_build_leaves_nothing_behind() {
    let service = Service::new();
    service.vault.set("database--password", "hangs").unwrap();
    let live = service.live().await;
    assert!(timeout(MINUTE / 60, service.derive(&live).into_future()).await.is_err());
    assert_eq!(service.running.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_fails_its_probe_is_never_current_and_is_drained_at_once() {
    let service = Service::new();
    let live = service.live().await;
    let probing = service.clone();
    let probe = move |new: Arc<Pool>| {
        probing.say(format!("probe {}", new.password));
        async move {
            match new.password.as_str() {
                "empty" => Err(ValidationError::new("no query runs")),
                "stuck" => std::future::pending().await,
                "shaky" => panic!("the probe panics"),
                _ => Ok(()),
            }
        }
    };
    let pool = service.drained(&live).probe(probe).await.unwrap();
    let mut watcher = pool.watch();
    assert_eq!(service.said(), ["build first", "probe first"]);
    for password in ["empty", "stuck", "shaky"] {
        service.rotate(&live, password).await;
        let begun = Instant::now();
        within_an_hour(watcher.next()).await.unwrap();
        assert_eq!(pool.current().password, "first", "{password}");
        service.alive(1).await;
        assert!(begun.elapsed() <= MINUTE / 2, "within the build's deadline: {:?}", begun.elapsed());
        let expected = [format!("build {password}"), format!("probe {password}"), format!("drain {password}")];
        assert_eq!(service.said(), expected);
    }
    service.rotate(&live, "good").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!(pool.current().password, "good");
}
