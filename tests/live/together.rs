//! Secrets that rotate together land together.

use std::time::Duration;

use keyvault::{Error, ErrorKind, Live, Result, SecretEvent, SecretEventKind, SecretId};
use tokio::time::{Instant, sleep};

use super::story::{MINUTE, Settings, Story};

const SECOND: Duration = Duration::from_secs(1);

/// Rotates the user, and a while later the password, and gives everything that was published since.
async fn rotate(story: &Story, live: &Live<Settings>) -> Vec<(String, String)> {
    let mut watcher = live.watch();
    let mut seen = Vec::new();
    let rotation = async {
        story.vault.set("user", "bob").unwrap();
        sleep(SECOND * 3).await;
        story.rotate("second");
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
async fn what_changes_within_the_minimum_is_published_as_one() {
    let story = Story::begin();
    let live: Live<Settings> =
        story.layered().refresh_every(SECOND).debounce(SECOND * 5, SECOND * 30).start().await.unwrap();
    assert_eq!(rotate(&story, &live).await, [("bob".to_owned(), "second".to_owned())]);
    assert!(live.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn by_default_every_change_is_published_at_the_end_of_its_pass() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(SECOND).start().await.unwrap();
    let expected = [("bob".to_owned(), "first".to_owned()), ("bob".to_owned(), "second".to_owned())];
    assert_eq!(rotate(&story, &live).await, expected);
}

#[tokio::test(start_paused = true)]
async fn changes_without_end_are_published_after_the_maximum() {
    let story = Story::begin();
    let live: Live<Settings> =
        story.layered().refresh_every(SECOND * 2).debounce(SECOND * 5, SECOND * 20).start().await.unwrap();
    let mut watcher = live.watch();
    let began = Instant::now();
    let rotating = async {
        for round in 0.. {
            story.rotate(&format!("password {round}"));
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
async fn who_asks_does_not_wait_for_things_to_settle() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().debounce(MINUTE, MINUTE * 5).start().await.unwrap();
    story.rotate("second");
    assert!(live.refresh_now().await.unwrap().is_some());
    story.rotate("third");
    live.report_rejected("password").await.unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_maximum_below_the_minimum_is_refused() {
    let story = Story::begin();
    let start: Result<Live<Settings>> = story.layered().debounce(MINUTE, SECOND).start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn while_changes_settle_the_vault_is_well_and_the_settings_grow_old() {
    let story = Story::begin();
    let live: Live<Settings> =
        story.layered().refresh_every(MINUTE * 10).debounce(SECOND * 20, MINUTE).start().await.unwrap();
    story.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    for _ in 0..8 {
        live.refresh_now().await.unwrap_err();
    }
    sleep(SECOND).await;
    assert!(live.health().consecutive_failures >= 8);
    story.vault.fail(None);
    story.rotate("second");
    // The pause after so many failures, and then a pass that finds the change and leaves it to settle.
    let began = Instant::now();
    while live.health().consecutive_failures > 0 {
        assert!(began.elapsed() < MINUTE * 20, "{:?}", live.health());
        sleep(SECOND).await;
    }
    assert_eq!(live.current().password, "first", "it settles");
    let health = live.health();
    assert!(health.last_error.is_none(), "the vault answered: {health:?}");
    assert!(health.age > began.elapsed(), "the settings are known not to be what the vault holds: {health:?}");
    // After that a failure is the first again.
    story.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    while live.health().consecutive_failures == 0 {
        sleep(SECOND).await;
    }
    assert!(live.health().next_refresh.unwrap() < SECOND * 2, "{:?}", live.health());
    story.vault.fail(None);
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "second");
    assert!(live.health().age <= MINUTE, "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_kept_is_said_while_another_settles() {
    let story = Story::begin();
    let builder = story.layered().policy("password", keyvault::Policy::KeepLastGood);
    let live: Live<Settings> = builder.debounce(SECOND * 20, MINUTE).start().await.unwrap();
    story.vault.delete("password");
    story.vault.set("user", "bob").unwrap();
    while live.health().kept.is_empty() {
        sleep(SECOND).await;
    }
    assert_eq!((live.current().user.as_str(), live.health().consecutive_failures), ("ann", 1), "it settles");
    sleep(MINUTE * 2).await;
    assert_eq!(live.current().user, "bob");
    assert_eq!(live.health().kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_of_two_secrets_that_settle_do_not_put_each_other_off() {
    let story = Story::begin();
    let builder = story.layered().refresh_every(MINUTE * 60).debounce(SECOND, MINUTE * 60);
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    for (name, text) in [("user", "bob"), ("password", "second")] {
        let version = story.vault.set(name, text).unwrap();
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
        live.notify(SecretEvent::new(id.with_version(version), SecretEventKind::NewVersion));
        sleep(SECOND / 2).await;
    }
    sleep(SECOND * 5).await;
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}
