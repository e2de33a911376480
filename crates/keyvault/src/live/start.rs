//! The first settings, or every reason why there are none.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{Instrument, field};

use super::event_sources::EventSources;
use super::health_state::HealthState;
use super::options::Options;
use super::pending_calls::PendingCalls;
use super::planner::Planner;
use super::refresh_cycle::RefreshCycle;
use super::refresh_handle::RefreshHandle;
use super::refresh_loop::RefreshLoop;
use super::refresh_queue::RefreshQueue;
use super::schedule::{Schedule, requested_pause};
use super::settings_loader::{SettingsLoader, ValidSettings, timed_out};
use super::shared_state::SharedState;
use crate::error::{Error, Result};
use crate::resolver::{FetchPlan, Resolver};
use crate::sealed::SealedWriter;
use crate::time::{Moment, WallClock, instant_after};

/// Everything that a start needs, without the type of the settings.
pub(super) struct Start {
    pub(super) loader: SettingsLoader,
    pub(super) options: Options,
    pub(super) clock: WallClock,
    pub(super) sealed_writer: Option<SealedWriter>,
}

/// The first settings, the plan that fetched them, and their freshness.
struct FirstSettings {
    settings: ValidSettings,
    plan: FetchPlan,
    began: Moment,
    health: HealthState,
}

