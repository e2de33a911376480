//! A service whose PostgreSQL password rotates under load, for any connection pool. Read it in this order:
//!
//! * [`Database`] is the code that a service copies: a pool that follows the settings and retries refused logins.
//! * [`Postgres`] and [`Rotator`] are the environment: a database and the job that rotates its passwords.
//! * [`rotate_under_load`] runs both and fails unless every query succeeds.

mod database;
mod rotate_under_load;
mod rotation;

pub(crate) use keyvault_test_support::postgres::Postgres;

pub(crate) use self::database::{Database, DatabaseSettings, Pool};
pub(crate) use self::rotate_under_load::rotate_under_load;
pub(crate) use self::rotation::{Rotation, Rotator};
