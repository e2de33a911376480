//! The builder of live settings.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures::stream::Stream;
use serde::de::DeserializeOwned;

use super::credential_report::PreviousVersion;
use super::debounce::Debounce;
use super::live_handle::Live;
use super::revocation::Revocation;
use super::selector::SecretSelector;
use super::setup::Setup;
use super::target::{SettingsTarget, TypedTarget};
use super::validate::{AsyncHook, Unvalidated, Validate};
use crate::blocking::Worker;
use crate::error::{Error, ErrorKind, Result};
use crate::names::NameMap;
use crate::push::PushEvent;
use crate::resolver::Resolver;
#[cfg(feature = "sealed")]
use crate::sealed::SealedWriter;
use crate::settings::{Layers, Policy, SettingStore};
use crate::time::{TokenRate, WallClock};

/// Builds [`Live`] settings from the layers of a framework. The adapters' `layered` creates one.
///
/// # Metrics
///
/// With the feature `metrics`, the recorder of the `metrics` facade receives these. Labels name vaults, secrets and
/// settings; they contain no value, version or token.
///
/// | name | kind | labels | value |
/// |---|---|---|---|
/// | `keyvault_refreshes_total` | counter | `outcome`: `changed`, `unchanged`, `failed` | refreshes that ended |
/// | `keyvault_settings_age_seconds` | gauge | | age of the settings when the last refresh ended |
/// | `keyvault_consecutive_failures` | gauge | | failed refreshes since the last good one |
/// | `keyvault_fetches_total` | counter | `vault`, `outcome`: `ok`, `failed` | secrets fetched, retries included |
/// | `keyvault_throttles_total` | counter | `vault` | fetches that failed because the vault throttles |
/// | `keyvault_secret_expiry_timestamp_seconds` | gauge | `vault`, `secret` | when a secret expires, if it has a date |
/// | `keyvault_derived_builds_total` | counter | `keys`, `outcome`: `ok`, `failed` | builds of derived resources |
///
/// The `keys` of a derived resource are those of [`Live::derive`]; its first build counts too.
///
/// # Spans
///
/// `tracing` receives these at the level `INFO`. The span of each request to a vault, `keyvault`, is inside of them. No
/// field contains a value, version or token. A failed one also has `otel.status_code = "ERROR"`, which becomes the
/// status of the span in OpenTelemetry. The error is in the log event inside of a failed refresh and in the result of a
/// failed start. For a failed build, the log event follows the span, or [`Live::derive`] returns the error.
///
/// | name | fields | covers |
/// |---|---|---|
/// | `keyvault.start` | `outcome`: `loaded`, `failed` | a start, with its retries |
/// | `keyvault.refresh` | `kind`: `full`, `partial`; `outcome`: `changed`, `unchanged`, `debounced`, `failed`; `generation` | one refresh |
/// | `keyvault.derive` | `keys`, `generation`, `outcome`: `built`, `failed` | a build of a derived resource, with its probe |
///
/// A refresh is the root of its trace. A span has no `outcome` if a shutdown or a dropped future ends it.
#[must_use]
pub struct LiveBuilder<L, V = Unvalidated> {
    layers: L,
    validator: V,
    setup: Setup,
}

impl<L: Layers> LiveBuilder<L> {
    /// Creates a builder for `layers` over the vaults of `resolver`.
    pub fn new(resolver: impl Into<Resolver>, layers: L) -> Self {
        Self { layers, validator: Unvalidated, setup: Setup::new(resolver.into()) }
    }

    /// Sets the check that settings pass before they are published, the first ones included. Settings that `hook`
    /// refuses are not published.
    pub fn validate<H>(self, hook: H) -> LiveBuilder<L, H> {
        LiveBuilder { layers: self.layers, validator: hook, setup: self.setup }
    }

