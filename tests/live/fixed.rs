//! Handles without a vault, for tests of code that takes one.

use std::sync::Arc;

use futures::FutureExt;
use futures::executor::block_on;
use keyvault::push::PushEvent;
use keyvault::{Derived, ErrorKind, Live, ValidationError};

#[test]
fn fixed_settings_are_healthy_and_never_change() {
    let live = Live::fixed("first".to_owned());
    let mut watcher = live.watch();
    assert_eq!((live.current().as_str(), live.published().generation()), ("first", 1));
    live.notify(PushEvent::MayHaveLost);
    assert_eq!(block_on(live.refresh_now()).unwrap(), None);
    assert_eq!(block_on(live.refresh_if_due()).unwrap(), None);
    assert_eq!(block_on(live.report_rejected("password")).unwrap_err().kind(), ErrorKind::Invalid);
    let health = live.health();
    assert!(health.is_healthy() && health.is_following && health.next_refresh.is_none(), "{health:?}");
    assert!(watcher.next().now_or_never().is_none(), "it waits");
    let clone = live.clone();
    block_on(clone.shutdown());
    assert!(block_on(watcher.next()).is_none());
    assert!(!live.health().is_healthy());
    assert_eq!(block_on(live.refresh_now()).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(live.current().as_str(), "first");
}

#[test]
fn a_watcher_of_fixed_settings_ends_with_the_last_handle() {
    let live = Live::fixed(1);
    let mut watcher = live.watch();
    drop(live);
    assert!(block_on(watcher.next()).is_none());
}

#[tokio::test(start_paused = true)]
async fn resources_derive_from_fixed_settings() {
    let live = Live::fixed("first".to_owned());
    let derived = live.derive(["database"], async |settings: Arc<String>| Ok::<_, ValidationError>(settings.len()));
    let derived = derived.await.unwrap();
    assert!(*derived.current() == 5 && derived.health().is_following);
    let mut watcher = derived.watch();
    live.shutdown().await;
    assert!(watcher.next().await.is_none());
    assert!(!derived.health().is_healthy());
}

#[test]
fn a_fixed_resource_is_healthy_and_never_replaced() {
    let derived = Derived::fixed("pool".to_owned());
    let mut watcher = derived.watch();
    assert_eq!(*derived.current(), "pool");
    assert!(derived.current_with_origins().1.iter().next().is_none());
    assert!(derived.health().is_healthy() && watcher.next().now_or_never().is_none());
    block_on(derived.clone().shutdown());
    assert!(block_on(watcher.next()).is_none());
    assert!(!derived.health().is_healthy());
    let derived = Derived::fixed(1);
    let mut watcher = derived.watch();
    drop(derived);
    assert!(block_on(watcher.next()).is_none());
}
