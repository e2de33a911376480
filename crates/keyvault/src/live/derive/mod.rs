//! A resource that follows settings: a pool, a client, a TLS configuration.

mod back_off;
mod builder;
mod derived;
mod follower;
mod old;
mod recipe;

pub use self::builder::Derive;
pub use self::derived::{Derived, DerivedHealth, DerivedNotice, DerivedWatcher};
