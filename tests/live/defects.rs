//! Sequences that make providers of settings lose updates, poison what was good, or fall silent; here they hold.
//!
//! | sequence | test |
//! |---|---|
//! | a list shows two changes, and one of them cannot be fetched: the list must not count as done | `a_change_that_could_not_be_applied_is_not_taken_for_done` |
//! | one secret fails, then another changes: the first must not come out empty | `a_failure_is_no_value_and_later_changes_do_not_make_it_one` |
//! | failure after failure: the pauses must grow | `pauses_grow_as_long_as_an_outage_lasts` |
//! | a poll fails, the next one finds a change: watchers must be told | `a_change_that_is_found_after_a_failed_poll_is_told` |
//! | a refresh fails in a way that nobody thought of: the next one must run | `no_failure_ends_the_refresh` |
//! | an outage: the vault must not be asked at every opportunity | `an_outage_costs_few_requests` |
//! | two settings share a secret: both must change | `all_settings_on_one_secret_change_together` |
//! | a poll fails: it must be seen in health, by watchers and in the log, and age must grow | `a_failed_poll_is_seen_everywhere` |
//! | nothing changed: nobody must be told | `nobody_is_told_that_nothing_changed` |
//! | hundreds of secrets: neither all at once nor one by one | `many_secrets_are_fetched_side_by_side_and_not_all_at_once` |
//! | an outage under layers of code: it must stay known as one, so that it is tried again | `an_outage_is_known_as_one_however_deep_it_happened` |
//! | a content type in other letters or with parameters: JSON is JSON | `a_member_of_json_is_found_whatever_the_content_type_says` |

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use keyvault::{Error, ErrorKind, Live, NameMap, Notice};
use keyvault_test_support::log::Log;
use keyvault_test_support::store::Switch;
use tokio::time::{Instant, sleep, timeout};

use super::story::{Fault, MINUTE, Settings, Story};

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "vault is down")
}

