//! The first settings, or every reason that there are none.

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};

use super::Live;
use super::engine::{Built, Engine};
use super::schedule::Schedule;
use super::validate::Validate;
use crate::error::Result;
use crate::layers::Layers;

impl<L: Layers, V> Engine<L, V> {
    /// Makes the first settings and keeps them current.
    ///
    /// A failure for which a vault was asked is held back, for whoever started this process may start it again at once.
    pub(super) async fn start<T>(self) -> Result<Live<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (began, asked) = (Instant::now(), self.resolver.requests());
        let first = self.first().await;
        if first.is_err() && self.resolver.requests() != asked {
            let held = self.timing.minimum_failure_delay.min(self.timing.startup_deadline);
            sleep_until(began + held).await;
        }
        Ok(self.keep(first?))
    }

    /// Makes the first settings, trying again while the vault is the reason that there are none.
    async fn first<T>(&self) -> Result<Built<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let deadline = Instant::now() + self.timing.startup_deadline;
        let mut schedule = Schedule::new(self.timing.interval);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self.build(left, None).await {
                Ok(Some(first)) => return Ok(first),
                // With nothing published before, everything is a change.
                Ok(None) => unreachable!("a first build has nothing to equal"),
                Err(error) => error,
            };
            let pause = schedule.after_failure(&error, fastrand::f64());
            if !error.is_transient() || Instant::now() + pause >= deadline {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "settings could not be loaded yet");
            sleep(pause).await;
        }
    }
}
