//! The service with time in it: waits where a fault or a latency says so, and counts who is waiting.

use std::fmt;
use std::future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};

use crate::body::Body;
use crate::control;
use crate::counters::{Ledger, LoggedRequest};
use crate::data_file::DataFile;
use crate::error::WireError;
use crate::outcome::Outcome;
use crate::service::{JSON, Service, respond};

/// What every face of the emulator shares.
pub(crate) struct Engine {
    pub(crate) service: Service,
    pub(crate) in_flight: InFlight,
    pub(crate) data_file: Option<DataFile>,
    pub(crate) observer: Option<Observer>,
}

/// Is told of each request when its answer is ready, and how long that took.
pub(crate) type Observer = Box<dyn Fn(&LoggedRequest, Duration) + Send + Sync>;

impl Engine {
    /// Begins to count anew.
    pub(crate) fn reset_requests(&self) {
        self.service.state().ledger = Ledger::default();
        self.in_flight.reset();
    }

    /// Answers a request; an error stands for a connection reset.
    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> io::Result<Response<Body>> {
        if control::is_control(&request) {
            return Ok(control::answer(self, &request).map(Body::whole));
        }
        let _guard = Service::is_for_vault(&request).then(|| self.in_flight.enter());
        let arrived = Instant::now();
        let mut plan = self.service.plan(&request);
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        if let (Some(change), Some(file)) = (plan.change, &self.data_file)
            && !file.has(change).await
        {
            let error = WireError::new(500, "InternalServerError", "The data file cannot be written.");
            plan.outcome = Outcome::Answer(respond(error.status, JSON, error.body()));
        }
        if let (Some(observer), Some(logged)) = (&self.observer, &plan.logged) {
            observer(logged, arrived.elapsed());
        }
        Ok(match plan.outcome {
            Outcome::Answer(response) => response.map(Body::whole),
            Outcome::HangInBody(response) => response.map(|bytes| Body::hanging(&bytes)),
            Outcome::Truncated(response) => response.map(|bytes| Body::truncated(&bytes)),
            Outcome::Flood(response, length) => response.map(|_| Body::flood(length)),
            Outcome::Hang => future::pending().await,
            Outcome::Open | Outcome::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Lets the data file follow the vaults, until the task is aborted.
pub(crate) async fn keep(engine: Arc<Engine>) {
    loop {
        engine.service.change.notified().await;
        let engine = Arc::clone(&engine);
        let save = move || engine.data_file.as_ref().map_or(Ok(()), |file| file.save(&engine.service));
        // Whoever asked for the change hears that it could not be written; the next change tries again.
        let _ = tokio::task::spawn_blocking(save).await;
    }
}

/// How many requests are being answered, and how many were at most.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    now: AtomicU64,
    most: AtomicU64,
}

impl InFlight {
    /// Returns the highest number since the last reset.
    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }

    /// Forgets the highest number; those still being answered count on.
    pub(crate) fn reset(&self) {
        self.most.store(self.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn enter(&self) -> Guard<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Guard(self)
    }
}

struct Guard<'a>(&'a InFlight);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}
