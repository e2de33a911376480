//! No sequence of failures loses an update, publishes a failure as a value, or silences the loop.
//!
//! Each sequence, its outcome, and its test:
//!
//! * a list shows two changes, and one cannot be fetched: the next refresh fetches it.
//!   `a_change_that_failed_to_apply_is_retried`
//! * one secret fails, then another changes: the first keeps its value. `a_failed_read_never_becomes_a_value`
//! * failure after failure: pauses grow. `pauses_grow_during_an_outage`
//! * a poll fails, and the next one finds a change: watchers are notified.
//!   `a_change_found_after_a_failed_poll_is_published`
//! * a refresh fails in an unforeseen way: the next one runs. `no_failure_ends_the_refresh_task`
//! * an outage: few requests are sent. `an_outage_costs_few_requests`
//! * two settings share a secret: both change. `all_settings_of_one_secret_change_together`
//! * a poll fails: health, watchers and the log show it, and the age grows. `a_failed_poll_is_visible_everywhere`
//! * nothing changed: no watcher is notified. `an_unchanged_refresh_notifies_no_watcher`
//! * hundreds of secrets: fetched concurrently, within a bound. `many_secrets_are_fetched_with_bounded_concurrency`
//! * an outage below several layers of code: it stays `Unavailable`, so it is retried.
//!   `an_outage_is_reported_as_unavailable_at_any_depth`
//! * a content type in upper case or with parameters: JSON is recognized.
//!   `json_is_recognized_by_any_spelling_of_its_content_type`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use keyvault::{Error, ErrorKind, Live, NameMap, Notice};
use keyvault_test_support::log::Log;
use keyvault_test_support::store::Switch;
use tokio::time::{Instant, sleep, timeout};

use super::service::{Fault, MINUTE, Service, Settings};

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "vault is down")
}

#[tokio::test(start_paused = true)]
async fn a_change_that_failed_to_apply_is_retried() {
    let service = Service::new();
    let broken = service.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let live: Live<Settings> = service.by_name().names(NameMap::new()).start().await.unwrap();
    service.vault.set("user", "bob").unwrap();
    service.rotate("second");
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("ann", "first"));
    broken.turn(false);
    let change = live.refresh_now().await.unwrap().unwrap();
    assert_eq!(change.keys, ["password", "user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_never_becomes_a_value() {
    let service = Service::new();
    let broken = service.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let layered = service.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = layered.start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    let version = service.vault.set("user", "bob").unwrap();
    let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/user").unwrap();
    live.notify(keyvault::push::SecretEvent::new(
        id.with_version(version),
        keyvault::push::SecretEventKind::NewVersion,
    ));
    let mut watcher = live.watch();
    watcher.changed().await.unwrap();
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "first"));
    assert!(live.health().last_error.is_some(), "the remaining failure stays visible");
    broken.turn(false);
    assert_eq!(live.refresh_now().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_during_an_outage() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(MINUTE * 60).start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(down());
    live.refresh_now().await.unwrap_err();
    watcher.next().await;
    let mut last = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..11 {
        watcher.next().await.unwrap();
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
    assert!(pauses[10] > MINUTE * 10, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_found_after_a_failed_poll_is_published() {
    let service = Service::new();
    let live: Live<Settings> = service.by_name().start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(down());
    service.rotate("second");
    assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    service.vault.fail(None);
    let change = timeout(MINUTE * 2, watcher.changed()).await.expect("the next good poll").unwrap();
    assert_eq!(change.keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn no_failure_ends_the_refresh_task() {
    let (service, broken) = (Service::new(), Switch::default());
    let flag = broken.clone();
    service.vault.on_get(move |_| {
        assert!(!flag.is_on(), "the store panics");
        async move { Ok(()) }
    });
    let live: Live<Settings> = service.layered().start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    broken.turn(false);
    for failure in [down(), Error::new(ErrorKind::Denied, "denied"), Error::new(ErrorKind::Invalid, "odd")] {
        service.vault.fail(failure);
        live.refresh_now().await.unwrap_err();
    }
    service.vault.fail(None);
    service.rotate("second");
    let mut watcher = live.watch();
    timeout(MINUTE * 2, watcher.changed()).await.expect("by itself").unwrap();
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_few_requests() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.vault.fail(down());
    let before = service.vault.reads();
    for _ in 0..60 * 60 {
        sleep(Duration::from_secs(1)).await;
        // Once per incoming request.
        _ = live.refresh_if_due().await;
    }
    let asked = service.vault.reads().gets - before.gets;
    assert!(asked <= 200, "{asked} in an hour, by two secrets");
}

#[tokio::test(start_paused = true)]
async fn all_settings_of_one_secret_change_together() {
    let service = Service::new();
    service.write("user", "@KeyVault(SecretName=password)");
    service.write("again", "a@KeyVault(SecretName=PASSWORD)");
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let gets = service.vault.reads().gets;
    service.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["again", "password", "user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("second", "second"));
    assert_eq!(service.vault.reads().gets, gets + 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_poll_is_visible_everywhere() {
    let log = Log::begin();
    let service = Service::new();
    let live: Live<Settings> = service.layered().max_staleness(MINUTE * 10).start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(down());
    assert!(matches!(watcher.next().await, Some(Notice::Failed(error)) if error.failures().len() == 2));
    assert!(log.text().contains("settings could not be refreshed and stay"), "{}", log.text());
    sleep(MINUTE * 15).await;
    let health = live.health();
    assert!(health.age >= MINUTE * 15 && !health.is_healthy() && health.consecutive_failures > 1, "{health:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_refresh_notifies_no_watcher() {
    let service = Service::new();
    let live: Live<Settings> = service.by_name().start().await.unwrap();
    let mut watcher = live.watch();
    sleep(MINUTE * 60).await;
    assert!(watcher.next().now_or_never().is_none());
    assert_eq!(live.published().generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_secrets_are_fetched_with_bounded_concurrency() {
    let service = Service::new();
    for n in 0..200 {
        service.set_long_ago(&format!("s{n}"), "x");
        service.write(&format!("s{n}"), &format!("@KeyVault(SecretName=s{n})"));
    }
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (flying, seen) = (Arc::clone(&now), Arc::clone(&most));
    service.vault.on_get(move |_| {
        let (flying, seen) = (Arc::clone(&flying), Arc::clone(&seen));
        async move {
            seen.fetch_max(flying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            flying.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let _live: Live<Settings> = service.layered().start().await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 100);
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_as_unavailable_at_any_depth() {
    let service = Service::new();
    service.vault.fail(down());
    let (heal, began) = (service.vault.clone(), Instant::now());
    let recovery = async move {
        sleep(Duration::from_secs(20)).await;
        heal.fail(None);
    };
    let (live, ()) = tokio::join!(service.layered().start::<Settings>(), recovery);
    let live = live.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(20));
    service.vault.fail(down());
    let error = live.refresh_now().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let kinds: BTreeSet<String> = error.failures().iter().map(|failure| format!("{:?}", failure.kind())).collect();
    assert_eq!(kinds, ["Unavailable".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn a_property_of_json_is_read_whatever_the_content_type() {
    for content_type in [None, Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("text/plain")] {
        let service = Service::new();
        let json = r#"{"password":"inside"}"#;
        let typed = |p: &mut keyvault::SecretProperties| p.set_content_type(content_type.map(str::to_owned));
        service.vault.set_with("json", json, typed).unwrap();
        service.write("password", "@KeyVault(SecretName=json;Property=password)");
        let live: Live<Settings> = service.layered().start().await.unwrap();
        assert_eq!(live.current().password, "inside", "{content_type:?}");
    }
}
