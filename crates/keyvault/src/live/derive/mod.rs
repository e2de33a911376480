//! A resource that follows settings: a pool, a client, a TLS configuration.

mod back_off;
mod builder;
mod derived;
mod follower;
mod health;
mod old;
mod recipe;
mod watcher;

pub use self::builder::Derive;
pub use self::derived::Derived;
pub use self::health::DerivedHealth;
pub use self::watcher::{DerivedNotice, DerivedWatcher};
