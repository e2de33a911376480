//! Debounce: secrets that rotate together are published together.

use std::time::Duration;

use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, Result, Secret, SecretId};
use keyvault_test_support::deadline::{on_a_watched_thread, within_an_hour};
use keyvault_test_support::store::{FakeStore, Switch};
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Service, Settings};
use super::two_vaults::{Trouble, TwoVaults};

const SECOND: Duration = Duration::from_secs(1);

/// Rotates the user and, after `apart`, the password. Returns the keys of each publication since.
async fn rotate(service: &Service, live: &Live<Settings>) -> Vec<(String, String)> {
    let mut watcher = live.watch();
    let mut seen = Vec::new();
    let rotation = async {
        service.vault.set("user", "bob").unwrap();
        sleep(SECOND * 3).await;
        service.rotate("second");
        sleep(MINUTE).await;
    };
    let watching = async {
        while watcher.changed().await.is_some() {
            let settings = live.current();
            seen.push((settings.user.clone(), settings.password.clone()));
        }
    };
    tokio::select! {
        () = rotation => {}
        () = watching => {}
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn changes_within_the_minimum_are_published_together() {
    let service = Service::new();
    let live: Live<Settings> =
        service.layered().refresh_every(SECOND).debounce(SECOND * 5, SECOND * 30).start().await.unwrap();
    assert_eq!(rotate(&service, &live).await, [("bob".to_owned(), "second".to_owned())]);
    assert!(live.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn by_default_every_change_is_published_at_the_end_of_its_refresh() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(SECOND).start().await.unwrap();
    let expected = [("bob".to_owned(), "first".to_owned()), ("bob".to_owned(), "second".to_owned())];
    assert_eq!(rotate(&service, &live).await, expected);
}

#[tokio::test(start_paused = true)]
async fn changes_without_end_are_published_after_the_maximum() {
    let service = Service::new();
    let live: Live<Settings> =
        service.layered().refresh_every(SECOND * 2).debounce(SECOND * 5, SECOND * 20).start().await.unwrap();
    let mut watcher = live.watch();
    let began = Instant::now();
    let rotating = async {
        for round in 0.. {
            service.rotate(&format!("password {round}"));
            sleep(SECOND).await;
        }
    };
    tokio::select! {
        () = rotating => {}
        change = watcher.changed() => assert!(change.is_some()),
    }
    assert!((SECOND * 19..SECOND * 25).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_call_is_not_debounced() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().debounce(MINUTE, MINUTE * 5).start().await.unwrap();
    service.rotate("second");
    assert!(live.refresh_now().await.unwrap().is_some());
    service.rotate("third");
    live.report_rejected("password").await.unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_maximum_below_the_minimum_is_refused() {
    let service = Service::new();
    let start: Result<Live<Settings>> = service.layered().debounce(MINUTE, SECOND).start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn during_the_debounce_the_vault_counts_as_available_and_the_settings_age() {
    let service = Service::new();
    let live: Live<Settings> =
        service.layered().refresh_every(MINUTE * 10).debounce(SECOND * 20, MINUTE).start().await.unwrap();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    for _ in 0..8 {
        live.refresh_now().await.unwrap_err();
    }
    sleep(SECOND).await;
    assert!(live.health().consecutive_failures >= 8);
    service.vault.fail(None);
    service.rotate("second");
    // The back-off after so many failures, then a refresh that finds the change and debounces it.
    let began = Instant::now();
    while live.health().consecutive_failures > 0 {
        assert!(began.elapsed() < MINUTE * 20, "{:?}", live.health());
        sleep(SECOND).await;
    }
    assert_eq!(live.current().password, "first", "it settles");
    let health = live.health();
    assert!(health.last_error.is_none(), "the vault answered: {health:?}");
    assert!(health.age > began.elapsed(), "the settings are known to be stale: {health:?}");
    // The next failure counts as the first again.
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    let failed = async {
        while live.health().consecutive_failures == 0 {
            sleep(SECOND / 10).await;
        }
    };
    within_an_hour(failed).await;
    assert!(live.health().next_refresh.unwrap() < SECOND * 2, "{:?}", live.health());
    service.vault.fail(None);
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "second");
    assert!(live.health().age <= MINUTE, "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn a_kept_secret_is_reported_while_another_is_debounced() {
    let service = Service::new();
    let builder = service.layered().policy("password", keyvault::Policy::KeepLastGood);
    let live: Live<Settings> = builder.debounce(SECOND * 20, MINUTE).start().await.unwrap();
    service.vault.delete("password");
    service.vault.set("user", "bob").unwrap();
    let kept = async {
        while live.health().kept.is_empty() {
            sleep(SECOND).await;
        }
    };
    within_an_hour(kept).await;
    assert_eq!((live.current().user.as_str(), live.health().consecutive_failures), ("ann", 1), "it settles");
    sleep(MINUTE * 2).await;
    assert_eq!(live.current().user, "bob");
    assert_eq!(live.health().kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn debounced_events_of_two_secrets_do_not_delay_each_other() {
    let service = Service::new();
    let builder = service.layered().refresh_every(MINUTE * 60).debounce(SECOND, MINUTE * 60);
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    for (name, text) in [("user", "bob"), ("password", "second")] {
        let version = service.vault.set(name, text).unwrap();
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
        live.notify(SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion));
        sleep(SECOND / 2).await;
    }
    sleep(SECOND * 5).await;
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

/// The user rotates, and the password a moment later. Events of the user come twice, late, or without a version, while
/// the vault answers slowly with what it had when it was asked.
#[tokio::test(start_paused = true)]
async fn repeated_and_late_events_do_not_end_the_debounce() {
    let id = |name: &str| SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
    for takes in [0.0, 0.2, 1.0, 2.9, 4.0, 10.0].map(Duration::from_secs_f64) {
        for again in [0.0, 0.5, 1.4, 2.0, 3.1, 8.0].map(Duration::from_secs_f64) {
            for (has_version, tells_password) in [(true, false), (false, false), (true, true), (false, true)] {
                let what = format!("{takes:?} {again:?} {has_version} {tells_password}");
                let service = Service::new();
                let slow = FakeStore::new(&service.vault).get(move |vault, id| async move {
                    use keyvault::SecretStore;
                    let secret: Result<Secret> = vault.get(&id).await;
                    sleep(takes).await;
                    secret
                });
                let builder = service.layered_over(slow).refresh_every(MINUTE * 60).event_spread(Duration::ZERO);
                let live: Live<Settings> = builder.debounce(SECOND * 3, SECOND * 120).start().await.unwrap();
                let mut watcher = live.watch();
                let version = service.vault.set("user", "bob").unwrap();
                let changed = if has_version { id("user").with_version(version) } else { id("user") };
                let event = SecretEvent::new(changed, SecretEventKind::NewVersion);
                live.notify(event.clone());
                let repeating = async {
                    sleep(again).await;
                    live.notify(event);
                };
                let rotating = async {
                    sleep(SECOND * 3 / 2).await;
                    let version = service.vault.set("password", "second").unwrap();
                    if tells_password {
                        let id = id("password").with_version(version);
                        live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
                    }
                };
                tokio::join!(repeating, rotating);
                let change = tokio::time::timeout(MINUTE * 2, watcher.changed()).await;
                let change = change.unwrap_or_else(|_| panic!("{what}: never published")).unwrap();
                assert_eq!(change.keys, ["password", "user"], "{what}");
                assert_eq!((&*live.current().user, &*live.current().password), ("bob", "second"), "{what}");
            }
        }
    }
}

/// While the refresh that publishes a change waits for another vault, the change is not compared again and again.
#[test]
fn a_full_refresh_that_waits_costs_no_processor_time() {
    on_a_watched_thread(|| async {
        let (vaults, is_late) = (TwoVaults::new(Trouble::Refuses), Switch::default());
        let late = is_late.clone();
        let slow = vaults.other.clone();
        slow.on_get(move |_| {
            let pause = if late.is_on() { SECOND * 8 } else { Duration::ZERO };
            async move {
                sleep(pause).await;
                Ok(())
            }
        });
        let builder = vaults.layered().event_spread(Duration::ZERO).debounce(SECOND, MINUTE);
        let live: Live<Settings> = builder.start().await.unwrap();
        is_late.turn(true);
        let broken = is_late.clone();
        vaults.service.vault.on_get(move |id| {
            let is_broken = broken.is_on() && id.version().is_none();
            async move { if is_broken { Err(Error::new(ErrorKind::Unavailable, "vault is down")) } else { Ok(()) } }
        });
        let version = vaults.service.vault.set("user", "bob").unwrap();
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/user").unwrap();
        live.notify(SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion));
        sleep(MINUTE * 2).await;
        is_late.turn(false);
        sleep(MINUTE * 2).await;
        assert_eq!(live.current().user, "bob");
    });
}
