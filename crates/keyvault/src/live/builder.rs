//! How settings are made live.

use std::fmt;
use std::time::{Duration, SystemTime};

use futures::stream::Stream;
use serde::de::DeserializeOwned;

use super::Live;
use super::budget::Allowance;
use super::clock::WallClock;
use super::engine::Engine;
use super::events::Events;
use super::rejected::PreviousVersion;
use super::revocation::Revocation;
use super::settle::Settle;
use super::subject::SecretSelector;
use super::validate::{AsyncHook, Unvalidated, Validate};
use crate::error::{Error, Result};
use crate::names::NameMap;
use crate::push::PushEvent;
use crate::resolver::Resolver;
use crate::sealed::SealedWriter;
use crate::settings::{Layers, Pattern, Policies, Policy};

/// Builds [`Live`] settings from the layers of a framework; the adapters' `layered` makes one.
///
/// # Metrics
///
/// With the feature `metrics`, these go to the recorder of the `metrics` facade. Labels name vaults, secrets and settings, and
/// hold no value, version or token.
///
/// | name | kind | labels | tells |
/// |---|---|---|---|
/// | `keyvault_refreshes_total` | counter | `outcome`: `changed`, `unchanged`, `failed` | refreshes that ended |
/// | `keyvault_settings_age_seconds` | gauge | | how old the settings were when the last refresh ended |
/// | `keyvault_consecutive_failures` | gauge | | refreshes that failed since the last good one |
/// | `keyvault_fetches_total` | counter | `vault`, `outcome`: `ok`, `failed` | secrets asked for, each with all its tries |
/// | `keyvault_throttles_total` | counter | `vault` | secrets asked for in vain because the vault throttles |
/// | `keyvault_secret_expiry_timestamp_seconds` | gauge | `vault`, `secret` | when a secret expires, if that was set |
/// | `keyvault_derived_builds_total` | counter | `keys`: those of [`Live::derive`], `outcome`: `ok`, `failed` | builds of derived resources, the first ones too |
#[must_use]
pub struct LiveBuilder<L, V = Unvalidated> {
    resolver: Resolver,
    layers: L,
    names: Option<NameMap>,
    timing: Timing,
    policies: Policies,
    malformed_pattern: Option<Error>,
    choices: Choices,
    clock: WallClock,
    events: Events,
    sealer: Option<Result<SealedWriter>>,
    validator: V,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) interval: Duration,
    pub(super) startup_deadline: Duration,
    pub(super) minimum_failure_delay: Duration,
    pub(super) refresh_deadline: Duration,
    pub(super) max_staleness: Option<Duration>,
    pub(super) event_spread: Duration,
    pub(super) expiry_notice: Duration,
    pub(super) rejections: Allowance,
    pub(super) settle: Option<Settle>,
}

/// What is done in cases that not everybody wants the same in.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) previous_version: PreviousVersion,
    pub(super) revocation: Revocation,
    pub(super) intervals: Vec<(SecretSelector, Duration)>,
}

impl<L: Layers> LiveBuilder<L> {
    /// Begins with the vaults of `resolver` and `layers` over them.
    pub fn new(resolver: impl Into<Resolver>, layers: L) -> Self {
        Self {
            resolver: resolver.into(),
            layers,
            names: Some(NameMap::new()),
            timing: Timing {
                interval: Duration::from_secs(300),
                startup_deadline: Duration::from_secs(100),
                minimum_failure_delay: Duration::from_secs(5),
                refresh_deadline: Duration::from_secs(100),
                max_staleness: None,
                event_spread: Duration::from_secs(30),
                expiry_notice: Duration::from_secs(30 * 86_400),
                rejections: Allowance { burst: 8, refill: Duration::from_secs(15) },
                settle: None,
            },
            policies: Policies::default(),
            malformed_pattern: None,
            choices: Choices::default(),
            clock: WallClock::default(),
            events: Events::default(),
            sealer: None,
            validator: Unvalidated,
        }
    }

    /// Asks `hook` before settings are published, the first ones too. What it refuses is not published.
    pub fn validate<H>(self, hook: H) -> LiveBuilder<L, H> {
        self.with_validator(hook)
    }

    /// Asks `hook`, which may wait, before settings are published: "can I log in with it?". It counts into the deadline.
    pub fn validate_async<H>(self, hook: H) -> LiveBuilder<L, AsyncHook<H>> {
        self.with_validator(AsyncHook(hook))
    }

    fn with_validator<W>(self, validator: W) -> LiveBuilder<L, W> {
        let Self {
            resolver, layers, names, timing, policies, malformed_pattern, choices, sealer, clock, events, ..
        } = self;
        LiveBuilder {
            resolver,
            layers,
            names,
            timing,
            policies,
            malformed_pattern,
            choices,
            sealer,
            clock,
            events,
            validator,
        }
    }
}

