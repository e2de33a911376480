//! A new version of a secret appears in the running process.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Live, Notice, SecretId, SecretVersion};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::service::{Clock, MINUTE, Service, Settings};

#[tokio::test(start_paused = true)]
async fn a_new_version_arrives_within_an_interval_and_a_tenth() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    service.rotate("second");
    let rotated = Instant::now();
    let change = watcher.changed().await.unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(change.generation, 2);
    assert!(rotated.elapsed() <= MINUTE.mul_f64(1.1), "{:?}", rotated.elapsed());
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_change_contains_its_generation_its_time_and_its_keys_but_no_value() {
    let (service, clock) = (Service::new(), Clock::new());
    let live: Live<Settings> = service.layered().wall_clock(clock.function()).start().await.unwrap();
    let mut watcher = live.watch();
    clock.jump(MINUTE * 60);
    service.rotate("c4nary");
    let asked = clock.now();
    let change = live.refresh_now().await.unwrap().unwrap();
    assert_eq!((change.generation, change.keys.as_slice()), (2, &["password".to_owned()][..]));
    assert!((asked..=clock.now()).contains(&change.at), "by the configured clock");
    assert_eq!(watcher.changed().await.unwrap(), change, "a watcher receives the same change");
    let published = live.published();
    assert_eq!((published.generation(), published.at()), (2, change.at));
    assert!(!format!("{change:?}{published:?}{watcher:?}").contains("c4nary"));
}

#[tokio::test(start_paused = true)]
async fn each_interval_varies_by_up_to_a_tenth() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let mut intervals = Vec::new();
    let mut last = Instant::now();
    for round in 0..30 {
        service.rotate(&format!("password {round}"));
        watcher.changed().await.unwrap();
        intervals.push(last.elapsed());
        last = Instant::now();
    }
    assert!(intervals.iter().all(|i| *i >= MINUTE.mul_f64(0.9) && *i <= MINUTE.mul_f64(1.1)), "{intervals:?}");
    intervals.dedup();
    assert!(intervals.len() > 20, "{intervals:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_refresh_publishes_nothing_and_notifies_no_watcher() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let before = live.published();
    let gets = service.vault.reads().gets;
    for _ in 0..5 {
        assert_eq!(live.refresh_now().await.unwrap(), None);
    }
    assert!(std::sync::Arc::ptr_eq(&before, &live.published()));
    assert!(watcher.next().now_or_never().is_none());
    assert_eq!(service.vault.reads().gets, gets + 10, "one request for each distinct secret without a version");
    assert_eq!(service.vault.reads().lists, 0, "references alone need no permission to list");
}

#[tokio::test(start_paused = true)]
async fn the_same_value_under_a_new_version_is_a_change() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.rotate("first");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_version_is_fetched_once_and_never_rotates() {
    let service = Service::new();
    let version = service.vault.set("password", "pinned").unwrap();
    service.write("password", &format!("@KeyVault(SecretName=password;SecretVersion={version})"));
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.rotate("newer");
    let gets = service.vault.reads().gets;
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(live.current().password, "pinned");
    assert_eq!(service.vault.reads().gets, gets + 1, "only the user is fetched");
}

#[tokio::test(start_paused = true)]
async fn an_edited_layer_applies_with_the_next_refresh() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.write("user", "bob");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["user"]);
    service.write("extra", "new");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["extra"]);
    assert_eq!(live.current().user, "bob");
}

