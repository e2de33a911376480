//! The refresh ends when nobody needs it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyvault::{ErrorKind, Live};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::story::{MINUTE, Settings, Story};

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_task_and_the_watchers() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let other = live.clone();
    drop(live);
    story.rotate("second");
    assert!(watcher.changed().await.is_some(), "a clone keeps it");
    drop(other);
    assert!(timeout(MINUTE, watcher.next()).await.expect("watchers end at once").is_none());
    let gets = story.vault.reads().gets;
    sleep(MINUTE * 10).await;
    assert_eq!(story.vault.reads().gets, gets, "nobody asks the vault any more");
}

#[tokio::test(start_paused = true)]
async fn shutdown_is_waited_for_and_leaves_the_last_settings() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    live.shutdown().await;
    live.shutdown().await;
    assert_eq!(live.current().password, "first");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(live.health().next_refresh, None);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_a_refresh_in_the_middle() {
    let story = Story::begin();
    let given_up = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&given_up);
    let in_the_middle = Arc::new(Notify::new());
    let reached = Arc::clone(&in_the_middle);
    let hook = move |settings: Arc<Settings>| {
        let (flag, reached) = (Arc::clone(&flag), Arc::clone(&reached));
        async move {
            if settings.password == "hangs" {
                let _guard = SetOnDrop(flag);
                reached.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    };
    let live: Live<Settings> = story.layered().validate_async(hook).start().await.unwrap();
    story.rotate("hangs");
    let shutdown = async {
        in_the_middle.notified().await;
        timeout(MINUTE / 60, live.shutdown()).await
    };
    let (refreshed, ended) = tokio::join!(live.refresh_now(), shutdown);
    assert!(ended.is_ok(), "within a second");
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(given_up.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn giving_up_a_refresh_leaves_it_to_the_others() {
    let story = Story::begin();
    let slow = |_: Arc<Settings>| async {
        sleep(MINUTE / 6).await;
        Ok(())
    };
    let live: Live<Settings> = story.layered().validate_async(slow).start().await.unwrap();
    story.rotate("second");
    let given_up = timeout(MINUTE / 60, live.refresh_now());
    let (given_up, joined) = tokio::join!(given_up, live.refresh_now());
    assert!(given_up.is_err());
    assert!(joined.is_ok());
    assert_eq!(live.current().password, "second");
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
