//! The current settings, and what keeps them current.

mod agenda;
mod budget;
mod builder;
mod bulletin;
mod calls;
mod clock;
mod derive;
mod due;
mod engine;
mod events;
mod expiry;
mod health;
mod inbox;
mod job;
mod projection;
mod pulse;
mod reader;
mod rejected;
mod rest;
mod revocation;
mod schedule;
mod settle;
mod start;
mod step;
mod subject;
mod task;
mod validate;
mod watcher;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{mpsc, oneshot};

pub use self::builder::LiveBuilder;
use self::calls::Command;
pub use self::derive::{Derive, Derived, DerivedHealth, DerivedNotice, DerivedWatcher};
use self::engine::Shared;
pub use self::health::{Health, PushHealth, SecretHealth, SecretStatus};
pub use self::projection::{Projected, Projection};
pub use self::reader::Reader;
pub use self::rejected::{CredentialCheck, PreviousVersion};
pub use self::revocation::Revocation;
pub use self::subject::SecretSelector;
pub use self::validate::{AsyncHook, Unvalidated, Validate, ValidationError};
pub use self::watcher::{Change, Notice, Watcher};
use crate::error::{Error, ErrorKind, Result};
use crate::push::PushEvent;
use crate::report::Report;
use crate::resolver::Snapshot;
use crate::settings::Origins;

/// Settings that follow rotation: always whole, always valid, replaced in one step.
///
/// A background task owns the refresh. It ends when the last clone of the handle is dropped, or with
/// [`shutdown`](Live::shutdown); [`Watcher`]s do not keep it. After the end the last settings can still be read.
#[must_use = "settings are refreshed as long as their handle lives"]
pub struct Live<T> {
    shared: Arc<Shared<T>>,
    commands: mpsc::Sender<Command>,
}

/// Settings as they were published at one moment.
#[derive(Clone)]
pub struct Published<T> {
    settings: Arc<T>,
    /// The keys in which they differ from those before.
    changed: Arc<[String]>,
    generation: u64,
    at: SystemTime,
    origins: Arc<Origins>,
    snapshot: Arc<Snapshot>,
    report: Arc<Report>,
}

impl<T> Published<T> {
    /// Gives the settings.
    pub fn settings(&self) -> &Arc<T> {
        &self.settings
    }

    /// Tells how many settings were published before and with these: 1 is the start.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells when they were published.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Tells where each value came from.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Gives the secrets that were read for them.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn with_report(&self, report: Arc<Report>) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            changed: Arc::clone(&self.changed),
            generation: self.generation,
            at: self.at,
            origins: Arc::clone(&self.origins),
            snapshot: Arc::clone(&self.snapshot),
            report,
        }
    }

    /// Gives what became of every reference and of every secret by name in the last load that gave these settings.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("generation", &self.generation)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// The settings of one moment, to be held for one unit of work: a request, a job.
///
/// It derefs to the settings. Do not keep one in a struct or for long: take an [`Arc`] by [`to_arc`](Current::to_arc) for
/// that, for a thread has only few cheap slots for these.
pub struct Current<T>(Guard<Arc<Published<T>>>);

impl<T> Current<T> {
    /// Gives the settings to keep.
    pub fn to_arc(this: &Self) -> Arc<T> {
        Arc::clone(&this.0.settings)
    }
}

impl<T> Deref for Current<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.settings
    }
}