#[tokio::test(start_paused = true)]
async fn concurrent_refresh_calls_join_one_refresh() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let gets = service.vault.reads().gets;
    service.rotate("second");
    let joined = futures::future::join_all((0..10).map(|_| live.refresh_now())).await;
    assert!(joined.iter().any(|outcome| matches!(outcome, Ok(Some(change)) if change.generation == 2)));
    assert!(service.vault.reads().gets <= gets + 4, "at most the refresh in flight and the next");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_at_the_end_of_a_refresh_is_always_answered_by_a_refresh_of_its_own() {
    for round in 0..20 {
        let service = Service::new();
        let (gate, reached) = (Arc::new(Semaphore::new(2)), Arc::new(Notify::new()));
        let (open, signal) = (Arc::clone(&gate), Arc::clone(&reached));
        service.vault.on_get(move |_| {
            let (open, signal) = (Arc::clone(&open), Arc::clone(&signal));
            async move {
                signal.notify_one();
                open.acquire().await.unwrap().forget();
                Ok(())
            }
        });
        let live: Live<Settings> = service.layered().start().await.unwrap();
        service.rotate("second");
        reached.notified().await;
        let first = tokio::spawn({
            let live = live.clone();
            async move { live.refresh_now().await }
        });
        reached.notified().await;
        gate.add_permits(100);
        // Both calls are ready before the loop runs again.
        assert_eq!(live.refresh_now().await.unwrap(), None, "{round}: by a refresh of its own");
        assert_eq!(first.await.unwrap().unwrap().unwrap().keys, ["password"], "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_receives_several_changes_as_one_with_all_keys() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    service.vault.set("user", "bob").unwrap();
    live.refresh_now().await.unwrap();
    let change = watcher.changed().await.unwrap();
    assert_eq!((change.generation, change.keys), (3, vec!["password".to_owned(), "user".to_owned()]));
    let more = timeout(MINUTE * 5, watcher.next()).await;
    assert!(more.is_err(), "there is no notification without a change");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_undone_since_the_last_notice_is_no_change() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    for user in ["bob", "@KeyVault(SecretName=user)"] {
        service.write("user", user);
        live.refresh_now().await.unwrap();
    }
    assert_eq!(live.published().generation(), 3);
    assert!(watcher.next().now_or_never().is_none(), "there is no notification without a change");
}

/// Delays each read by 100 ms.
fn slow(service: Service) -> Service {
    service.vault.on_get(|_| async {
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    service
}

fn new_version(name: &str, version: SecretVersion) -> SecretEvent {
    let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
    SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion)
}

#[tokio::test(start_paused = true)]
async fn a_refresh_call_is_not_answered_by_the_fetch_for_an_event() {
    let service = slow(Service::new());
    let builder = service.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    live.notify(new_version("user", service.vault.set("user", "bob").unwrap()));
    sleep(Duration::from_millis(50)).await;
    service.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_secret_being_read_costs_no_further_request() {
    let service = slow(Service::new());
    let builder = service.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    let version = service.vault.set("password", "second").unwrap();
    let before = service.vault.reads().gets;
    let event = async {
        sleep(Duration::from_millis(50)).await;
        live.notify(new_version("password", version));
    };
    let (refreshed, ()) = tokio::join!(live.refresh_now(), event);
    assert_eq!(refreshed.unwrap().unwrap().keys, ["password"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(service.vault.reads().gets, before + 2);
}

#[tokio::test(start_paused = true)]
async fn current_settings_do_not_change_while_a_reader_holds_them() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let held = live.current();
    let kept = keyvault::live::Current::to_arc(&held);
    service.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!((held.password.as_str(), kept.password.as_str()), ("first", "first"));
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn only_the_changed_secrets_of_a_listed_vault_are_fetched() {
    let service = Service::new();
    for n in 0..60 {
        let long_ago = std::time::SystemTime::now() - MINUTE;
        let dated = |properties: &mut keyvault::SecretProperties| properties.set_updated(long_ago);
        service.vault.set_with(&format!("named-{n}"), "x", dated).unwrap();
    }
    service.write("user", "ann");
    service.write("password", "plain");
    let live: Live<Settings> =
        service.layered().names(keyvault::NameMap::new().prefix("named-")).start().await.unwrap();
    let before = service.vault.reads();
    assert_eq!(live.refresh_now().await.unwrap(), None);
    let after = service.vault.reads();
    assert_eq!((after.lists, after.gets), (before.lists + 1, before.gets), "a list proves that nothing changed");
    service.vault.set("named-7", "new").unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(service.vault.reads().gets, after.gets + 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_version_within_one_second_is_not_missed() {
    let service = Service::new();
    service.write("password", "plain");
    service.write("user", "@KeyVault(SecretName=named-user)");
    service.vault.set("named-user", "first").unwrap();
    let live: Live<Settings> =
        service.layered().names(keyvault::NameMap::new().prefix("named-")).start().await.unwrap();
    // The dates of a list have whole seconds, and both versions share one.
    service.vault.set("named-user", "second").unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().user, "second");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_receives_a_change_after_a_failure() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(keyvault::Error::new(keyvault::ErrorKind::Unavailable, "down"));
    live.refresh_now().await.unwrap_err();
    service.vault.fail(None);
    service.rotate("second");
    assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
}
