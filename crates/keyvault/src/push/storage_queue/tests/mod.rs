//! The delivery of a queue's messages, on a fake queue.

mod fake_queue;

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout};

use self::fake_queue::FakeQueue;
use super::events::StorageQueueEvents;
use crate::error::ErrorKind;
use crate::push::event::PushEvent;

fn body(name: &str) -> String {
    format!(
        r#"{{"type":"Microsoft.KeyVault.SecretNewVersionCreated",
        "data":{{"Id":"https://contoso.vault.azure.net/secrets/{name}/0af1"}}}}"#
    )
}

/// Returns the next event. Panics after an hour, so that a missing event fails the test and does not hang it.
async fn next(events: &mut StorageQueueEvents) -> Option<PushEvent> {
    timeout(HOUR, events.next()).await.expect("no event within an hour")
}

const HOUR: Duration = Duration::from_secs(3_600);

fn name(event: Option<PushEvent>) -> String {
    match event {
        Some(PushEvent::Secret(event)) => event.id.name().to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_only_after_its_events_were_yielded() {
    let fake = FakeQueue::default();
    fake.send(format!("[{},{}]", body("a"), body("b")));
    let queue = fake.queue(false);
    let mut events = queue.events();
    assert_eq!(name(next(&mut events).await), "a");
    assert_eq!(name(next(&mut events).await), "b");
    assert!(!fake.is_empty(), "the program may crash before it has handled the event");
    assert!(events.next().now_or_never().is_none());
    assert!(fake.is_empty());
    assert_eq!((queue.health().messages, queue.health().events), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn base64_and_plain_messages_are_parsed_and_invalid_ones_do_not_block_them() {
    let fake = FakeQueue::default();
    for text in ["canary", "", "{", "[[[", "AAAA", &"x".repeat(64 * 1024)] {
        fake.send(text);
    }
    fake.send(azure_core::base64::encode(body("encoded")));
    fake.send(body("plain"));
    let queue = fake.queue(false);
    let mut events = queue.events();
    assert_eq!(name(next(&mut events).await), "encoded");
    assert_eq!(name(next(&mut events).await), "plain");
    assert!(events.next().now_or_never().is_none());
    assert!(fake.is_empty(), "invalid messages are deleted too");
    assert_eq!(queue.health().unreadable, 6);
    assert_eq!(queue.health().consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_received_more_than_five_times_is_deleted() {
    let fake = FakeQueue::default();
    fake.with(|state| state.denies_delete = true);
    fake.send(body("a"));
    let queue = fake.queue(false);
    let mut events = queue.events();
    for _ in 0..5 {
        assert_eq!(name(next(&mut events).await), "a");
        assert!(events.next().now_or_never().is_none());
        fake.unhide();
    }
    fake.with(|state| state.denies_delete = false);
    assert!(timeout(Duration::from_secs(60), events.next()).await.is_err());
    assert!(fake.is_empty());
    let health = queue.health();
    assert_eq!((health.worn_out, health.events), (1, 5));
    assert_eq!(health.last_failure.unwrap().kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn a_full_response_is_followed_by_a_request_without_a_pause() {
    let fake = FakeQueue::default();
    for n in 0..100 {
        fake.send(body(&format!("secret-{n}")));
    }
    let began = Instant::now();
    let events = timeout(HOUR, fake.queue(false).events().take(100).count()).await;
    assert_eq!((events, began.elapsed()), (Ok(100), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_or_vanishes_is_polled_again_and_then_everything_is_checked_once() {
    for vanishes in [false, true] {
        let fake = FakeQueue::default();
        fake.with(|state| if vanishes { state.is_gone = true } else { state.is_failing = true });
        let queue = fake.queue(false);
        let mut events = queue.events();
        assert!(timeout(Duration::from_secs(600), events.next()).await.is_err());
        let requests = fake.with(|state| state.requests.len());
        assert!((13..=24).contains(&requests), "{requests} requests in ten minutes");
        assert_eq!(queue.health().consecutive_failures as usize, requests);
        assert!(queue.health().last_answer.is_none());
        assert_eq!(fake.with(|state| state.created), 0, "a shared queue is not created");

        fake.with(|state| (state.is_failing, state.is_gone) = (false, false));
        fake.send(body("a"));
        assert_eq!(name(next(&mut events).await), "a");
        assert_eq!(next(&mut events).await, Some(PushEvent::MayHaveLost));
        assert!(timeout(Duration::from_secs(600), events.next()).await.is_err(), "once");
        assert_eq!(queue.health().consecutive_failures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn instances_retry_failures_at_different_times() {
    let first_pause = |_| async {
        let fake = FakeQueue::default();
        fake.with(|state| state.is_failing = true);
        assert!(timeout(Duration::from_secs(60), fake.queue(false).events().next()).await.is_err());
        fake.with(|state| state.requests[1] - state.requests[0])
    };
    let mut pauses = Vec::new();
    for instance in 0..10 {
        pauses.push(first_pause(instance).await);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 5, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn events_of_other_vaults_are_ignored_and_deleted() {
    let fake = FakeQueue::default();
    fake.send(body("a"));
    let mut events = fake.queue_for(false, vec!["https://fabrikam.vault.azure.net".parse().unwrap()]).events();
    assert!(timeout(Duration::from_secs(60), events.next()).await.is_err());
    assert!(fake.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_this_instance_is_created_recreated_and_removed() {
    let fake = FakeQueue::default();
    fake.with(|state| state.is_gone = true);
    let queue = fake.queue(true);
    let mut events = queue.events();
    fake.send(body("a"));
    assert_eq!(name(next(&mut events).await), "a");
    assert_eq!(fake.with(|state| state.created), 1);

    fake.with(|state| state.is_gone = true);
    assert_eq!(next(&mut events).await, Some(PushEvent::MayHaveLost));
    assert_eq!(fake.with(|state| state.created), 2);

    drop(events);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.with(|state| state.removed), 1, "dropping the stream removes the queue");
    let removed = queue.remove().await;
    assert!(removed.is_ok(), "removing a removed queue is not an error");
}

#[tokio::test(start_paused = true)]
async fn a_removed_queue_ends_its_stream_and_is_not_recreated() {
    let fake = FakeQueue::default();
    let queue = fake.queue(true);
    let mut events = queue.events();
    assert!(events.next().now_or_never().is_none());
    queue.remove().await.unwrap();
    assert_eq!(next(&mut events).await, None);
    drop(events);
    assert_eq!(fake.with(|state| (state.created, state.removed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_shared_queue_is_never_removed() {
    let fake = FakeQueue::default();
    let queue = fake.queue(false);
    drop(queue.events());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fake.with(|state| state.removed), 0, "in the background");
    assert_eq!(queue.remove().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fake.with(|state| state.removed), 0);
}