    /// Sets a check that may wait, to try a login for example. Its time counts towards the deadline.
    pub fn validate_async<H>(self, hook: H) -> LiveBuilder<L, AsyncHook<H>> {
        LiveBuilder { layers: self.layers, validator: AsyncHook(hook), setup: self.setup }
    }
}

impl<L: Layers, V> LiveBuilder<L, V> {
    /// Sets how the default vault's secrets become settings. Default: [`NameMap::new`].
    pub fn names(mut self, map: NameMap) -> Self {
        self.setup.names = Some(map);
        self
    }

    /// Disables the name map, so that secrets arrive by reference only. This needs no permission to list the vault.
    pub fn references_only(mut self) -> Self {
        self.setup.names = None;
        self
    }

    /// Adds a store outside the process, such as Azure App Configuration, whose settings are a layer above the secrets
    /// and those of the stores that were added before. A file or a variable overrides it.
    ///
    /// The layers may place it elsewhere: [`MappedSecrets::split`](crate::settings::MappedSecrets::split) separates it
    /// from the secrets. Its values may contain references. Each refresh reads it, unless it has an
    /// [interval](SettingStore::interval) of its own, and what has changed in it and in the vaults is published
    /// together. A start or a refresh fails if it cannot be read.
    pub fn with_layer(mut self, store: impl SettingStore) -> Self {
        let interval = store.interval();
        let id = self.setup.resolver.add_layer(Arc::new(store));
        self.setup.options.intervals.extend(interval.map(|interval| (SecretSelector::from(id), interval)));
        self
    }

