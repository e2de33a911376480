//! The refresh task ends with its last handle or on shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyvault::{ErrorKind, Live};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::service::{MINUTE, Service, Settings};

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_task_and_the_watchers() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    let other = live.clone();
    drop(live);
    service.rotate("second");
    assert!(watcher.changed().await.is_some(), "a clone keeps it");
    drop(other);
    assert!(timeout(MINUTE, watcher.next()).await.expect("watchers end at once").is_none());
    let gets = service.vault.reads().gets;
    sleep(MINUTE * 10).await;
    assert_eq!(service.vault.reads().gets, gets, "no request follows");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_task_and_keeps_the_last_settings() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    live.shutdown().await;
    live.shutdown().await;
    assert_eq!(live.current().password, "first");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(live.health().next_refresh, None);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_a_refresh_in_the_middle() {
    let service = Service::new();
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
    let live: Live<Settings> = service.layered().validate_async(hook).start().await.unwrap();
    service.rotate("hangs");
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
async fn dropping_a_refresh_call_leaves_the_refresh_to_the_others() {
    let service = Service::new();
    let slow = |_: Arc<Settings>| async {
        sleep(MINUTE / 6).await;
        Ok(())
    };
    let live: Live<Settings> = service.layered().validate_async(slow).start().await.unwrap();
    service.rotate("second");
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
