//! A secret rotates, and the running process has it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use keyvault::{Live, Notice, SecretEvent, SecretEventKind, SecretId, SecretVersion};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::story::{Clock, MINUTE, Settings, Story};

#[tokio::test(start_paused = true)]
async fn a_new_version_arrives_within_an_interval_and_a_tenth() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    story.rotate("second");
    let rotated = Instant::now();
    let change = watcher.changed().await.unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(change.generation, 2);
    assert!(rotated.elapsed() <= MINUTE.mul_f64(1.1), "{:?}", rotated.elapsed());
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_change_tells_its_generation_its_time_and_its_keys_and_no_value() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let live: Live<Settings> = story.layered().wall_clock(clock.told()).start().await.unwrap();
    let mut watcher = live.watch();
    clock.jump(MINUTE * 60);
    story.rotate("c4nary");
    let asked = clock.now();
    let change = live.refresh_now().await.unwrap().unwrap();
    assert_eq!((change.generation, change.keys.as_slice()), (2, &["password".to_owned()][..]));
    assert!((asked..=clock.now()).contains(&change.at), "by the clock that was given");
    assert_eq!(watcher.changed().await.unwrap(), change, "whoever watches is told the same");
    let published = live.published();
    assert_eq!((published.generation(), published.at()), (2, change.at));
    assert!(!format!("{change:?}{published:?}{watcher:?}").contains("c4nary"));
}

#[tokio::test(start_paused = true)]
async fn an_interval_is_drawn_anew_within_a_tenth_to_either_side() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let mut intervals = Vec::new();
    let mut last = Instant::now();
    for round in 0..30 {
        story.rotate(&format!("password {round}"));
        watcher.changed().await.unwrap();
        intervals.push(last.elapsed());
        last = Instant::now();
    }
    assert!(intervals.iter().all(|i| *i >= MINUTE.mul_f64(0.9) && *i <= MINUTE.mul_f64(1.1)), "{intervals:?}");
    intervals.dedup();
    assert!(intervals.len() > 20, "{intervals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_which_nothing_changed_publishes_nothing_and_tells_nobody() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let before = live.published();
    let gets = story.vault.reads().gets;
    for _ in 0..5 {
        assert_eq!(live.refresh_now().await.unwrap(), None);
    }
    assert!(std::sync::Arc::ptr_eq(&before, &live.published()));
    assert!(watcher.next().now_or_never().is_none());
    assert_eq!(story.vault.reads().gets, gets + 10, "one request for each distinct secret without a version");
    assert_eq!(story.vault.reads().lists, 0, "references alone need no permission to list");
}

#[tokio::test(start_paused = true)]
async fn the_same_value_under_a_new_version_is_a_change() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    story.rotate("first");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_version_is_fetched_once_and_never_rotates() {
    let story = Story::begin();
    let version = story.vault.set("password", "pinned").unwrap();
    story.write("password", &format!("@KeyVault(SecretName=password;SecretVersion={version})"));
    let live: Live<Settings> = story.layered().start().await.unwrap();
    story.rotate("newer");
    let gets = story.vault.reads().gets;
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(live.current().password, "pinned");
    assert_eq!(story.vault.reads().gets, gets + 1, "only the user is asked for");
}

