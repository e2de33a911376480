//! Random identifiers, from the generator that TLS already brings along.

use std::fmt::Write;

use ring::rand::{SecureRandom, SystemRandom};

/// Returns an array of random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Fills a slice with random bytes.
pub(crate) fn fill(bytes: &mut [u8]) {
    SystemRandom::new().fill(bytes).expect("the system has random bytes");
}

/// Returns 32 lower-case hexadecimal digits, the form of a version identifier.
pub(crate) fn hex() -> String {
    bytes::<16>().iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns a UUID of version 4.
pub(crate) fn uuid() -> String {
    let hex = hex();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
