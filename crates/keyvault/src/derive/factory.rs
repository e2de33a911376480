//! How a resource is built and probed: the application's code, contained.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::TryFutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;
use tracing::{Instrument, field};

use super::drain::Drains;
use super::keys::named;
use crate::error::{Error, ErrorKind, Result};
use crate::live::{Publication, Published, PublishedCell, ValidationError, contained};
use crate::metrics;
use crate::settings::Origins;
use crate::time::{Backoff, instant_after};

/// Builds resources of type `R` from settings of type `T`, one at a time.
pub(super) struct Factory<T, R> {
    pub(super) published: PublishedCell<T>,
    pub(super) keys: Arc<[String]>,
    pub(super) build: Build<T, R>,
    pub(super) probe: Option<Probe<R>>,
    pub(super) build_deadline: Duration,
    pub(super) backoff: Backoff,
    pub(super) drains: Drains<R>,
    /// Built and not accepted yet: it is not lost when the future of the build is dropped.
    pub(super) candidate: Option<Arc<R>>,
}

pub(super) type Build<T, R> = Box<dyn Fn(Arc<T>) -> BoxFuture<'static, Result<R, ValidationError>> + Send + Sync>;
pub(super) type Probe<R> = Box<dyn Fn(Arc<R>) -> BoxFuture<'static, Result<(), ValidationError>> + Send + Sync>;

/// A resource that was built, and the publication of its settings.
pub(super) type Built<R> = (Arc<Publication>, Result<Arc<R>>);

impl<T, R> Factory<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    /// Builds a resource from the newest settings. One that fails its probe is drained.
    pub(super) async fn build(&mut self) -> Built<R> {
        self.drains.make_room().await;
        let published = self.published.load_full();
        let span = tracing::info_span!(
            "keyvault.derive",
            keys = ?self.keys,
            generation = published.publication.generation,
            outcome = field::Empty,
            otel.status_code = field::Empty,
        );
        let built = self.build_and_probe(&published).instrument(span.clone()).await;
        match &built {
            Ok(_) => span.record("outcome", "built"),
            Err(_) => span.record("outcome", "failed").record("otel.status_code", "ERROR"),
        };
        self.discard_candidate();
        metrics::built(&self.keys, built.is_ok());
        (Arc::clone(&published.publication), built)
    }

    async fn build_and_probe(&mut self, published: &Published<T>) -> Result<Arc<R>> {
        let (origins, deadline) = (published.origins(), instant_after(Instant::now(), self.build_deadline));
        let settings = Arc::clone(published.settings());
        let built = run(deadline, &self.keys, origins, async { (self.build)(settings).await }).await?;
        let built = Arc::clone(self.candidate.insert(Arc::new(built)));
        if let Some(probe) = &self.probe {
            run(deadline, &self.keys, origins, async { probe(Arc::clone(&built)).await }).await?;
        }
        self.candidate = None;
        Ok(built)
    }

    /// Drains a resource whose build did not come to an end.
    pub(super) fn discard_candidate(&mut self) {
        if let Some(unaccepted) = self.candidate.take() {
            self.drains.discard(unaccepted);
        }
    }
}

/// Runs the application's code, which may refuse, panic or hang. Its errors name `keys`.
async fn run<U>(
    deadline: Instant,
    keys: &[String],
    origins: &Origins,
    code: impl Future<Output = Result<U, ValidationError>>,
) -> Result<U> {
    let resource = format!("resource derived from {}", named(keys));
    let panicked = || {
        let clause = format!("application's code panicked while the {resource} was built");
        Error::from_clause(ErrorKind::InvalidSettings, PANICKED, clause)
    };
    let late = || Error::from_clause(ErrorKind::Unavailable, LATE, format!("{resource} was not built in time"));
    let code = code.map_err(|error| {
        // A server that cannot be reached did not refuse the settings.
        let kind = error.io_error_kind().map_or(ErrorKind::InvalidSettings, |_| ErrorKind::Unavailable);
        error.into_error(kind, REFUSED, &format!("{resource} could not be built"), origins)
    });
    contained(deadline, panicked, late, code).await
}

// The headings of the errors in the troubleshooting guide.
const PANICKED: &str = "application's code panicked while a derived resource was built";
const LATE: &str = "derived resource was not built in time";
const REFUSED: &str = "derived resource could not be built";
