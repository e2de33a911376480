//! Settings, the publisher that replaces them, and their watchers.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use self::engine::{Shared, Signal};
use crate::origin::Origins;

#[path = "../../../crates/keyvault/src/live/watcher.rs"]
mod watcher;

pub use self::watcher::{Notice, Watcher};

/// The part of the crate's published settings that watchers read.
#[derive(Debug)]
pub struct Published<T> {
    settings: T,
    changed: Arc<[String]>,
    generation: u64,
    at: SystemTime,
    origins: Arc<Origins>,
}

mod engine {
    use super::pulse::{Failure, Pulse};
    use super::*;
    use crate::error::{Error, ErrorKind};

    pub struct Shared<T> {
        pub published: ArcSwap<Published<T>>,
        pub signal: watch::Receiver<Signal>,
    }

    #[derive(Clone, Copy, Default)]
    pub struct Signal {
        pub failures: u64,
    }

    impl<T> Shared<T> {
        pub fn pulse(&self) -> Pulse {
            Pulse
        }

        pub fn last_failure(&self) -> Option<Failure> {
            let error = Error::new(ErrorKind::Unavailable, "down");
            Some(Failure { error, is_revocation: false })
        }
    }
}

mod health {
    #[derive(Clone, Debug)]
    pub struct SecretHealth;
}

mod pulse {
    use super::health::SecretHealth;
    use crate::error::Error;

    pub struct Failure {
        pub error: Error,
        pub is_revocation: bool,
    }

    /// A stand-in without notices about single secrets.
    pub struct Pulse;

    impl Pulse {
        pub fn told(&self) -> u64 {
            0
        }

        pub fn notice_after(&self, _: u64) -> Option<(u64, SecretHealth)> {
            None
        }
    }
}

/// Publishes like the refresh task at the end of a cycle.
pub struct Publisher {
    shared: Arc<Shared<u32>>,
    waker: watch::Sender<Signal>,
}

impl Publisher {
    pub fn new() -> Self {
        let (waker, signal) = watch::channel(Signal::default());
        let published = ArcSwap::from_pointee(settings(1, 0, None));
        Self { shared: Arc::new(Shared { published, signal }), waker }
    }

    pub fn watch(&self) -> Watcher<u32> {
        Watcher::new(Arc::clone(&self.shared))
    }

    /// Publishes, then wakes the watchers.
    pub fn publish(&self, generation: u64, value: u32) {
        self.store(generation, value);
        self.waker.send_modify(|_| {});
    }

    /// Wakes the watchers before it publishes: a defect that the model must find.
    pub fn wake_and_publish(&self, generation: u64, value: u32) {
        self.waker.send_modify(|_| {});
        self.store(generation, value);
    }

    fn store(&self, generation: u64, value: u32) {
        let before = self.shared.published.load_full();
        self.shared.published.store(Arc::new(settings(generation, value, Some(&before.origins))));
    }

    pub fn fail(&self) {
        self.waker.send_modify(|signal| signal.failures += 1);
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publisher")
    }
}

fn settings(generation: u64, value: u32, before: Option<&Origins>) -> Published<u32> {
    let origins = Arc::new(Origins(vec![("key", value)]));
    let changed = before.map(|before| before.changed(&origins)).unwrap_or_default().into();
    Published { settings: value, changed, generation, at: SystemTime::UNIX_EPOCH, origins }
}

impl<T> Published<T> {
    pub fn settings(&self) -> &T {
        &self.settings
    }
}
