//! Where events wait between whoever receives them and the settings that they make due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::event::{PushEvent, SecretEvent};

/// A queue with a bound. What is beyond it is not kept but remembered as a loss, so that a flood comes to one check.
#[derive(Clone, Debug)]
pub(super) struct Mailbox(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<SecretEvent>,
    capacity: usize,
    has_lost: bool,
    is_closed: bool,
    /// Nobody will read any more.
    is_abandoned: bool,
    reader: Option<Waker>,
}

impl Mailbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            waiting: VecDeque::new(),
            capacity,
            has_lost: false,
            is_closed: false,
            is_abandoned: false,
            reader: None,
        })))
    }

    /// Puts events in, and never waits; tells how many were too many.
    pub(super) fn put(&self, events: impl IntoIterator<Item = SecretEvent>) -> usize {
        let mut inner = self.inner();
        let mut lost = 0;
        for event in events {
            if inner.waiting.len() < inner.capacity {
                inner.waiting.push_back(event);
            } else {
                lost += 1;
            }
        }
        inner.has_lost |= lost > 0;
        wake(inner);
        lost
    }

    /// Takes the next event; none when the mailbox is closed and empty.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        let mut inner = self.inner();
        if let Some(event) = inner.waiting.pop_front() {
            return Poll::Ready(Some(event.into()));
        }
        // After what is known: a check that begins now sees everything that was lost.
        if std::mem::take(&mut inner.has_lost) {
            return Poll::Ready(Some(PushEvent::MayHaveLost));
        }
        if inner.is_closed {
            return Poll::Ready(None);
        }
        inner.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Says that nothing more will be put in.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        inner.is_closed = true;
        wake(inner);
    }

    /// Says that nothing more will be taken.
    pub(super) fn abandon(&self) {
        let mut inner = self.inner();
        inner.is_abandoned = true;
        inner.waiting.clear();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.inner().is_abandoned
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the reader without holding the lock that it will ask for.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let reader = inner.reader.take();
    drop(inner);
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::super::event::SecretEventKind;
    use super::*;
    use crate::secret::SecretId;

    fn event(name: &str) -> SecretEvent {
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}/0af1")).unwrap();
        SecretEvent::new(id, SecretEventKind::NewVersion)
    }

    fn take(mailbox: &Mailbox) -> Option<Option<PushEvent>> {
        poll_fn(|context| mailbox.poll_take(context)).now_or_never()
    }

    #[test]
    fn what_is_beyond_the_bound_is_one_loss_after_the_rest() {
        let mailbox = Mailbox::new(2);
        assert_eq!(mailbox.put([event("a"), event("b"), event("c"), event("d")]), 2);
        assert_eq!(mailbox.put([event("e")]), 1);
        assert_eq!(take(&mailbox), Some(Some(event("a").into())));
        assert_eq!(take(&mailbox), Some(Some(event("b").into())));
        assert_eq!(take(&mailbox), Some(Some(PushEvent::MayHaveLost)));
        assert_eq!(take(&mailbox), None, "one loss is told once");
        assert_eq!(mailbox.put([event("f")]), 0);
        assert_eq!(take(&mailbox), Some(Some(event("f").into())));
    }

    #[test]
    fn what_was_put_in_before_the_end_is_still_given() {
        let mailbox = Mailbox::new(2);
        mailbox.put([event("a")]);
        mailbox.close();
        assert_eq!(take(&mailbox), Some(Some(event("a").into())));
        assert_eq!(take(&mailbox), Some(None));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        for end in [false, true] {
            let mailbox = Mailbox::new(2);
            let reader = tokio::spawn({
                let mailbox = mailbox.clone();
                async move { poll_fn(|context| mailbox.poll_take(context)).await }
            });
            tokio::task::yield_now().await;
            if end {
                mailbox.close()
            } else {
                _ = mailbox.put([event("a")])
            }
            assert_eq!(reader.await.unwrap(), (!end).then(|| event("a").into()));
        }
    }
}
