//! What the examples need beside the thing they show: a client for the emulator, a PostgreSQL, a load that
//! counts, and what two of them have in common.

mod database;
mod load;
mod postgres;
mod rotation;
mod story;
mod vault;

pub use self::database::{Database, DatabaseSettings, Pool, Refusal, Settings};
pub use self::load::{Counts, Load};
pub use self::postgres::Postgres;
pub use self::rotation::{Rotation, Rotator};
pub use self::story::rotate_under_load;
pub use self::vault::{client, credential};

/// What an example ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Makes a password that nobody has seen. All begin alike, so that one that is shown can be found.
pub fn new_password() -> String {
    format!("example-password-{:032x}", fastrand::u128(..))
}
