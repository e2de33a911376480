//! One connection before a burst of requests.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connector::Protocol;

/// A gate before the connection pool: while no connection is open, one request passes and opens it; the others wait.
///
/// Without it the pool opens one connection per waiting request, because it learns only after the handshake that one
/// connection of HTTP/2 carries all of them. Over HTTP/1.1 the waiting requests open theirs together, once the first is
/// open.
pub(super) struct ConnectionGate {
    state: Mutex<GateState>,
    /// The time without a request after which the pool has closed its connections.
    idle_timeout: Duration,
}

struct GateState {
    /// Contains one permit while no connection is open, and is closed while one is.
    lead: Arc<Semaphore>,
    is_connected: bool,
    /// The protocol of the newest connection, also after it was lost.
    protocol: Option<Protocol>,
    last_request: Instant,
}

/// The right to open the connection, given up when dropped.
pub(super) type Lead = OwnedSemaphorePermit;

impl ConnectionGate {
    pub(super) fn new(idle_timeout: Duration) -> Self {
        let state = GateState {
            lead: Arc::new(Semaphore::new(1)),
            is_connected: false,
            protocol: None,
            last_request: Instant::now(),
        };
        Self { state: Mutex::new(state), idle_timeout }
    }

    /// Creates a gate that never shuts, for a transport that the program brought.
    pub(super) fn open() -> Self {
        let gate = Self::new(Duration::MAX);
        gate.state().lead.close();
        gate
    }

    /// Waits until a connection is open, at most for a second. Returns the lead if this request has to open it.
    pub(super) async fn pass(&self) -> Option<Lead> {
        let lead = {
            let (mut state, now) = (self.state(), Instant::now());
            if now - state.last_request >= self.idle_timeout {
                state.shut();
            }
            state.last_request = now;
            Arc::clone(&state.lead)
        };
        timeout(LONGEST_WAIT, lead.acquire_owned()).await.ok()?.ok()
    }

    /// Runs a request, and opens the gate once the pool has the connection that the request opened.
    ///
    /// The pool takes a connection in the same poll in which the connector reports it. A gate that opened at the report
    /// would let a waiting request reach the pool first, which would then open another connection.
    pub(super) async fn run<F: Future>(&self, request: F) -> F::Output {
        let mut request = pin!(request);
        poll_fn(|context| {
            let output = request.as_mut().poll(context);
            let state = self.state();
            if state.is_connected {
                state.lead.close();
            }
            output
        })
        .await
    }

    /// Records that the connector opened a connection.
    pub(super) fn connected(&self, protocol: Protocol) {
        let mut state = self.state();
        state.is_connected = true;
        state.protocol = Some(protocol);
    }

    /// Opens the gate if the lead was answered: the pool had a connection after all.
    pub(super) fn answered(&self, lead: Option<Lead>) {
        if lead.is_some() {
            let mut state = self.state();
            state.is_connected = true;
            state.lead.close();
        }
    }

    /// Shuts the gate, because a request lost its connection: over HTTP/2, all others lost it, too.
    pub(super) fn disconnected(&self) {
        let mut state = self.state();
        if state.protocol == Some(Protocol::Http2) {
            state.shut();
        }
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GateState {
    fn shut(&mut self) {
        if self.lead.is_closed() {
            self.lead = Arc::new(Semaphore::new(1));
            self.is_connected = false;
        }
    }
}

/// Connecting takes less, unless the host does not respond. Then the requests find that out at the same time instead of
/// one after the other.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use futures::future::{join, join_all};
    use tokio::time::{advance, sleep};

    use super::*;

    const IDLE: Duration = Duration::from_secs(210);

    #[tokio::test(start_paused = true)]
    async fn one_request_leads_and_the_others_wait_for_its_connection() {
        let (gate, started) = (ConnectionGate::new(IDLE), Instant::now());
        let lead = gate.pass().await;
        assert!(lead.is_some());
        let others = join_all((0..9).map(async |_| (gate.pass().await.is_none(), started.elapsed())));
        let open = gate.run(async {
            sleep(Duration::from_millis(30)).await;
            gate.connected(Protocol::Http2);
            assert!(!gate.state().lead.is_closed(), "the pool does not have the connection yet");
        });
        let (others, ()) = join(others, open).await;
        assert!(others.iter().all(|other| *other == (true, Duration::from_millis(30))), "{others:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_at_most_a_second_and_takes_over_a_lead_that_failed() {
        let (gate, started) = (ConnectionGate::new(IDLE), Instant::now());
        let lead = gate.pass().await;
        assert!(gate.pass().await.is_none());
        assert_eq!(started.elapsed(), LONGEST_WAIT);
        drop(lead);
        assert!(gate.pass().await.is_some());
        assert_eq!(started.elapsed(), LONGEST_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_leads_again_once_the_connection_is_idle_or_lost() {
        let gate = ConnectionGate::new(IDLE);
        gate.run(async { gate.connected(Protocol::Http2) }).await;
        assert!(gate.pass().await.is_none());
        advance(IDLE - Duration::from_millis(1)).await;
        assert!(gate.pass().await.is_none(), "each request keeps the connection");
        advance(IDLE).await;
        let lead = gate.pass().await;
        assert!(lead.is_some(), "the pool closed it");
        gate.answered(lead);
        assert!(gate.pass().await.is_none(), "the pool had one after all");
        gate.disconnected();
        assert!(gate.pass().await.is_some(), "it was lost");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_of_http_1_delays_no_other_request() {
        let gate = ConnectionGate::new(IDLE);
        gate.run(async { gate.connected(Protocol::Http1) }).await;
        gate.disconnected();
        assert!(gate.pass().await.is_none());
    }
}
