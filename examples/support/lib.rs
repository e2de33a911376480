//! What the examples need beside the thing they show: a client for the emulator, a PostgreSQL, a load that counts.

mod load;
mod postgres;
mod rotation;
mod vault;

pub use self::load::{Counts, Load};
pub use self::postgres::Postgres;
pub use self::rotation::{Rotation, Rotator};
pub use self::vault::client;

/// What an example ends with.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Makes a password that nobody has seen.
pub fn new_password() -> String {
    format!("{:032x}", fastrand::u128(..))
}
