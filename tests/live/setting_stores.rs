//! A store of settings beside a vault: each is followed, and neither holds the other back.

use std::time::Duration;

use keyvault::settings::SettingChange;
use keyvault::{Error, ErrorKind, Layers, Live, LiveBuilder, Notice};
use keyvault_test_support::settings::FakeSettings;
use keyvault_test_support::store::{FakeStore, Switch};
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Service, Settings};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Returns a builder of settings with the user from `store` and the password from the vault.
fn layered<'s>(service: &'s Service, store: &FakeSettings) -> LiveBuilder<impl Layers + use<'s>> {
    store.set("user", "store");
    service.by_name_over(service.vault.clone()).with_layer(store.clone()).refresh_deadline(SECOND * 10)
}

/// Waits until the settings have a value, and returns how long that took.
async fn until(live: &Live<Settings>, is_there: impl Fn(&Settings) -> bool) -> Duration {
    let began = Instant::now();
    while !is_there(&live.current()) {
        assert!(began.elapsed() < HOUR, "it is never seen: {:?}", live.health());
        sleep(SECOND / 10).await;
    }
    began.elapsed()
}

/// The failures of a read: the store is down, it does not answer, or its content cannot be used.
fn troubles() -> [(Option<Error>, bool); 5] {
    let error = |kind| Error::new(kind, "store is in trouble");
    let keys = ["a", "b"].map(|key| error(ErrorKind::Invalid).at(key, "App Configuration")).to_vec();
    [
        (Some(error(ErrorKind::Unavailable)), false),
        (None, true),
        (Some(error(ErrorKind::Invalid)), false),
        (Error::join(keys), false),
        (Some(error(ErrorKind::InvalidSettings)), false),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_store_in_trouble_keeps_its_last_settings_and_holds_no_rotation_back() {
    for (trouble, hangs) in troubles() {
        let (service, store) = (Service::new(), FakeSettings::new());
        let live: Live<Settings> = layered(&service, &store).start().await.unwrap();
        let mut watcher = live.watch();
        store.fail(trouble.clone());
        store.hangs.turn(hangs);
        for round in 0..5 {
            service.rotate(&format!("round {round}"));
            let password = format!("round {round}");
            let took = until(&live, |settings| settings.password == password).await;
            assert!(took < MINUTE * 2, "{trouble:?} {took:?}");
            assert_eq!(live.current().user, "store", "{trouble:?}");
        }
        let health = live.health();
        assert!(health.last_error.is_some() && health.consecutive_failures > 0, "{trouble:?} {health:?}");
        assert!(health.age > MINUTE * 3, "{trouble:?} the age counts from the oldest read: {health:?}");
        let is_failure = |notice: Option<Notice>| matches!(notice, Some(Notice::Failed(_)));
        assert!(is_failure(watcher.next().await) || is_failure(watcher.next().await), "{trouble:?}");
        store.fail(None);
        store.hangs.turn(false);
        store.set("user", "two");
        let took = until(&live, |settings| settings.user == "two").await;
        assert!(took < MINUTE * 2, "{trouble:?} {took:?}");
        sleep(MINUTE * 2).await;
        let health = live.health();
        assert!(health.last_error.is_none() && health.age < MINUTE * 2, "{trouble:?} {health:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_fails_with_the_content_of_a_store() {
    for (trouble, hangs) in troubles() {
        let (service, store) = (Service::new(), FakeSettings::new());
        let builder = layered(&service, &store).startup_deadline(SECOND * 10);
        store.fail(trouble.clone());
        store.hangs.turn(hangs);
        let error = builder.start::<Settings>().await.unwrap_err();
        assert_eq!(error.kind(), trouble.map_or(ErrorKind::Unavailable, |trouble| trouble.kind()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_holds_no_setting_back() {
    let (service, store) = (Service::new(), FakeSettings::new());
    store.set("user", "one");
    let (broken, vault) = (Switch::default(), service.vault.clone());
    let flag = broken.clone();
    let hanging = FakeStore::new(&vault).list(move |vault| {
        if flag.is_on() { Box::pin(futures::stream::pending()) } else { keyvault::SecretStore::list(vault) }
    });
    let builder = service.by_name_over(hanging).with_layer(store.clone().every(SECOND * 20));
    let live: Live<Settings> = builder.refresh_deadline(SECOND * 10).start().await.unwrap();
    broken.turn(true);
    for round in 0..5 {
        let user = format!("round {round}");
        store.set("user", user.as_str());
        let took = until(&live, |settings| settings.user == user).await;
        assert!(took < SECOND * 40, "{took:?}");
    }
    assert!(live.health().last_error.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_store_has_an_interval_of_its_own() {
    let (service, store) = (Service::new(), FakeSettings::new().every(SECOND * 10));
    let live: Live<Settings> = layered(&service, &store).refresh_every(HOUR).start().await.unwrap();
    let reads = service.vault.reads();
    store.set("user", "two");
    let took = until(&live, |settings| settings.user == "two").await;
    assert!(took <= SECOND * 11, "{took:?}");
    assert_eq!(service.vault.reads(), reads, "the vault is not asked");

    let (service, store) = (Service::new(), FakeSettings::new().every(HOUR));
    let live: Live<Settings> = layered(&service, &store).start().await.unwrap();
    sleep(MINUTE * 30).await;
    assert_eq!(store.reads(), 1, "refreshes of the vault leave the store out");
    store.set("user", "two");
    until(&live, |settings| settings.user == "two").await;
    assert_eq!(store.reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_store_makes_it_due_at_once() {
    let (service, store) = (Service::new(), FakeSettings::new());
    let builder = layered(&service, &store).refresh_every(HOUR).event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    let reads = service.vault.reads();
    live.notify(SettingChange::new("https://fabrikam.azconfig.io".parse().unwrap()));
    sleep(MINUTE).await;
    assert_eq!(store.reads(), 1, "another store's event is ignored");
    store.set("user", "two");
    live.notify(SettingChange::new("https://contoso.azconfig.io".parse().unwrap()));
    let took = until(&live, |settings| settings.user == "two").await;
    assert!(took < SECOND * 2, "{took:?}");
    assert_eq!((store.reads(), service.vault.reads()), (2, reads));
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_refused_are_offered_again() {
    let (service, store) = (Service::new(), FakeSettings::new());
    let builder = layered(&service, &store).validate(|settings: &Settings| match settings.user.as_str() {
        "bad" => Err(keyvault::ValidationError::new("user is bad")),
        _ => Ok(()),
    });
    let live: Live<Settings> = builder.start().await.unwrap();
    store.set("user", "bad");
    service.rotate("second");
    sleep(MINUTE * 3).await;
    let settings = live.current();
    assert_eq!((&*settings.user, &*settings.password), ("store", "first"), "one whole");
    assert!(live.health().last_error.is_some());
    store.set("user", "good");
    until(&live, |settings| settings.user == "good" && settings.password == "second").await;
}

#[tokio::test(start_paused = true)]
async fn two_layers_of_one_store_are_read_apart() {
    let (service, below, above) = (Service::new(), FakeSettings::new(), FakeSettings::new());
    below.set("user", "below");
    above.set("password", "above");
    let builder = service.by_name_over(service.vault.clone()).with_layer(below.clone()).with_layer(above.clone());
    let live: Live<Settings> = builder.start().await.unwrap();
    assert_eq!((&*live.current().user, &*live.current().password), ("below", "above"));
    above.set("user", "above");
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().user, "above");
}

/// Only the program names a store. A reference to its origin is one to a vault that is not allowed.
#[tokio::test]
async fn a_reference_cannot_read_a_store() {
    let (service, store) = (Service::new(), FakeSettings::new());
    store.set("user", "@KeyVault(SecretUri=https://contoso.azconfig.io/secrets/App-Configuration)");
    let builder = service.by_name_over(service.vault.clone()).with_layer(store.clone());
    let error = builder.minimum_failure_delay(Duration::ZERO).start::<Settings>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}
