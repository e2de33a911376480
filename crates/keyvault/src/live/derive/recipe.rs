//! How a resource is made, and from which settings.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::super::Published;
use super::super::validate::ValidationError;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::Origins;

/// What the application does to make a resource and to look whether it is good.
pub(super) struct Recipe<T, R> {
    pub(super) keys: Keys,
    pub(super) build: Build<T, R>,
    pub(super) probe: Option<Probe<R>>,
    pub(super) deadline: Duration,
}

pub(super) type Build<T, R> = Box<dyn Fn(Arc<T>) -> BoxFuture<'static, Result<R, ValidationError>> + Send + Sync>;
pub(super) type Probe<R> = Box<dyn Fn(Arc<R>) -> BoxFuture<'static, Result<(), ValidationError>> + Send + Sync>;

/// The settings that a resource is made from, with everything below them.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Vec<String>);

impl<T, R> Recipe<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    /// Builds and probes within the deadline. What was built stands in `candidate` until it proved good, so that it is not
    /// lost when the future is dropped.
    pub(super) async fn make(&self, published: &Published<T>, candidate: &mut Option<Arc<R>>) -> Result<Arc<R>> {
        let deadline = Instant::now() + self.deadline;
        let (settings, origins) = (Arc::clone(&published.settings), &published.origins);
        // The call is the application's code as well as what comes of it, and is caught with it.
        let built = contained(deadline, origins, async { (self.build)(settings).await }).await?;
        let built = Arc::clone(candidate.insert(Arc::new(built)));
        if let Some(probe) = &self.probe {
            contained(deadline, origins, async { probe(Arc::clone(&built)).await }).await?;
        }
        *candidate = None;
        Ok(built)
    }
}

/// Runs the application's code, which may refuse, panic or hang.
async fn contained<U: Send>(
    deadline: Instant,
    origins: &Origins,
    code: impl Future<Output = Result<U, ValidationError>> + Send,
) -> Result<U> {
    match timeout_at(deadline, AssertUnwindSafe(code).catch_unwind()).await {
        Ok(Ok(Ok(good))) => Ok(good),
        Ok(Ok(Err(rejection))) => Err(refused(rejection, origins)),
        Ok(Err(_panic)) => Err(Error::new(
            ErrorKind::InvalidSettings,
            "application's code panicked while a derived resource was built",
        )),
        Err(_elapsed) => Err(Error::new(ErrorKind::Unavailable, "derived resource was not built in time")),
    }
}

fn refused(rejection: ValidationError, origins: &Origins) -> Error {
    let clause = format!("derived resource could not be built: {}", rejection.reason());
    let error = Error::from_clause(ErrorKind::InvalidSettings, clause);
    match rejection.key() {
        Some(key) => error.at(key, origins.get(key).map_or("the merged layers".into(), ToString::to_string)),
        None => error,
    }
}

impl Keys {
    /// Tells which of them changed between two settings.
    pub(super) fn changed(&self, old: &Origins, new: &Origins) -> Vec<String> {
        let mut changed = old.changed(new);
        changed.retain(|key| self.0.iter().any(|above| is_at_or_below(key, above)));
        changed
    }

    /// Finds one at which there is no setting.
    pub(super) fn unknown(&self, origins: &Origins) -> Option<&str> {
        let is_known = |above: &str| origins.iter().any(|(key, _)| is_at_or_below(&key.to_string(), above));
        self.0.iter().map(String::as_str).find(|above| !is_known(above))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything is below the empty key.
fn is_at_or_below(key: &str, above: &str) -> bool {
    above.is_empty() || key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_everything_below_it() {
        for (key, above, expected) in [
            ("database.password", "database", true),
            ("database.password", "database.password", true),
            ("database.password", "", true),
            ("servers[0].url", "servers", true),
            ("servers[0].url", "servers[0]", true),
            ("servers[10].url", "servers[1]", false),
            ("database_2.password", "database", false),
            ("database", "database.password", false),
            ("other", "database", false),
        ] {
            assert_eq!(is_at_or_below(key, above), expected, "{key} below {above}");
        }
    }
}