impl<T> fmt::Debug for Current<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Gives the settings as they are now.
    ///
    /// Never waits, never fails, allocates nothing. Hold what it returns for one unit of work: two calls may see two
    /// different settings.
    pub fn current(&self) -> Current<T> {
        Current(self.shared.published.load())
    }

    /// Gives the settings as they are now, with their generation and origins.
    pub fn published(&self) -> Arc<Published<T>> {
        self.shared.published.load_full()
    }

    /// Watches for changes and failures from now on.
    pub fn watch(&self) -> Watcher<T> {
        Watcher::new(Arc::clone(&self.shared))
    }

    /// Refreshes now instead of at the next interval, and tells what changed; none if nothing did.
    ///
    /// Joins a refresh already in flight. Costs what a refresh costs: ⌈secrets / 25⌉ requests to list the vault if secrets
    /// are mapped by name, and one for each secret that changed or is not in the list, at most 100 at a time.
    ///
    /// # Errors
    ///
    /// The refresh's own error; the last good settings stay in place. [`Unavailable`](ErrorKind::Unavailable) after
    /// [`shutdown`](Live::shutdown).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the refresh running for the others who joined it.
    pub async fn refresh_now(&self) -> Result<Option<Change>> {
        self.ask(Command::Refresh).await
    }

    /// Refreshes if that is due, and waits for it: for hosts that freeze a program between two requests, so that its
    /// background task sleeps when it should refresh. Call it at the beginning of a request.
    ///
    /// When nothing is due it returns at once, and allocates nothing. It is due by tokio's clock or by the time of day,
    /// whichever is earlier, for a clock may stand still in a frozen host. Joins a refresh that runs. However long the
    /// host slept, it costs one refresh.
    ///
    /// # Errors
    ///
    /// As [`refresh_now`](Live::refresh_now).
    ///
    /// # Cancel safety
    ///
    /// As [`refresh_now`](Live::refresh_now).
    pub async fn refresh_if_due(&self) -> Result<Option<Change>> {
        if !self.shared.is_due() {
            return Ok(None);
        }
        self.ask(Command::IfDue).await
    }

    /// Says that a server refused what is in the settings: "the database does not accept this password". Gives what there
    /// is instead.
    ///
    /// `subject` is the key of a setting, or of a table for everything under it, or a secret. The latest version of
    /// exactly those secrets is asked for at once, in one request each that all who say the same share; new settings
    /// are validated and published before this returns. If the vault has nothing newer, the version before is
    /// published where [`previous_version`](LiveBuilder::previous_version) allows it. A version that was refused does not
    /// come back by itself until there is a newer one; if both were refused, the latest is used again.
    ///
    /// A vault that had nothing newer a moment ago is not asked, and the answer is [`Same`](CredentialCheck::Same): for a tenth of a
    /// second at first, and twice as long [each time](LiveBuilder::rejection_budget).
    ///
    /// Say it of a refused credential and of no other failure. A caller that may hold older settings names the version that it
    /// used, as [`origins`](Published::origins) tell it, or those [of a derived resource](Derived::current_with_origins): if
    /// the settings have another one by now, the answer is at once [`Changed`](CredentialCheck::Changed).
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if no such secret is in the settings. [`Throttled`](ErrorKind::Throttled), at once and
    /// with the time to wait, beyond the [budget](LiveBuilder::rejection_budget). Else the refresh's own error; the last
    /// good settings stay in place.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the refresh running for the others who joined it.
    pub async fn report_rejected(&self, subject: impl Into<SecretSelector> + Send) -> Result<CredentialCheck> {
        let subject = subject.into();
        let suspects = {
            let published = self.shared.published.load();
            subject.secrets(&published.origins)
        };
        if suspects.is_empty() {
            return Err(Error::invalid("no secret of that name or setting is in the settings"));
        }
        let suspects = match subject.version() {
            Some(version) => vec![version.clone()],
            None => suspects,
        };
        self.ask(|reply| Command::Rejected(suspects, reply)).await
    }

    async fn ask<A>(&self, command: impl FnOnce(oneshot::Sender<Result<A>>) -> Command + Send) -> Result<A> {
        let ended = || Error::new(ErrorKind::Unavailable, "settings are no longer refreshed");
        let (reply, outcome) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Takes in news of a secret, which makes exactly that secret due: the very version that the event names is fetched,
    /// after a random part of [`event_spread`](LiveBuilder::event_spread).
    ///
    /// Never waits, and keeps no queue: a flood of events costs what the secrets cost that the settings use, once. One that
    /// goes on and tells nothing new has each of them asked for every 5 seconds, and everything every 20 seconds. An event of a vault that is not
    /// allowed, of a secret that no setting uses, or of a version that was seen costs nothing. A new secret that the name map
    /// takes, and a [`PushEvent::MayHaveLost`], have everything asked for. Polling goes on, so nothing is lost with an event.
    pub fn notify(&self, event: impl Into<PushEvent>) {
        self.shared.inbox.put(event.into());
    }

    /// Tells how fresh the settings are and what went wrong last, without a value in it. Does not wait.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Ends the refresh, in the middle of one if need be, and waits until the task is gone.
    ///
    /// The other clones of the handle keep the last settings.
    pub async fn shutdown(&self) {
        // An error means that the task is gone already.
        _ = self.commands.send(Command::Shutdown).await;
        self.commands.closed().await;
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), commands: self.commands.clone() }
    }
}

impl<T> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&*self.shared.published.load()).finish()
    }
}

type PublishedCell<T> = ArcSwap<Published<T>>;
