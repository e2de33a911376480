//! Code that the examples share: a client for the emulator, and a constant load.

mod client;
mod load;

pub use self::client::{client, credential};
pub use self::load::{Counts, Load};

/// The result of an example.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The first characters of each password from [`new_password`], so that the leak check finds any of them.
pub const PASSWORD_PREFIX: &str = "example-password";

/// Returns a random password.
pub fn new_password() -> String {
    format!("{PASSWORD_PREFIX}-{:032x}", fastrand::u128(..))
}

/// Prints the heading of one part of an example.
pub fn print_heading(text: &str) {
    println!("\n── {text} ──\n");
}

/// Fails with `message` unless `condition` holds.
///
/// # Errors
///
/// `message`, if the condition does not hold.
pub fn ensure(condition: bool, message: &str) -> Result {
    if condition { Ok(()) } else { Err(message.into()) }
}