impl<L: Layers, V> LiveBuilder<L, V> {
    /// Sets how the default vault's secrets become settings. Default: [`NameMap::new`], all of them.
    pub fn names(mut self, map: NameMap) -> Self {
        self.names = Some(map);
        self
    }

    /// Takes secrets by reference only, so that no permission to list the vault is needed.
    pub fn references_only(mut self) -> Self {
        self.names = None;
        self
    }

    /// Sets the interval between refreshes, of which each is drawn a tenth to either side.
    ///
    /// Default: 5 minutes. At least 1 second.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.timing.interval = interval;
        self
    }

    /// Gives one secret, or all of one setting, an interval of its own: a shorter one has it asked for in between, a longer
    /// one has it left out of the other refreshes. The shortest counts. Each is drawn a tenth to either side.
    ///
    /// `subject` is the key of a setting, or of a table for everything under it, or a secret by its name or id. A list of
    /// the vault shows a change all the same. At least 1 second.
    pub fn refresh_secret_every(mut self, subject: impl Into<SecretSelector>, interval: Duration) -> Self {
        self.choices.intervals.push((subject.into(), interval));
        self
    }

    /// Has changes published together that come together: after nothing more has changed for `minimum`, and not later than
    /// `maximum` after the first change. Until then everything is asked for again each `minimum`; at the maximum the changes
    /// are published as they are, be it in the middle of a rotation.
    ///
    /// For secrets that are rotated one after the other and are wrong without each other, such as a user and a password.
    /// Better is one secret that holds both, or a hook of [`validate_async`](LiveBuilder::validate_async) that tries them:
    /// neither delays anything. [`refresh_now`](Live::refresh_now) and [`rejected`](Live::rejected) do not wait for it.
    ///
    /// Default: off; changes are published at the end of the pass that finds them.
    pub fn settle(mut self, minimum: Duration, maximum: Duration) -> Self {
        self.timing.settle = Some(Settle { minimum, maximum });
        self
    }

    /// Sets whether the version before may be used in the place of one that was [rejected](Live::rejected). Default:
    /// [`PreviousVersion::Never`].
    ///
    /// It is the one that this process held before; else the vault is asked, which needs the permission to list.
    pub fn previous_version(mut self, policy: PreviousVersion) -> Self {
        self.choices.previous_version = policy;
        self
    }

    /// Sets how often a secret may be asked for because it was [rejected](Live::rejected): `burst` times, and once more each
    /// `refill`.
    ///
    /// After each time that comes to nothing the vault is left alone for a while, a tenth of a second at first, then twice
    /// as long each time up to `refill`, and the answer is [`Same`](super::CredentialCheck::Same) at once; so a new version is found
    /// after at most twice the time that it took to come. Beyond the budget a rejection fails at once. Nobody is put to
    /// sleep. Default: 8, which last for 13 seconds, and 15 seconds.
    pub fn rejection_budget(mut self, burst: u32, refill: Duration) -> Self {
        self.timing.rejections = Allowance { burst, refill };
        self
    }

    /// Sets what it means that the vault says that a secret in use is gone, disabled or forbidden. Default:
    /// [`Revocation::Keep`].
    pub fn revocation(mut self, revocation: Revocation) -> Self {
        self.choices.revocation = revocation;
        self
    }

    /// Sets how long before its expiry a secret is said to [expire soon](super::SecretStatus::NearExpiry), in health and
    /// once as a notice and a `tracing` event. Default: 30 days.
    pub fn expiry_notice(mut self, notice: Duration) -> Self {
        self.timing.expiry_notice = notice;
        self
    }

    /// Sets how long the start may try while a vault cannot be reached or throttles. Default: 100 seconds.
    pub fn startup_deadline(mut self, deadline: Duration) -> Self {
        self.timing.startup_deadline = deadline;
        self
    }

    /// Sets how long a start that fails takes at least, if it asked a vault: whoever starts the program again at once, and
    /// again, must not hammer the vault.
    ///
    /// A failure that needed no vault, such as a malformed reference with [`references_only`](Self::references_only), is
    /// told at once. The delay ends with the [start-up deadline](Self::startup_deadline), if that is earlier. Tests set it
    /// to zero. Default: 5 seconds.
    pub fn minimum_failure_delay(mut self, delay: Duration) -> Self {
        self.timing.minimum_failure_delay = delay;
        self
    }

    /// Keeps the last good secrets in an encrypted file, and starts from it while no vault can be reached. Default: no file.
    ///
    /// [`SealedSnapshot`](crate::SealedSnapshot) tells when the file is written, read and refused.
    #[cfg(feature = "sealed")]
    pub fn sealed(mut self, snapshot: crate::SealedSnapshot) -> Self {
        self.sealer = Some(SealedWriter::new(snapshot, &self.resolver));
        self
    }

    /// Sets how long one refresh may take, with the validation. Default: 100 seconds.
    pub fn refresh_deadline(mut self, deadline: Duration) -> Self {
        self.timing.refresh_deadline = deadline;
        self
    }

    /// Sets the age of settings beyond which [`Health::is_healthy`](super::Health::is_healthy) says no. They are kept all
    /// the same. Default: none.
    pub fn max_staleness(mut self, age: Duration) -> Self {
        self.timing.max_staleness = Some(age);
        self
    }

    /// Sets what becomes of a load when a reference in a setting that `pattern` matches cannot be resolved:
    /// `smtp.password`, `smtp.*`, `smtp.**`; [`Policy`] tells all. Default: [`Required`](Policy::Required), or what the
    /// reference says.
    ///
    /// A malformed pattern fails the start.
    pub fn policy(mut self, pattern: &str, policy: Policy) -> Self {
        match Pattern::parse(pattern) {
            Ok(pattern) => self.policies.add(pattern, policy),
            Err(error) => self.malformed_pattern = Some(error),
        }
        self
    }

    /// Reads App Configuration's references, too, as
    /// [`ResolverBuilder::app_configuration_references`](crate::ResolverBuilder::app_configuration_references) does.
    pub fn app_configuration_references(mut self) -> Self {
        self.resolver = self.resolver.with_app_configuration();
        self
    }

    /// Listens to `source`, too: an event makes exactly its secret due, and polling stays as the backstop.
    ///
    /// A source yields [`SecretEvent`](crate::SecretEvent)s, or [`PushEvent`]s if it can tell that it lost some. It is
    /// polled by the background task and dropped with it. One that ends or panics is reported, and everything is asked
    /// for once more.
    pub fn events<S>(mut self, source: S) -> Self
    where
        S: Stream<Item: Into<PushEvent>> + Send + 'static,
    {
        self.events.add(source);
        self
    }

    /// Sets over which time the instances of a fleet spread what one event makes them ask for: each draws its own part.
    ///
    /// Default: 30 seconds. Zero asks at once.
    pub fn event_spread(mut self, spread: Duration) -> Self {
        self.timing.event_spread = spread;
        self
    }

    /// Sets what tells the time of day, by which secrets expire. Default: the system's clock.
    ///
    /// For tests; everything but expiry and the sleep of a host is measured by tokio's clock.
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = WallClock::new(now);
        self
    }

    /// Makes the first settings, then keeps them current in the background.
    ///
    /// Runs on a tokio runtime. Costs ⌈secrets / 25⌉ requests to list the vault if secrets are mapped by name, and one for
    /// each distinct secret, at most 100 at a time.
    ///
    /// # Errors
    ///
    /// Every setting that could not be loaded, in one error: [`report`](Error::report) tells each with its origin, status
    /// and remedy. A missing secret, a denied one, a malformed reference and values that do not fit are not tried again; a
    /// vault that cannot be reached or throttles is, until the deadline. What failed although a vault answered is told
    /// after the [minimum delay](Self::minimum_failure_delay).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the start; nothing is left running.
    pub async fn start<T>(self) -> Result<Live<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let mut intervals = self.choices.intervals.iter().map(|(_, interval)| *interval);
        if self.timing.interval < LEAST_INTERVAL || intervals.any(|interval| interval < LEAST_INTERVAL) {
            return Err(Error::invalid("refresh interval is below 1 second"));
        }
        if let Some(error) = self.malformed_pattern {
            return Err(error);
        }
        if self.timing.settle.is_some_and(|settle| settle.maximum < settle.minimum) {
            return Err(Error::invalid("settings would settle for less than the minimum"));
        }
        if self.timing.rejections.burst == 0 {
            return Err(Error::invalid("budget for rejections allows none"));
        }
        Engine {
            resolver: self.resolver,
            layers: self.layers,
            names: self.names,
            validator: self.validator,
            timing: self.timing,
            policies: self.policies,
            choices: self.choices,
            clock: self.clock,
            sealer: self.sealer.transpose()?,
        }
        .start(self.events)
        .await
    }
}

const LEAST_INTERVAL: Duration = Duration::from_secs(1);

impl<L, V> fmt::Debug for LiveBuilder<L, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBuilder")
            .field("resolver", &self.resolver)
            .field("names", &self.names)
            .field("timing", &self.timing)
            .field("policies", &self.policies)
            .field("choices", &self.choices)
            .finish_non_exhaustive()
    }
}
