//! Seeds: the initial content of vaults and stores, written by a person.
//!
//! Reading order: a [`seed`] has [secrets](secret_seed) and [key-values](key_value_seed); both read the
//! [fields](seed_fields) of objects, and [`seed_error`] names a mistake.

mod key_value_seed;
mod secret_seed;
mod seed;
mod seed_error;
mod seed_fields;

pub use seed::Seed;
pub use seed_error::SeedError;

pub(crate) use seed::{Loaded, OnExisting};
