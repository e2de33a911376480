//! The builder of a derived resource.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::derived::Derived;
use super::drain::Drains;
use super::factory::Factory;
use super::keys::unknown;
use super::replacement_loop;
use super::retry::RetryContext;
use crate::error::{Error, ErrorKind, Result};
use crate::live::{ChangeFeed, Live, ValidationError, Watcher};
use crate::time::Backoff;

/// Sets up a [`Derived`] resource. [`Live::derive`] creates one, and `.await` builds the first resource.
#[must_use = "nothing is built before it is awaited"]
pub struct Derive<T, R> {
    feed: ChangeFeed,
    retry: RetryContext,
    factory: Factory<T, R>,
    start_deadline: Duration,
    may_be_absent: bool,
}

impl<T: Send + Sync + 'static> Live<T> {
    /// Derives a resource from settings: a pool, a client, a TLS configuration that is replaced when they change.
    ///
    /// `keys` are the settings that the resource is built from, with everything under them: `["database"]`,
    /// `["tls.certificate"]`, or `[""]` for all. When one changes, the task calls `build` with the newest settings,
    /// [probes](Derive::probe) the result, and publishes it for [`Derived::current`]. One build runs at a time, and the
    /// next one uses the newest settings, so no change is lost. A replaced resource is [drained](Derive::drain) after a
    /// [grace](Derive::grace).
    ///
    /// A build that refuses, panics or hangs leaves the current resource in place. [`Derived::health`], each
    /// [`DerivedWatcher`](crate::derive::DerivedWatcher) and a `tracing` event report it. It is retried with back-off,
    /// and at once when there are newer settings. A build refuses with a [`ValidationError`], which has room for a
    /// reason and not for an error: a driver's error may quote a connection string. Log such an error yourself if you
    /// know that it does not.
    ///
    /// # Errors
    ///
    /// At the `.await`: the error of the first build; [`Invalid`](ErrorKind::Invalid) for a key without a setting,
    /// which may be misspelt and would never change, and outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the first build; nothing stays running.
    ///
    /// # Examples
    ///
    /// ```
    /// # use keyvault::{Derived, Live, ValidationError};
    /// # struct Database { password: String }
    /// # struct Settings { database: Database }
    /// # struct Pool;
    /// # async fn connect(_: &Database) -> Result<Pool, std::io::Error> { Ok(Pool) }
    /// # async fn example(live: Live<Settings>) -> keyvault::Result<()> {
    /// let pool: Derived<Pool> = live
    ///     .derive(["database"], async |settings| {
    ///         connect(&settings.database).await.map_err(ValidationError::because("the pool cannot log in"))
    ///     })
    ///     .await?;
    /// let connection = pool.current();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The next pools log in once before they become current, and are closed after their grace. `sqlx` waits in `close`
    /// for the connections in use; `deadpool-postgres` closes each connection as it comes back:
    ///
    /// ```ignore
    /// let pool = live
    ///     .derive(["database"], async |settings: Arc<Settings>| {
    ///         let database = &settings.database;
    ///         let options = PgConnectOptions::new().host(&database.host).password(&database.password);
    ///         PgPool::connect_with(options).await.map_err(ValidationError::because("the pool cannot log in"))
    ///     })
    ///     .drain(async |old: Arc<PgPool>| old.close().await)
    ///     .await?;
    ///
    /// let pool = live
    ///     .derive(["database"], async |settings: Arc<Settings>| Ok(pool_of(&settings.database)))
    ///     .probe(async |new: Arc<Pool>| match new.get().await {
    ///         Ok(_) => Ok(()),
    ///         Err(_) => Err(ValidationError::new("the database refused the login")),
    ///     })
    ///     .drain(async |old: Arc<Pool>| old.close())
    ///     .await?;
    /// ```
    ///
    /// If the server has one user whose password changes before the vault's, it refuses *new* connections until the
    /// vault has the new password, and no pool can prevent that. [`Derived::with_retry`] reports the password and asks
    /// for the connection again; the examples `postgres_sqlx` and `postgres_deadpool` use it under load. With two users
    /// in turn, there is no such moment.
    ///
    /// A hook that uses something of its environment clones it for each call, because its future must own what it uses:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use keyvault::{Live, ValidationError};
    /// # struct Settings { url: String }
    /// # struct Pool;
    /// # async fn connect(_: &str, _: &str) -> Result<Pool, std::io::Error> { Ok(Pool) }
    /// # async fn example(live: Live<Settings>, name: Arc<str>) -> keyvault::Result<()> {
    /// let build = move |settings: Arc<Settings>| {
    ///     let name = Arc::clone(&name);
    ///     async move {
    ///         connect(&settings.url, &name).await.map_err(ValidationError::because("the pool cannot log in"))
    ///     }
    /// };
    /// let pool = live.derive(["url"], build).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A client with a key in its headers, with `reqwest`:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use keyvault::{Live, ValidationError};
    /// # use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
    /// # struct Settings { api_key: String }
    /// # async fn example(live: Live<Settings>) -> Result<(), Box<dyn std::error::Error>> {
    /// let client = live
    ///     .derive(["api_key"], async |settings: Arc<Settings>| {
    ///         let key = HeaderValue::from_str(&settings.api_key);
    ///         let mut key = key.map_err(ValidationError::because("the key is not a valid header value"))?;
    ///         key.set_sensitive(true);
    ///         let headers = HeaderMap::from_iter([(AUTHORIZATION, key)]);
    ///         let client = reqwest::Client::builder().default_headers(headers);
    ///         client.build().map_err(ValidationError::because("the HTTP client cannot be set up"))
    ///     })
    ///     .await?;
    /// client.current().get("https://api.example").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A server's certificate, with `rustls` and the feature `certificates`; each handshake has the current one:
    ///
    /// ```ignore
    /// let certificates = live
    ///     .derive(["tls"], async |it: Arc<Settings>| Ok(ServerCertificates::new([it.tls.clone()])?))
    ///     .await?;
    /// let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    /// ```
    pub fn derive<R, F, Fut>(&self, keys: impl IntoIterator<Item = impl Into<String>>, build: F) -> Derive<T, R>
    where
        R: Send + Sync + 'static,
        F: Fn(Arc<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ValidationError>> + Send + 'static,
    {
        let keys: Arc<[String]> = keys.into_iter().map(Into::into).collect();
        let Watcher { feed, published } = self.watch();
        let factory = Factory {
            published,
            keys: Arc::clone(&keys),
            build: Box::new(move |settings| build(settings).boxed()),
            probe: None,
            build_deadline: Duration::from_secs(30),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
            drains: Drains {
                keys: Arc::clone(&keys),
                drain: None,
                grace: Duration::from_secs(30),
                deadline: Duration::from_secs(30),
                most: 3,
                running: VecDeque::new(),
            },
            candidate: None,
        };
        let reporter = self.credential_reporter();
        let retry = RetryContext { keys, reporter, deadline: Duration::from_secs(15) };
        Derive { feed, retry, factory, start_deadline: Duration::ZERO, may_be_absent: false }
    }
}