    /// Sets the interval between refreshes. Each is drawn up to a tenth longer or shorter.
    ///
    /// Default: 5 minutes. At least 1 second.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.setup.options.interval = interval;
        self
    }

    /// Sets an interval of its own for one secret, or for all secrets of one setting. A shorter one adds refreshes in
    /// between; a longer one leaves the secret out of the other refreshes. If several apply, the shortest counts. Each
    /// is drawn up to a tenth longer or shorter.
    ///
    /// `selector` is the key of a setting, or of a table for everything under it, or a secret by its name or id. A list
    /// of the vault reveals a change regardless of the interval. At least 1 second.
    pub fn refresh_secret_every(mut self, selector: impl Into<SecretSelector>, interval: Duration) -> Self {
        self.setup.options.intervals.push((selector.into(), interval));
        self
    }

    /// Debounces changes so that related ones are published together: when nothing more has changed for `minimum`, and
    /// at the latest `maximum` after the first change. Until then, a full refresh runs every `minimum`, and only one
    /// that began after the pause publishes: no event does, however often it comes. At the maximum, the changes are
    /// published as they are, even in the middle of a rotation.
    ///
    /// This suits secrets that rotate one after the other and do not work without each other, such as a user and a
    /// password. One secret that contains both is better, and so is a hook of
    /// [`validate_async`](LiveBuilder::validate_async) that tries them: neither delays anything.
    /// [`refresh_now`](Live::refresh_now) and [`report_rejected`](Live::report_rejected) are not debounced.
    ///
    /// Default: off; changes are published at the end of the refresh that finds them.
    pub fn debounce(mut self, minimum: Duration, maximum: Duration) -> Self {
        self.setup.options.debounce = Some(Debounce { minimum, maximum });
        self
    }

    /// Sets whether the version before may replace one that was [rejected](Live::report_rejected). Default:
    /// [`PreviousVersion::Never`].
    ///
    /// It is the version that this process used before. If there is none, the vault lists the versions, which needs the
    /// permission to list.
    pub fn previous_version(mut self, policy: PreviousVersion) -> Self {
        self.setup.options.previous_version = policy;
        self
    }

    /// Sets how often a secret may be fetched because it was [rejected](Live::report_rejected): `burst` times, and once
    /// more each `refill`.
    ///
    /// After each fetch that finds nothing new, the vault is left alone and the answer is
    /// [`Same`](super::CredentialCheck::Same) at once: for a tenth of a second at first, then twice as long each time,
    /// up to `refill`. So a new version is found after at most twice the time that it took to appear. Beyond the
    /// budget, a report fails at once. Callers never wait for the budget. Default: 8, which last for 13 seconds, and 15
    /// seconds.
    pub fn rejection_budget(mut self, burst: u32, refill: Duration) -> Self {
        self.setup.options.reports = TokenRate { burst, refill };
        self
    }

    /// Sets the consequence when the vault answers that a secret in use is gone, disabled or forbidden. Default:
    /// [`Revocation::Keep`].
    pub fn revocation(mut self, revocation: Revocation) -> Self {
        self.setup.options.revocation = revocation;
        self
    }

    /// Sets how long before its expiry a secret is reported as [near expiry](super::SecretStatus::NearExpiry), in
    /// health and once as a notice and a `tracing` event. Default: 30 days.
    pub fn expiry_notice(mut self, notice: Duration) -> Self {
        self.setup.options.expiry_notice = notice;
        self
    }

    /// Sets how long the start retries while a vault cannot be reached or throttles. Default: 100 seconds. At
    /// least 1 millisecond.
    ///
    /// No pause is longer than half of the time left, unless the vault asks for a longer one. If that one ends after
    /// the deadline, the start fails at once. Otherwise the last try begins within the last second.
    pub fn startup_deadline(mut self, deadline: Duration) -> Self {
        self.setup.options.startup_deadline = deadline;
        self
    }

    /// Sets the least time that a failing start takes if it asked a vault: a supervisor that restarts the program at
    /// once, again and again, must not flood the vault.
    ///
    /// A failure that needs no vault, such as a malformed reference with [`references_only`](Self::references_only), is
    /// returned at once, and so is each failure with [`InMemory`](crate::InMemory). The delay ends with the [start-up
    /// deadline](Self::startup_deadline), if that is earlier. Default: 5 seconds.
    pub fn minimum_failure_delay(mut self, delay: Duration) -> Self {
        self.setup.options.minimum_failure_delay = delay;
        self
    }

    /// Keeps the last good secrets in an encrypted file, and starts from it while no vault can be reached. Default: no
    /// file.
    ///
    /// [`SealedSnapshot`](crate::SealedSnapshot) describes when the file is written, read and refused.
    #[cfg(feature = "sealed")]
    pub fn sealed(mut self, snapshot: crate::SealedSnapshot) -> Self {
        self.setup.sealed_writer = Some(SealedWriter::new(snapshot, &self.setup.resolver));
        self
    }

    /// Sets the longest time that one refresh may take, validation included. Default: 100 seconds. At least 1
    /// millisecond.
    pub fn refresh_deadline(mut self, deadline: Duration) -> Self {
        self.setup.options.refresh_deadline = deadline;
        self
    }

    /// Sets the age beyond which [`Health::is_healthy`](super::Health::is_healthy) returns `false`. The settings stay
    /// all the same. Default: no limit.
    pub fn max_staleness(mut self, age: Duration) -> Self {
        self.setup.options.max_staleness = Some(age);
        self
    }

    /// Sets what happens when a reference cannot be resolved, in the settings that `pattern` matches: `smtp.password`,
    /// `smtp.*`, `smtp.**`; see [`Policy`]. Default: [`Required`](Policy::Required), or as the reference itself states.
    ///
    /// Malformed patterns fail the start, which reports all of them.
    pub fn policy(mut self, pattern: &str, policy: Policy) -> Self {
        self.setup.add_policy(pattern, policy);
        self
    }

    /// Resolves App Configuration's references too, as
    /// [`ResolverBuilder`](crate::resolver::ResolverBuilder::app_configuration_references) does.
    pub fn app_configuration_references(mut self) -> Self {
        self.setup.resolver = self.setup.resolver.with_app_configuration();
        self
    }

    /// Adds a source of events. An event makes exactly its secret due, and polling continues.
    ///
    /// A source yields [`SecretEvent`](crate::push::SecretEvent)s, or [`PushEvent`]s if it can tell that it lost some.
    /// The background task polls it and drops it at its end. A source that ends or panics is logged, and a full refresh
    /// makes good what it may have lost.
    pub fn events<S>(mut self, source: S) -> Self
    where
        S: Stream<Item: Into<PushEvent>> + Send + 'static,
    {
        self.setup.events.add(source);
        self
    }

    /// Sets the time over which the instances of a fleet spread their reaction to one event: each draws its own part.
    ///
    /// Default: 30 seconds. At zero, each reacts at once.
    pub fn event_spread(mut self, spread: Duration) -> Self {
        self.setup.options.event_spread = spread;
        self
    }

    /// Sets the clock that shows the time of day, by which secrets expire. Default: the system's clock.
    ///
    /// For tests. Everything except expiry and the suspension of the host is measured by tokio's clock.
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.setup.clock = WallClock::new(now);
        self
    }

    /// Loads the first settings, then keeps them current in the background.
    ///
    /// Runs on a tokio runtime with timers, which also runs the background task: the settings are refreshed as long as
    /// that runtime lives. In a program without one, `Runtime::new()?.block_on(…)` would end the refresh at once; use
    /// [`start_blocking`](Self::start_blocking).
    ///
    /// Costs ⌈secrets / 25⌉ requests to list the vault if secrets are mapped by name, and one
    /// for each distinct secret, at most 100 at a time.
    ///
    /// # Errors
    ///
    /// Every setting that could not be loaded, in one error: its [`report`](Error::report) lists each with origin,
    /// status and remedy. A missing or denied secret, a malformed reference and values that do not fit fail at once; a
    /// vault that cannot be reached or throttles is retried until the deadline. A failure after an answer of a vault is
    /// returned after the [minimum delay](Self::minimum_failure_delay). [`Invalid`](ErrorKind::Invalid) outside a
    /// tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the start; nothing stays running.
    pub async fn start<T>(self) -> Result<Live<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let validator = Box::new(self.validator);
        let target = Arc::new(TypedTarget { layers: self.layers, validator, published: OnceLock::new() });
        let refresh = self.setup.start(Arc::clone(&target) as Arc<dyn SettingsTarget>).await?;
        let published = target.published.get().cloned().ok_or_else(unpublished)?;
        Ok(Live { published, refresh })
    }

    /// Starts like [`start`](Self::start), for a program without a tokio runtime. Blocks until the first settings are
    /// loaded.
    ///
    /// One thread refreshes the settings and ends with the last clone of the handle. [`Live::current`] and
    /// [`Live::health`] need no runtime; [`block_on`](crate::blocking::block_on) waits for a refresh.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start), and [`Unavailable`](ErrorKind::Unavailable) if the thread cannot be started.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> keyvault::Result<()> {
    /// # use keyvault::{InMemory, Layers, LiveBuilder};
    /// # fn run<L: Layers>(builder: LiveBuilder<L>) -> keyvault::Result<()> {
    /// # #[derive(serde::Deserialize)]
    /// # struct Settings { url: String }
    /// let live = builder.start_blocking::<Settings>()?;
    /// println!("connecting to {}", live.current().url);
    /// # Ok(())
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_blocking<T>(self) -> Result<Live<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let worker = Worker::start()?;
        let mut live = worker.run(self.start())?;
        live.refresh.worker = Some(worker);
        Ok(live)
    }
}

/// Returns the error of a start that published no settings. A start that succeeds always publishes some.
fn unpublished() -> Error {
    Error::new(ErrorKind::Unavailable, "no settings were published")
}

impl<L, V> fmt::Debug for LiveBuilder<L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBuilder")
            .field("resolver", &self.setup.resolver)
            .field("names", &self.setup.names)
            .field("policies", &self.setup.policies)
            .field("options", &self.setup.options)
            .finish_non_exhaustive()
    }
}
