//! Secrets that rotate together land together.

use std::time::Duration;

use keyvault::{ErrorKind, Live, Result};
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
        story.layered().refresh_every(SECOND).settle(SECOND * 5, SECOND * 30).start().await.unwrap();
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
        story.layered().refresh_every(SECOND * 2).settle(SECOND * 5, SECOND * 20).start().await.unwrap();
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
    let live: Live<Settings> = story.layered().settle(MINUTE, MINUTE * 5).start().await.unwrap();
    story.rotate("second");
    assert!(live.refresh_now().await.unwrap().is_some());
    story.rotate("third");
    live.rejected("password").await.unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_maximum_below_the_minimum_is_refused() {
    let story = Story::begin();
    let start: Result<Live<Settings>> = story.layered().settle(MINUTE, SECOND).start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}