impl Start {
    /// Loads and publishes the first settings, and starts the loop that keeps them current.
    ///
    /// The future is boxed here so that it is compiled in this crate, and not again for each settings type.
    pub(super) fn run(self, events: EventSources) -> BoxFuture<'static, Result<RefreshHandle>> {
        async move {
            Error::unless_on_runtime()?;
            let (began, requests) = (Instant::now(), self.loader.resolver.remote_requests());
            let deadline = instant_after(began, self.options.startup_deadline);
            let span = tracing::info_span!("keyvault.start", outcome = field::Empty, otel.status_code = field::Empty);
            let first = async {
                match &self.sealed_writer {
                    Some(sealed_writer) => self.first_or_sealed(sealed_writer, deadline).await,
                    None => self.first(deadline, &ArcSwapOption::empty()).await,
                }
            };
            let first = first.instrument(span.clone()).await;
            match &first {
                Ok(_) => span.record("outcome", "loaded"),
                Err(_) => span.record("outcome", "failed").record("otel.status_code", "ERROR"),
            };
            drop(span);
            // A supervisor may restart this process at once, and again: that must not flood the vault.
            if first.is_err() && self.loader.resolver.remote_requests() != requests {
                sleep_until(instant_after(began, self.options.minimum_failure_delay).min(deadline)).await;
            }
            Ok(self.keep_current(first?, events))
        }
        .boxed()
    }

    /// Loads the first settings, and retries while the vaults fail. The last such failure is in `last` for a caller
    /// that does not wait for the end.
    async fn first(&self, deadline: Instant, last: &ArcSwapOption<Error>) -> Result<FirstSettings> {
        let mut schedule = Schedule::new(self.options.interval);
        loop {
            let began = self.clock.moment();
            let error = match self.load(&self.loader.resolver, deadline).await {
                Ok((settings, plan)) => {
                    return Ok(FirstSettings { settings, plan, began, health: HealthState::fresh(began) });
                }
                Err(error) => error,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            // Tries become more frequent towards the deadline, so that a vault that comes back before it is found.
            let pause = schedule.after_failure(&error, fastrand::f64()).min(left / 2).max(requested_pause(&error));
            if !error.is_transient() || pause < SHORTEST_PAUSE || pause >= left {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "settings could not be loaded yet");
            last.store(Some(Arc::new(error)));
            sleep(pause).await;
        }
    }

    async fn load(&self, resolver: &Resolver, deadline: Instant) -> Result<(ValidSettings, FetchPlan)> {
        let plan = FetchPlan::full(Arc::default(), self.clock.now());
        let loaded = self.loader.load(resolver, &plan, None, deadline).await?;
        Ok((self.loader.validate(loaded, deadline).await?, plan))
    }

    /// Loads the first settings; from the sealed snapshot, if the vaults cannot be reached in time.
    ///
    /// A refusal by a vault is final: the file must not reveal what the vault just denied.
    async fn first_or_sealed(&self, sealed_writer: &SealedWriter, deadline: Instant) -> Result<FirstSettings> {
        let limit = sealed_writer.use_after().min(self.options.startup_deadline / 2);
        let last = ArcSwapOption::empty();
        let mut first = pin!(self.first(deadline, &last));
        let given_up = match timeout(limit, &mut first).await {
            Ok(Ok(first)) => return Ok(first),
            Ok(Err(error)) if !error.is_transient() => return Err(error),
            Ok(Err(error)) => Some(error),
            Err(_elapsed) => None,
        };
        let failure = last.load().as_deref().cloned().unwrap_or_else(timed_out);
        let refusal = match self.sealed(sealed_writer, deadline, failure).await {
            Ok(first) => return Ok(first),
            Err(refusal) => refusal,
        };
        tracing::warn!(error = %refusal, "the sealed snapshot cannot be used");
        match given_up {
            Some(error) => Err(joined(&error, &refusal)),
            None => first.await.map_err(|error| if error.is_transient() { joined(&error, &refusal) } else { error }),
        }
    }

    /// Loads settings from the sealed snapshot, after the vaults failed with `failure`.
    async fn sealed(&self, sealed_writer: &SealedWriter, deadline: Instant, failure: Error) -> Result<FirstSettings> {
        let (resolver, as_of) = sealed_writer.open(&self.loader.resolver, self.clock.now()).await?;
        let (settings, plan) = self.load(&resolver, deadline).await?;
        let began = self.clock.moment();
        let health = HealthState::from_sealed(began, as_of, failure.clone());
        tracing::warn!(error = %failure, age = ?health.age(began), "settings come from the sealed snapshot");
        Ok(FirstSettings { settings, plan, began, health })
    }

    /// Publishes the first settings, and spawns the loop that keeps them current.
    fn keep_current(self, first: FirstSettings, events: EventSources) -> RefreshHandle {
        let Self { loader, options, clock, sealed_writer } = self;
        let FirstSettings { settings, plan, began, health } = first;
        let (publication, _) = settings.publish(1, clock.now(), Vec::new());
        let (waker, signal) = watch::channel(());
        let vault = loader.resolver.vault().clone();
        let mapped = loader.names.clone().map(|names| (vault.clone(), names));
        let state = Arc::new(SharedState {
            publication: ArcSwap::new(publication),
            signal,
            queue: RefreshQueue::new(mapped, loader.resolver.layers(), options.event_spread, events.len()),
            shutdown: Notify::new(),
            clock,
            options,
            sealed_writer,
            health: Mutex::new(health),
            next_refresh: ArcSwapOption::empty(),
        });
        let (commands, queue) = mpsc::channel(16);
        let refresh_loop = RefreshLoop {
            planner: Planner::new(Arc::clone(&state), vault, plan, began),
            calls: PendingCalls::new(&state.options),
            cycle: RefreshCycle { loader: Arc::new(loader), state: Arc::clone(&state), waker, pending: None },
            running: FuturesUnordered::new(),
            commands: queue,
            events,
        };
        refresh_loop.report_secrets();
        tokio::spawn(refresh_loop.run());
        RefreshHandle { state, commands: Arc::new(commands), worker: None, fixed: None }
    }
}

/// The last try of a start begins between one and two of these before the deadline.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// Joins the failure of the vaults and that of the sealed snapshot.
fn joined(error: &Error, refusal: &Error) -> Error {
    let failures = error.failures().iter().chain(refusal.failures()).cloned().collect();
    let joined = Error::join(failures).unwrap_or_else(|| error.clone());
    match error.shared_load_report() {
        Some(report) => joined.with_load_report(report),
        None => joined,
    }
}
