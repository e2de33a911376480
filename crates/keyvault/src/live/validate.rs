//! What the application itself says about new settings.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

/// Why the application refuses settings.
///
/// The reason is `'static`, so that no value can get into it: it is logged and shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidationError {
    reason: &'static str,
    key: Option<&'static str>,
}

impl ValidationError {
    /// Refuses with a reason: `"pool size is zero"`.
    pub fn new(reason: &'static str) -> Self {
        Self { reason, key: None }
    }

    /// Refuses with a reason in the place of an error, which is forgotten: `.map_err(ValidationError::because("login failed"))`.
    pub fn because<E>(reason: &'static str) -> impl FnOnce(E) -> Self {
        move |_| Self::new(reason)
    }

    /// Names the setting that is to blame: `database.password`.
    #[must_use]
    pub fn of(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    /// Tells the reason.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Tells the setting that is to blame, if one was named.
    pub fn key(&self) -> Option<&'static str> {
        self.key
    }
}

impl From<&'static str> for ValidationError {
    fn from(reason: &'static str) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for ValidationError {}

/// What is asked before settings are published.
///
/// Implemented by closures that take `&T`; an [`AsyncHook`] may wait: "can I log in with it?".
pub trait Validate<T>: Send + Sync + 'static {
    /// Says whether `settings` may be published.
    fn validate<'a>(&'a self, settings: &'a Arc<T>) -> BoxFuture<'a, Result<(), ValidationError>>;
}

/// No question asked.
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

/// A hook that may wait.
#[derive(Clone, Copy)]
pub struct AsyncHook<F>(pub(crate) F);

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
