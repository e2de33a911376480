//! The application's sources of events, as one stream that never fails.

use std::panic::AssertUnwindSafe;

use futures::StreamExt;
use futures::future::{pending, ready};
use futures::stream::{BoxStream, SelectAll, Stream};

use crate::push::PushEvent;

/// All sources of events, merged.
///
/// A source that ends or panics is reported once and then silent: polling continues without it.
#[derive(Default)]
pub(super) struct EventSources(SelectAll<BoxStream<'static, PushEvent>>);

impl EventSources {
    /// Adds a source.
    pub(super) fn add<S>(&mut self, source: S)
    where
        S: Stream<Item: Into<PushEvent>> + Send + 'static,
    {
        // A source is the application's code: its panic must not end the refresh.
        let contained = AssertUnwindSafe(source.map(Into::into))
            .catch_unwind()
            .filter_map(|event| ready(event.inspect_err(|_| tracing::warn!("an event source panicked")).ok()));
        // Events between the source's last item and its end may be lost.
        let end = futures::stream::once(async {
            tracing::warn!("an event source ended; polling continues without it");
            PushEvent::MayHaveLost
        });
        self.0.push(contained.chain(end).boxed());
    }

    /// Waits for the next event, forever if no source is left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event: it does not wait again once a source yielded one.
    pub(super) async fn next(&mut self) -> PushEvent {
        // A source that always has one more event must leave a turn to other tasks.
        tokio::task::yield_now().await;
        match self.0.next().await {
            Some(event) => event,
            None => pending().await,
        }
    }

    /// Returns the number of sources that have not ended.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use futures::{poll, stream};
    use tokio::time::timeout;

    use super::*;
    use crate::push::{SecretEvent, SecretEventKind};
    use crate::secret::SecretId;

    fn event(number: usize) -> PushEvent {
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/s-{number}/0af1")).unwrap();
        SecretEvent::new(id, SecretEventKind::NewVersion).into()
    }

    /// The end of a refresh drops the future that waits for the next event, at any point.
    #[tokio::test(start_paused = true)]
    async fn an_event_is_not_lost_when_the_future_that_waits_for_it_is_dropped() {
        for polls in 0..5 {
            let mut events = EventSources::default();
            events.add(stream::iter((0..3).map(event)).chain(stream::pending()));
            let mut received = Vec::new();
            {
                let mut dropped = pin!(events.next());
                for _ in 0..polls {
                    if let Poll::Ready(event) = poll!(dropped.as_mut()) {
                        received.push(event);
                        break;
                    }
                }
            }
            while received.len() < 3 {
                let next = timeout(Duration::from_secs(1), events.next()).await;
                received.push(next.unwrap_or_else(|_| panic!("after {polls} polls an event is lost: {received:?}")));
            }
            assert_eq!(received, [0, 1, 2].map(event), "after {polls} polls");
        }
    }
}
