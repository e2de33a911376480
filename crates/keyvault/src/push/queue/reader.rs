//! The loop that takes messages out of a queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use super::Inner;
use super::messages::{MOST_AT_ONCE, Message};
use super::pace::Pace;
use crate::error::{Error, ErrorKind};
use crate::push::delivery::Delivery;
use crate::push::event::PushEvent;

/// What lies between two events.
pub(super) struct Reader {
    queue: Arc<Inner>,
    pace: Pace,
    pause: Duration,
    /// Events that are taken out and not yet handed on.
    ready: VecDeque<PushEvent>,
    /// Messages whose events are in `ready`, and those that have none: to be deleted once `ready` is empty, so that a
    /// crash before costs a repetition and no event.
    open: Vec<Message>,
    is_created: bool,
}

impl Reader {
    pub(super) fn new(queue: Arc<Inner>) -> Self {
        Self {
            pace: Pace::new(queue.longest_pause),
            pause: Duration::ZERO,
            ready: VecDeque::new(),
            open: Vec::new(),
            is_created: false,
            queue,
        }
    }

    /// Gives the next event, whenever there is one; none after the queue was removed.
    pub(super) async fn next(&mut self) -> Option<PushEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.delete_open().await;
            sleep(self.pause).await;
            if self.queue.is_removed() {
                return None;
            }
            self.pause = self.step().await;
        }
    }

    /// Asks the queue once and tells the pause until the next time.
    async fn step(&mut self) -> Duration {
        match self.receive().await {
            Ok(messages) => {
                let has_failed = self.pace.failures() > 0;
                let pause = match messages.len() {
                    0 => self.pace.after_none(fastrand::f64()),
                    MOST_AT_ONCE.. => self.pace.after_full(),
                    _ => self.pace.after_some(),
                };
                self.queue.health().answered();
                self.open_all(messages);
                if has_failed {
                    tracing::info!(
                        queue = self.queue.name,
                        "queue of events answers again; everything is checked once"
                    );
                    self.ready.push_back(PushEvent::MayHaveLost);
                }
                pause
            }
            Err(error) => {
                // A queue of this instance alone may have been swept away with those of crashed ones.
                self.is_created &= error.kind() != ErrorKind::NotFound;
                self.report(&error);
                self.pace.after_failure(fastrand::f64())
            }
        }
    }

    async fn receive(&mut self) -> Result<Vec<Message>, Error> {
        if self.queue.is_own && !self.is_created {
            self.queue.messages.create().await?;
            self.is_created = true;
        }
        self.queue.messages.receive().await
    }

    fn open_all(&mut self, messages: Vec<Message>) {
        for message in &messages {
            let mut health = self.queue.health();
            health.messages += 1;
            if message.received > MOST_DELIVERIES {
                health.worn_out += 1;
                drop(health);
                tracing::warn!(message = message.id, "message was received too often without an end and is deleted");
                continue;
            }
            match Delivery::parse(message.text.as_bytes()) {
                Ok(mut delivery) => {
                    delivery.retain(&self.queue.vaults);
                    health.events += delivery.events.len() as u64;
                    self.ready.extend(delivery.events.into_iter().map(PushEvent::from));
                }
                Err(error) => {
                    health.unreadable += 1;
                    drop(health);
                    tracing::warn!(%error, message = message.id, "message is no event and is deleted");
                }
            }
        }
        self.open.extend(messages);
    }

    async fn delete_open(&mut self) {
        let open = std::mem::take(&mut self.open);
        for outcome in join_all(open.iter().map(|message| self.queue.messages.delete(message))).await {
            if let Err(error) = outcome {
                // It comes again, as a repetition that changes nothing, until it is worn out.
                self.report(&error);
            }
        }
    }

    fn report(&self, error: &Error) {
        tracing::warn!(%error, queue = self.queue.name, "queue of events failed and is asked again");
        self.queue.health().failed(error.clone());
    }
}