#[tokio::test(start_paused = true)]
async fn an_edited_layer_is_seen_with_the_next_refresh() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    story.write("user", "bob");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["user"]);
    story.write("extra", "new");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["extra"]);
    assert_eq!(live.current().user, "bob");
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_for_a_refresh_join_one() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let gets = story.vault.reads().gets;
    story.rotate("second");
    let joined = futures::future::join_all((0..10).map(|_| live.refresh_now())).await;
    assert!(joined.iter().any(|outcome| matches!(outcome, Ok(Some(change)) if change.generation == 2)));
    assert!(story.vault.reads().gets <= gets + 4, "at most the refresh in flight and the next");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_asks_in_the_moment_in_which_a_refresh_ends_is_always_answered_alike() {
    for round in 0..20 {
        let story = Story::begin();
        let (gate, reached) = (Arc::new(Semaphore::new(2)), Arc::new(Notify::new()));
        let (open, signal) = (Arc::clone(&gate), Arc::clone(&reached));
        story.vault.on_get(move |_| {
            let (open, signal) = (Arc::clone(&open), Arc::clone(&signal));
            async move {
                signal.notify_one();
                open.acquire().await.unwrap().forget();
                Ok(())
            }
        });
        let live: Live<Settings> = story.layered().start().await.unwrap();
        story.rotate("second");
        reached.notified().await;
        let first = tokio::spawn({
            let live = live.clone();
            async move { live.refresh_now().await }
        });
        reached.notified().await;
        gate.add_permits(100);
        // Both are ready before the loop is.
        assert_eq!(live.refresh_now().await.unwrap(), None, "{round}: by a refresh of its own");
        assert_eq!(first.await.unwrap().unwrap().unwrap().keys, ["password"], "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_too_fast_are_told_as_one_with_all_keys() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    story.vault.set("user", "bob").unwrap();
    live.refresh_now().await.unwrap();
    let change = watcher.changed().await.unwrap();
    assert_eq!((change.generation, change.keys), (3, vec!["password".to_owned(), "user".to_owned()]));
    let more = timeout(MINUTE * 5, watcher.next()).await;
    assert!(more.is_err(), "there is no notification without a change");
}

#[tokio::test(start_paused = true)]
async fn what_changed_and_changed_back_since_the_last_look_is_no_change() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    for user in ["bob", "@KeyVault(SecretName=user)"] {
        story.write("user", user);
        live.refresh_now().await.unwrap();
    }
    assert_eq!(live.published().generation(), 3);
    assert!(watcher.next().now_or_never().is_none(), "there is no notification without a change");
}

/// Delays each read by 100 ms.
fn slow(story: Story) -> Story {
    story.vault.on_get(|_| async {
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    story
}

fn news(name: &str, version: SecretVersion) -> SecretEvent {
    let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
    SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion)
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_everything_is_not_answered_by_what_is_done_for_an_event() {
    let story = slow(Story::begin());
    let builder = story.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    live.notify(news("user", story.vault.set("user", "bob").unwrap()));
    sleep(Duration::from_millis(50)).await;
    story.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_what_a_refresh_is_just_reading_asks_for_nothing_more() {
    let story = slow(Story::begin());
    let builder = story.layered().event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    let version = story.vault.set("password", "second").unwrap();
    let before = story.vault.reads().gets;
    let event = async {
        sleep(Duration::from_millis(50)).await;
        live.notify(news("password", version));
    };
    let (refreshed, ()) = tokio::join!(live.refresh_now(), event);
    assert_eq!(refreshed.unwrap().unwrap().keys, ["password"]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(story.vault.reads().gets, before + 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_reader_holds_does_not_change_under_it() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let held = live.current();
    let kept = keyvault::Current::to_arc(&held);
    story.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!((held.password.as_str(), kept.password.as_str()), ("first", "first"));
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_listed_vault_is_asked_for_what_changed_and_nothing_else() {
    let story = Story::begin();
    for n in 0..60 {
        let long_ago = std::time::SystemTime::now() - MINUTE;
        let dated = |properties: &mut keyvault::SecretProperties| properties.set_updated(long_ago);
        story.vault.set_with(&format!("named-{n}"), "x", dated).unwrap();
    }
    story.write("user", "ann");
    story.write("password", "plain");
    let live: Live<Settings> = story.layered().names(keyvault::NameMap::new().prefix("named-")).start().await.unwrap();
    let before = story.vault.reads();
    assert_eq!(live.refresh_now().await.unwrap(), None);
    let after = story.vault.reads();
    assert_eq!((after.lists, after.gets), (before.lists + 1, before.gets), "a list proves that nothing changed");
    story.vault.set("named-7", "new").unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(story.vault.reads().gets, after.gets + 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_version_within_one_second_is_not_missed() {
    let story = Story::begin();
    story.write("password", "plain");
    story.write("user", "@KeyVault(SecretName=named-user)");
    story.vault.set("named-user", "first").unwrap();
    let live: Live<Settings> = story.layered().names(keyvault::NameMap::new().prefix("named-")).start().await.unwrap();
    // The dates of a list have whole seconds, and this is the same one.
    story.vault.set("named-user", "second").unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().user, "second");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_after_a_failure() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    story.vault.fail(keyvault::Error::new(keyvault::ErrorKind::Unavailable, "down"));
    live.refresh_now().await.unwrap_err();
    story.vault.fail(None);
    story.rotate("second");
    assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
}
