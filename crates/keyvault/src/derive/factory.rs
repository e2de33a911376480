//! How a resource is built, probed and drained, with its type erased.
//!
//! The task that replaces resources is compiled once, in this crate. It reaches the types of the settings and of the
//! resource through the two object-safe traits of this file.

use std::future::{Future, ready};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::live::{Publication, Published, ValidationError};
use crate::settings::Origins;
use crate::time::instant_after;

/// Builds resources from the newest settings.
pub(super) trait ResourceFactory: Send + Sync {
    /// Begins to build a resource. The application's code runs when the future is polled.
    fn build(&self) -> Building;
}

/// A build, and the publication of the settings that it uses.
pub(super) struct Building {
    pub(super) publication: Arc<Publication>,
    pub(super) resource: BoxFuture<'static, Result<Arc<dyn Resource>, ValidationError>>,
}

/// A resource that was built.
pub(super) trait Resource: Send + Sync {
    /// Asks the application whether the resource works.
    fn probe(&self) -> BoxFuture<'static, Result<(), ValidationError>>;

    /// Makes the resource current. `origins` are those of the settings that it was built from.
    fn publish(&self, origins: Arc<Origins>);

    /// Returns whether the resource is drained at its end, and not just dropped.
    fn has_drain(&self) -> bool;

    /// Drains the resource. The caller gives up its own reference.
    fn drain(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// Builds and probes a resource until the deadline.
///
/// `candidate` holds a resource that was built and not accepted yet, so that it is not lost when the future is dropped.
pub(super) async fn build_and_probe(
    building: Building,
    deadline: Duration,
    candidate: &mut Option<Arc<dyn Resource>>,
) -> Result<Arc<dyn Resource>> {
    let deadline = instant_after(Instant::now(), deadline);
    let origins = &building.publication.origins;
    let built = contained(deadline, origins, building.resource).await?;
    let built = Arc::clone(candidate.insert(built));
    contained(deadline, origins, async { built.probe().await }).await?;
    *candidate = None;
    Ok(built)
}

/// Runs the application's code, which may refuse, panic or hang.
async fn contained<U: Send>(
    deadline: Instant,
    origins: &Origins,
    code: impl Future<Output = Result<U, ValidationError>> + Send,
) -> Result<U> {
    match timeout_at(deadline, AssertUnwindSafe(code).catch_unwind()).await {
        Ok(Ok(Ok(good))) => Ok(good),
        Ok(Ok(Err(error))) => Err(error.into_error("derived resource could not be built", origins)),
        Ok(Err(_panic)) => Err(Error::new(
            ErrorKind::InvalidSettings,
            "application's code panicked while a derived resource was built",
        )),
        Err(_elapsed) => Err(Error::new(ErrorKind::Unavailable, "derived resource was not built in time")),
    }
}

/// The factory for resources of type `R` from settings of type `T`.
pub(super) struct TypedFactory<T, R> {
    pub(super) published: Arc<ArcSwap<Published<T>>>,
    pub(super) build: Build<T, R>,
    pub(super) hooks: Arc<Hooks<R>>,
    pub(super) slot: Arc<ResourceSlot<R>>,
}

pub(super) type Build<T, R> = Arc<dyn Fn(Arc<T>) -> BoxFuture<'static, Result<R, ValidationError>> + Send + Sync>;
pub(super) type Probe<R> = Box<dyn Fn(Arc<R>) -> BoxFuture<'static, Result<(), ValidationError>> + Send + Sync>;
pub(super) type Drain<R> = Box<dyn Fn(Arc<R>) -> BoxFuture<'static, ()> + Send + Sync>;

/// The application's hooks for each resource.
pub(super) struct Hooks<R> {
    pub(super) probe: Option<Probe<R>>,
    pub(super) drain: Option<Drain<R>>,
}

/// Where the current resource is, from the first one on.
pub(super) type ResourceSlot<R> = OnceLock<Arc<ArcSwap<CurrentResource<R>>>>;

/// A resource, and the origins of the settings that it was built from.
pub(super) struct CurrentResource<R> {
    pub(super) resource: Arc<R>,
    pub(super) origins: Arc<Origins>,
}

impl<T, R> ResourceFactory for TypedFactory<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    fn build(&self) -> Building {
        let published = self.published.load_full();
        let (build, hooks, slot) = (Arc::clone(&self.build), Arc::clone(&self.hooks), Arc::downgrade(&self.slot));
        let settings = Arc::clone(&published.settings);
        let resource = async move {
            let resource = Arc::new(build(settings).await?);
            Ok(Arc::new(TypedResource { resource, hooks, slot }) as Arc<dyn Resource>)
        };
        Building { publication: Arc::clone(&published.publication), resource: resource.boxed() }
    }
}

struct TypedResource<R> {
    resource: Arc<R>,
    hooks: Arc<Hooks<R>>,
    /// Weak, so that a resource that is drained does not keep the current one.
    slot: Weak<ResourceSlot<R>>,
}

impl<R: Send + Sync + 'static> Resource for TypedResource<R> {
    fn probe(&self) -> BoxFuture<'static, Result<(), ValidationError>> {
        match &self.hooks.probe {
            Some(probe) => probe(Arc::clone(&self.resource)),
            None => ready(Ok(())).boxed(),
        }
    }

    fn publish(&self, origins: Arc<Origins>) {
        let Some(slot) = self.slot.upgrade() else { return };
        let new = Arc::new(CurrentResource { resource: Arc::clone(&self.resource), origins });
        match slot.get() {
            Some(current) => current.store(new),
            // Only the start publishes a first resource, so the slot is still empty.
            None => _ = slot.set(Arc::new(ArcSwap::new(new))),
        }
    }

    fn has_drain(&self) -> bool {
        self.hooks.drain.is_some()
    }

    fn drain(self: Arc<Self>) -> BoxFuture<'static, ()> {
        let (resource, hooks) = (Arc::clone(&self.resource), Arc::clone(&self.hooks));
        // The application's code holds the last reference of ours.
        drop(self);
        match &hooks.drain {
            Some(drain) => drain(resource),
            None => ready(()).boxed(),
        }
    }
}