/// How often a message may come back before it is taken for one that brings its readers down.
const MOST_DELIVERIES: i64 = 5;

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};
    use tokio::time::{Instant, timeout};

    use super::super::StorageQueueEvents;
    use super::super::fake::Fake;
    use super::*;

    fn body(name: &str) -> String {
        format!(
            r#"{{"type":"Microsoft.KeyVault.SecretNewVersionCreated",
            "data":{{"Id":"https://contoso.vault.azure.net/secrets/{name}/0af1"}}}}"#
        )
    }

    /// Gives the next event. What a reader does not tell within an hour, it never tells: that is to fail a test, not to hang it.
    async fn next(events: &mut StorageQueueEvents) -> Option<PushEvent> {
        timeout(HOUR, events.next()).await.expect("nothing was told within an hour")
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    fn name(event: Option<PushEvent>) -> String {
        match event {
            Some(PushEvent::Secret(event)) => event.id.name().to_string(),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_deleted_only_after_its_events_were_handed_on() {
        let fake = Fake::default();
        fake.send(format!("[{},{}]", body("a"), body("b")));
        let queue = fake.queue(false);
        let mut events = queue.events();
        assert_eq!(name(next(&mut events).await), "a");
        assert_eq!(name(next(&mut events).await), "b");
        assert!(!fake.is_empty(), "the reader may crash before it has done what the event asks for");
        assert!(events.next().now_or_never().is_none());
        assert!(fake.is_empty());
        assert_eq!((queue.health().messages, queue.health().events), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_in_base64_and_plain_are_read_and_poison_does_not_block_them() {
        let fake = Fake::default();
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
        assert!(fake.is_empty(), "poison is deleted, too");
        assert_eq!(queue.health().unreadable, 6);
        assert_eq!(queue.health().consecutive_failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_comes_back_for_ever_is_let_go_of() {
        let fake = Fake::default();
        fake.with(|state| state.may_not_delete = true);
        fake.send(body("a"));
        let queue = fake.queue(false);
        let mut events = queue.events();
        for _ in 0..MOST_DELIVERIES {
            assert_eq!(name(next(&mut events).await), "a");
            assert!(events.next().now_or_never().is_none());
            fake.come_back();
        }
        fake.with(|state| state.may_not_delete = false);
        assert!(timeout(Duration::from_secs(60), events.next()).await.is_err());
        assert!(fake.is_empty());
        let health = queue.health();
        assert_eq!((health.worn_out, health.events), (1, 5));
        assert_eq!(health.last_failure.unwrap().kind(), ErrorKind::Denied);
    }

    #[tokio::test(start_paused = true)]
    async fn more_messages_than_one_request_gives_come_without_a_pause() {
        let fake = Fake::default();
        for n in 0..100 {
            fake.send(body(&format!("secret-{n}")));
        }
        let began = Instant::now();
        let events = timeout(HOUR, fake.queue(false).events().take(100).count()).await;
        assert_eq!((events, began.elapsed()), (Ok(100), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_fails_or_vanishes_is_asked_again_and_then_everything_is_checked_once() {
        for vanishes in [false, true] {
            let fake = Fake::default();
            fake.with(|state| if vanishes { state.is_gone = true } else { state.is_failing = true });
            let queue = fake.queue(false);
            let mut events = queue.events();
            assert!(timeout(Duration::from_secs(600), events.next()).await.is_err());
            let asked = fake.with(|state| state.asked.len());
            assert!((13..=24).contains(&asked), "{asked} times in ten minutes");
            assert_eq!(queue.health().consecutive_failures as usize, asked);
            assert!(queue.health().last_answer.is_none());
            assert_eq!(fake.with(|state| state.made), 0, "a queue of others is not made");

            fake.with(|state| (state.is_failing, state.is_gone) = (false, false));
            fake.send(body("a"));
            assert_eq!(name(next(&mut events).await), "a");
            assert_eq!(next(&mut events).await, Some(PushEvent::MayHaveLost));
            assert!(timeout(Duration::from_secs(600), events.next()).await.is_err(), "once");
            assert_eq!(queue.health().consecutive_failures, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_not_retried_in_step_with_other_instances() {
        let times = |_| async {
            let fake = Fake::default();
            fake.with(|state| state.is_failing = true);
            assert!(timeout(Duration::from_secs(60), fake.queue(false).events().next()).await.is_err());
            fake.with(|state| state.asked[1] - state.asked[0])
        };
        let mut pauses = Vec::new();
        for instance in 0..10 {
            pauses.push(times(instance).await);
        }
        pauses.sort();
        pauses.dedup();
        assert!(pauses.len() > 5, "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn news_of_other_vaults_is_passed_over_and_deleted() {
        let fake = Fake::default();
        fake.send(body("a"));
        let mut events = fake.queue_for(false, vec!["https://fabrikam.vault.azure.net".parse().unwrap()]).events();
        assert!(timeout(Duration::from_secs(60), events.next()).await.is_err());
        assert!(fake.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_of_ones_own_is_made_made_again_and_removed() {
        let fake = Fake::default();
        fake.with(|state| state.is_gone = true);
        let queue = fake.queue(true);
        let mut events = queue.events();
        fake.send(body("a"));
        assert_eq!(name(next(&mut events).await), "a");
        assert_eq!(fake.with(|state| state.made), 1);

        fake.with(|state| state.is_gone = true);
        assert_eq!(next(&mut events).await, Some(PushEvent::MayHaveLost));
        assert_eq!(fake.with(|state| state.made), 2);

        drop(events);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.with(|state| state.removed), 1, "the end of the stream is the end of the queue");
        let removed = queue.remove().await;
        assert!(removed.is_ok(), "removed twice is removed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_removed_queue_ends_its_stream_and_is_not_made_again() {
        let fake = Fake::default();
        let queue = fake.queue(true);
        let mut events = queue.events();
        assert!(events.next().now_or_never().is_none());
        queue.remove().await.unwrap();
        assert_eq!(next(&mut events).await, None);
        drop(events);
        assert_eq!(fake.with(|state| (state.made, state.removed)), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_of_others_is_never_removed() {
        let fake = Fake::default();
        let queue = fake.queue(false);
        drop(queue.events());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.with(|state| state.removed), 0, "in the background");
        assert_eq!(queue.remove().await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(fake.with(|state| state.removed), 0);
    }
}