impl<T, R> Derive<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    /// Sets the check that a new resource passes before it becomes current: "does a query run?". Default: no check.
    pub fn probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn(Arc<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ValidationError>> + Send + 'static,
    {
        self.factory.probe = Some(Box::new(move |new| probe(new).boxed()));
        self
    }

    /// Sets the longest time that one build may take, probe included. Default: 30 seconds. At least 1
    /// millisecond.
    pub fn build_deadline(mut self, deadline: Duration) -> Self {
        self.factory.build_deadline = deadline.max(LEAST);
        self
    }

    /// Sets the pause after the first failed build, and the longest pause after many. Each is twice the last, up to a
    /// quarter longer or shorter. Default: 1 second and 1 minute. At least 1 millisecond.
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.factory.backoff = Backoff { first: first.max(LEAST), longest: longest.max(LEAST) };
        self
    }

    /// Sets how long [`with_retry`](Derived::with_retry) retries an operation that a rotation interrupts. Default: 15
    /// seconds.
    pub fn retry_deadline(mut self, deadline: Duration) -> Self {
        self.retry.deadline = deadline;
        self
    }

    /// Sets how long the first build is retried after it failed. Default: zero, so that a service that cannot work
    /// fails at once.
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.start_deadline = deadline;
        self
    }

    /// Sets how a replaced resource ends, after the [grace](Derive::grace): `drain` closes connections or ends tasks.
    ///
    /// The last resource is drained when every handle is gone. One that fails its probe is drained at once. Default:
    /// the resource is dropped, and ends when the last reader drops it.
    pub fn drain<F, Fut>(mut self, drain: F) -> Self
    where
        F: Fn(Arc<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.factory.drains.drain = Some(Arc::new(move |old| drain(old).boxed()));
        self
    }

    /// Sets how long a replaced resource stays in use before it is drained: longer than any unit of work that holds it.
    /// Default: 30 seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.factory.drains.grace = grace;
        self
    }

    /// Sets the longest time that a drain may take before it is abandoned. Default: 30 seconds.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.factory.drains.deadline = deadline;
        self
    }

    /// Sets how many replaced resources may wait for the end of their drain. Default: 3. At least 1.
    ///
    /// When settings change faster than that, the grace of the oldest is cut short and the next build waits for its
    /// drain. So at most this many resources and one more exist, apart from those that readers hold.
    pub fn keep_old(mut self, most: usize) -> Self {
        self.factory.drains.most = most.max(1);
        self
    }

    /// Allows keys without a setting, for settings that are optional. A misspelt key then goes unnoticed.
    pub fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }

    async fn start(self) -> Result<Derived<R>> {
        Error::unless_on_runtime()?;
        let Self { feed, retry, factory, start_deadline, may_be_absent } = self;
        let published = factory.published.load_full();
        // Fixed settings have no origins, so their keys are not known.
        let may_be_absent = may_be_absent || published.origins().iter().next().is_none();
        if let Some(key) = unknown(&factory.keys, published.origins()).filter(|_| !may_be_absent) {
            let clause = format!("there is no setting at {key}, which a derived resource needs");
            return Err(Error::from_clause(ErrorKind::Invalid, "there is no setting at …", clause));
        }
        replacement_loop::start(factory, feed, retry, start_deadline).await
    }
}

impl<T, R> IntoFuture for Derive<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    type Output = Result<Derived<R>>;
    type IntoFuture = BoxFuture<'static, Result<Derived<R>>>;

    fn into_future(self) -> Self::IntoFuture {
        self.start().boxed()
    }
}

impl<T, R> fmt::Debug for Derive<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derive").field("keys", &self.factory.keys).finish_non_exhaustive()
    }
}

/// Without this time, a build could not succeed, and builds that fail would follow each other without a pause.
const LEAST: Duration = Duration::from_millis(1);