#[tokio::test(start_paused = true)]
async fn a_change_that_could_not_be_applied_is_not_taken_for_done() {
    let story = Story::begin();
    let broken = story.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let live: Live<Settings> = story.by_name().names(NameMap::new()).start().await.unwrap();
    story.vault.set("user", "bob").unwrap();
    story.rotate("second");
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("ann", "first"));
    broken.turn(false);
    let change = live.refresh_now().await.unwrap().unwrap();
    assert_eq!(change.keys, ["password", "user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_value_and_later_changes_do_not_make_it_one() {
    let story = Story::begin();
    let broken = story.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let layered = story.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = layered.start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    let version = story.vault.set("user", "bob").unwrap();
    let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/user").unwrap();
    live.notify(keyvault::SecretEvent::new(id.with_version(version), keyvault::SecretEventKind::NewVersion));
    let mut watcher = live.watch();
    watcher.changed().await.unwrap();
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "first"));
    assert!(live.health().last_error.is_some(), "what is still broken is still said");
    broken.turn(false);
    assert_eq!(live.refresh_now().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_as_long_as_an_outage_lasts() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(MINUTE * 60).start().await.unwrap();
    let mut watcher = live.watch();
    story.vault.fail(down());
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
async fn a_change_that_is_found_after_a_failed_poll_is_told() {
    let story = Story::begin();
    let live: Live<Settings> = story.by_name().start().await.unwrap();
    let mut watcher = live.watch();
    story.vault.fail(down());
    story.rotate("second");
    assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    story.vault.fail(None);
    let change = timeout(MINUTE * 2, watcher.changed()).await.expect("the next good poll").unwrap();
    assert_eq!(change.keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn no_failure_ends_the_refresh() {
    let (story, broken) = (Story::begin(), Switch::default());
    let flag = broken.clone();
    story.vault.on_get(move |_| {
        assert!(!flag.is_on(), "the store panics");
        async move { Ok(()) }
    });
    let live: Live<Settings> = story.layered().start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap_err();
    broken.turn(false);
    for failure in [down(), Error::new(ErrorKind::Denied, "denied"), Error::new(ErrorKind::Invalid, "odd")] {
        story.vault.fail(failure);
        live.refresh_now().await.unwrap_err();
    }
    story.vault.fail(None);
    story.rotate("second");
    let mut watcher = live.watch();
    timeout(MINUTE * 2, watcher.changed()).await.expect("by itself").unwrap();
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn an_outage_costs_few_requests() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    story.vault.fail(down());
    let before = story.vault.reads();
    for _ in 0..60 * 60 {
        sleep(Duration::from_secs(1)).await;
        // As often as a request comes in.
        _ = live.refresh_if_due().await;
    }
    let asked = story.vault.reads().gets - before.gets;
    assert!(asked <= 200, "{asked} in an hour, by two secrets");
}

#[tokio::test(start_paused = true)]
async fn all_settings_on_one_secret_change_together() {
    let story = Story::begin();
    story.write("user", "@KeyVault(SecretName=password)");
    story.write("again", "a@KeyVault(SecretName=PASSWORD)");
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let gets = story.vault.reads().gets;
    story.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["again", "password", "user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("second", "second"));
    assert_eq!(story.vault.reads().gets, gets + 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_poll_is_seen_everywhere() {
    let log = Log::begin();
    let story = Story::begin();
    let live: Live<Settings> = story.layered().max_staleness(MINUTE * 10).start().await.unwrap();
    let mut watcher = live.watch();
    story.vault.fail(down());
    assert!(matches!(watcher.next().await, Some(Notice::Failed(error)) if error.failures().len() == 2));
    assert!(log.text().contains("settings could not be refreshed and stay"), "{}", log.text());
    sleep(MINUTE * 15).await;
    let health = live.health();
    assert!(health.age >= MINUTE * 15 && !health.is_healthy() && health.consecutive_failures > 1, "{health:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_that_nothing_changed() {
    let story = Story::begin();
    let live: Live<Settings> = story.by_name().start().await.unwrap();
    let mut watcher = live.watch();
    sleep(MINUTE * 60).await;
    assert!(watcher.next().now_or_never().is_none());
    assert_eq!(live.published().generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_secrets_are_fetched_side_by_side_and_not_all_at_once() {
    let story = Story::begin();
    for n in 0..200 {
        story.set_long_ago(&format!("s{n}"), "x");
        story.write(&format!("s{n}"), &format!("@KeyVault(SecretName=s{n})"));
    }
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (flying, seen) = (Arc::clone(&now), Arc::clone(&most));
    story.vault.on_get(move |_| {
        let (flying, seen) = (Arc::clone(&flying), Arc::clone(&seen));
        async move {
            seen.fetch_max(flying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            flying.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let _live: Live<Settings> = story.layered().start().await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 100);
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_known_as_one_however_deep_it_happened() {
    let story = Story::begin();
    story.vault.fail(down());
    let (heal, began) = (story.vault.clone(), Instant::now());
    let recovery = async move {
        sleep(Duration::from_secs(20)).await;
        heal.fail(None);
    };
    let (live, ()) = tokio::join!(story.layered().start::<Settings>(), recovery);
    let live = live.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(20));
    story.vault.fail(down());
    let error = live.refresh_now().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let kinds: BTreeSet<String> = error.failures().iter().map(|failure| format!("{:?}", failure.kind())).collect();
    assert_eq!(kinds, ["Unavailable".to_owned()].into());
}

#[tokio::test(start_paused = true)]
async fn a_member_of_json_is_found_whatever_the_content_type_says() {
    for content_type in [None, Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("text/plain")] {
        let story = Story::begin();
        let json = r#"{"password":"inside"}"#;
        let typed = |p: &mut keyvault::SecretProperties| p.set_content_type(content_type.map(str::to_owned));
        story.vault.set_with("json", json, typed).unwrap();
        story.write("password", "@KeyVault(SecretName=json;Property=password)");
        let live: Live<Settings> = story.layered().start().await.unwrap();
        assert_eq!(live.current().password, "inside", "{content_type:?}");
    }
}
