//! The application's own check of new settings.

use std::future::Future;
use std::sync::Arc;
use std::{fmt, io, iter};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::{Error, ErrorKind};
use crate::settings::Origins;

/// The reason why the application refuses settings.
///
/// The reason is `'static`, so that it cannot contain a secret value: it appears in logs and reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidationError {
    reason: &'static str,
    key: Option<&'static str>,
    io: Option<io::ErrorKind>,
}

impl ValidationError {
    /// Creates an error with a reason: `"pool size is zero"`.
    pub fn new(reason: &'static str) -> Self {
        Self { reason, key: None, io: None }
    }

    /// Replaces any error by one with a reason: `.map_err(ValidationError::because("the pool cannot log in"))`.
    ///
    /// It drops the replaced error, whose text may quote a secret. If an [`io::Error`] is among the causes, its
    /// [kind](ValidationError::io_error_kind) is kept: a refused connection is not a refused login.
    pub fn because<E: std::error::Error + 'static>(reason: &'static str) -> impl FnOnce(E) -> Self {
        move |error| {
            let causes = iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let io = causes.take(MAX_CAUSES).find_map(|cause| cause.downcast_ref::<io::Error>());
            Self { io: io.map(io::Error::kind), ..Self::new(reason) }
        }
    }

    /// Sets the key of the setting at fault: `database.password`.
    #[must_use]
    pub fn of(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    /// Returns the reason.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns the key of the setting at fault; `None` if the error names none.
    pub fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// Returns the kind of the I/O error that [`because`](ValidationError::because) found; `None` if it found none.
    pub fn io_error_kind(&self) -> Option<io::ErrorKind> {
        self.io
    }

    /// Converts into an [`Error`] of a kind that begins with `clause` and names the origin of the setting at fault.
    pub(crate) fn into_error(self, kind: ErrorKind, heading: &'static str, clause: &str, origins: &Origins) -> Error {
        let error = Error::from_clause(kind, heading, format!("{clause}: {self}"));
        match self.key {
            Some(key) => error.at(key, origins.get(key).map_or("the merged layers".into(), ToString::to_string)),
            None => error,
        }
    }
}

impl From<&'static str> for ValidationError {
    fn from(reason: &'static str) -> Self {
        Self::new(reason)
    }
}

/// Keeps the fixed part of the error's text, such as `certificate has expired`.
impl From<Error> for ValidationError {
    fn from(error: Error) -> Self {
        Self::new(error.heading())
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        self.io.map_or(Ok(()), |kind| write!(f, " ({kind})"))
    }
}

impl std::error::Error for ValidationError {}

/// Longer than any chain of causes of a driver. Ends a chain that leads back to itself.
const MAX_CAUSES: usize = 32;

/// The check that settings pass before they are published.
///
/// Closures that take `&T` implement it. An [`AsyncHook`] may wait, to try a login for example.
pub trait Validate<T>: Send + Sync + 'static {
    /// Checks whether `settings` may be published.
    fn validate<'a>(&'a self, settings: &'a Arc<T>) -> BoxFuture<'a, Result<(), ValidationError>>;
}

/// The check that accepts all settings.
#[derive(Clone, Copy, Debug)]
pub struct Unvalidated;

impl<T> Validate<T> for Unvalidated {
    fn validate<'a>(&'a self, _: &'a Arc<T>) -> BoxFuture<'a, Result<(), ValidationError>> {
        std::future::ready(Ok(())).boxed()
    }
}

impl<T, F> Validate<T> for F
where
    F: Fn(&T) -> Result<(), ValidationError> + Send + Sync + 'static,
{
    fn validate<'a>(&'a self, settings: &'a Arc<T>) -> BoxFuture<'a, Result<(), ValidationError>> {
        std::future::ready(self(settings)).boxed()
    }
}

/// A check that may wait.
#[derive(Clone, Copy)]
pub struct AsyncHook<F>(pub(super) F);

impl<T, F, Fut> Validate<T> for AsyncHook<F>
where
    F: Fn(Arc<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), ValidationError>> + Send + 'static,
{
    fn validate<'a>(&'a self, settings: &'a Arc<T>) -> BoxFuture<'a, Result<(), ValidationError>> {
        self.0(Arc::clone(settings)).boxed()
    }
}

impl<F> fmt::Debug for AsyncHook<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncHook")
    }
}
