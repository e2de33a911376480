//! The first settings, or every reason that there are none.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Live;
use super::engine::{Build, Built, Engine, Made, late};
use super::events::Events;
use super::pulse::Pulse;
use super::schedule::Schedule;
use super::validate::Validate;
use crate::error::{Error, Result};
use crate::resolver::FetchPlan;
use crate::sealed::SealedWriter;
use crate::settings::Layers;

/// The first settings, what was found on the way to them, and how fresh they are.
pub(super) struct First<T> {
    pub(super) built: Built<T>,
    pub(super) errand: FetchPlan,
    pub(super) pulse: Pulse,
}

impl<L: Layers, V> Engine<L, V> {
    /// Makes the first settings and keeps them current.
    ///
    /// A failure for which a vault was asked is held back, for whoever started this process may start it again at once.
    pub(super) async fn start<T>(self, events: Events) -> Result<Live<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (began, asked) = (Instant::now(), self.resolver.requests());
        let first = match &self.sealer {
            Some(sealer) => self.first_or_sealed(sealer).await,
            None => self.first(&Mutex::default()).await,
        };
        if first.is_err() && self.resolver.requests() != asked {
            let held = self.timing.minimum_failure_delay.min(self.timing.startup_deadline);
            sleep_until(began + held).await;
        }
        Ok(self.keep(first?, events))
    }

    /// Makes the first settings, trying again while the vault is the reason that there are none. The `last` such reason is
    /// there for whoever does not wait for the end.
    async fn first<T>(&self, last: &Mutex<Option<Error>>) -> Result<First<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let deadline = Instant::now() + self.timing.startup_deadline;
        let mut schedule = Schedule::new(self.timing.interval);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let errand = FetchPlan::full(Arc::default(), self.clock.now());
            let error = match self.build(left, None, &errand, |_| None).await {
                Ok(Build { made: Made::New(built), .. }) => {
                    return Ok(First { built, errand, pulse: Pulse::started(self.now()) });
                }
                // With nothing published before, everything is a change.
                Ok(_) => unreachable!("a first build has nothing to equal"),
                Err(error) => error,
            };
            let pause = schedule.after_failure(&error, fastrand::f64());
            if !error.is_transient() || Instant::now() + pause >= deadline {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "settings could not be loaded yet");
            *seen(last) = Some(error);
            sleep(pause).await;
        }
    }

    /// Makes the first settings; of the sealed snapshot, if the vaults cannot be reached for as long as its patience.
    ///
    /// What a vault refuses is refused: nobody gets from a file what the vault just denied them.
    async fn first_or_sealed<T>(&self, sealer: &SealedWriter) -> Result<First<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let deadline = Instant::now() + self.timing.startup_deadline;
        let patience = sealer.patience().min(self.timing.startup_deadline / 2);
        let last = Mutex::default();
        let mut first = pin!(self.first(&last));
        let given_up = match timeout(patience, &mut first).await {
            Ok(Ok(first)) => return Ok(first),
            Ok(Err(error)) if !error.is_transient() => return Err(error),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = seen(&last).clone().unwrap_or_else(late);
        let refusal = match self.sealed(sealer, left, failure).await {
            Ok(first) => return Ok(first),
            Err(refusal) => refusal,
        };
        tracing::warn!(error = %refusal, "the sealed snapshot is no help");
        match given_up {
            Some(error) => Err(beside(&error, &refusal)),
            None => first.await.map_err(|error| if error.is_transient() { beside(&error, &refusal) } else { error }),
        }
    }

    /// Makes settings of the sealed snapshot, the vaults having failed with `failure`.
    async fn sealed<T>(&self, sealer: &SealedWriter, left: Duration, failure: Error) -> Result<First<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (resolver, as_of) = sealer.open(&self.resolver).await?;
        let errand = FetchPlan::full(Arc::default(), self.clock.now());
        let build = self.build_from(&resolver, left, None, &errand, |_| None).await?;
        let Made::New(built) = build.made else { unreachable!("a first build has nothing to equal") };
        let pulse = Pulse::started_from_sealed(self.now(), as_of, failure.clone());
        tracing::warn!(error = %failure, age = ?pulse.age(self.now()), "settings are those of the sealed snapshot");
        Ok(First { built, errand, pulse })
    }
}

fn seen(last: &Mutex<Option<Error>>) -> MutexGuard<'_, Option<Error>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells why the vaults gave no settings, and why the sealed snapshot did not.
fn beside(error: &Error, refusal: &Error) -> Error {
    let failures = error.failures().iter().chain(refusal.failures()).cloned().collect();
    let joined = Error::join(failures).unwrap_or_else(|| error.clone());
    match error.shared_load_report() {
        Some(report) => joined.with_load_report(report),
        None => joined,
    }
}
