//! Streams of events, as one that never fails.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::StreamExt;
use futures::future::{pending, ready};
use futures::stream::{BoxStream, SelectAll, Stream};

use crate::push::PushEvent;

/// What the application's sources of events tell, all in one.
///
/// A source that ends, or panics, is told of once and then silent: polling goes on without it.
#[derive(Default)]
pub(super) struct Events(SelectAll<BoxStream<'static, PushEvent>>);

impl Events {
    /// Listens to `source`, too.
    pub(super) fn add<S>(&mut self, source: S)
    where
        S: Stream<Item: Into<PushEvent>> + Send + 'static,
    {
        let events = source.map(Into::into);
        // A source is the application's code: its panic must not end the refresh.
        let contained = AssertUnwindSafe(events)
            .catch_unwind()
            .filter_map(|event| ready(event.inspect_err(|_| tracing::warn!("a source of events panicked")).ok()));
        // What came between the source's last word and its end is unknown.
        let end = futures::stream::once(async {
            tracing::warn!("a source of events ended; only polling is left of it");
            PushEvent::MayHaveLost
        });
        self.0.push(contained.chain(end).boxed());
    }

    /// Waits for the next event, for ever if no source is left.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event: nothing is waited for once one was taken out of its source.
    pub(super) async fn next(&mut self) -> PushEvent {
        // A source that always has one more must leave a turn to everybody else.
        tokio::task::yield_now().await;
        match self.0.next().await {
            Some(event) => event,
            None => pending().await,
        }
    }

    /// Tells how many sources are listened to.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("sources", &self.len()).finish_non_exhaustive()
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

    /// A refresh that ends drops whoever waits for the next event, wherever that stands.
    #[tokio::test(start_paused = true)]
    async fn an_event_is_not_lost_with_whoever_gave_up_waiting_for_it() {
        for polls in 0..5 {
            let mut events = Events::default();
            events.add(stream::iter((0..3).map(event)).chain(stream::pending()));
            let mut told = Vec::new();
            {
                let mut given_up = pin!(events.next());
                for _ in 0..polls {
                    if let Poll::Ready(event) = poll!(given_up.as_mut()) {
                        told.push(event);
                        break;
                    }
                }
            }
            while told.len() < 3 {
                let next = timeout(Duration::from_secs(1), events.next()).await;
                told.push(next.unwrap_or_else(|_| panic!("after {polls} polls an event is lost: {told:?}")));
            }
            assert_eq!(told, [0, 1, 2].map(event), "after {polls} polls");
        }
    }
}
