//! The layer: what a store has, as settings.
//!
//! [`AppConfiguration`] is the layer, and [`AppConfigurationBuilder`] makes one. `reader` reads a store once, asking
//! only for what changed since the last read, which `known` keeps. `replicas` chooses the endpoint to read from, and
//! `discovery` finds endpoints that the program did not name.

mod app_configuration;
mod builder;
#[cfg(feature = "discovery")]
mod discovery;
mod known;
mod reader;
mod replicas;

pub use self::app_configuration::AppConfiguration;
pub use self::builder::AppConfigurationBuilder;
#[cfg(feature = "discovery")]
#[doc(hidden)]
pub use self::discovery::{LookupFailed, ServiceRecords};
