//! The derivation of keys from passwords in PKCS#12.
//!
//! See [RFC 7292, appendix B](https://www.rfc-editor.org/rfc/rfc7292#appendix-B).

use ring::digest::{self, Algorithm};

/// The use of a derived key.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Encryption = 1,
    InitialVector = 2,
    Mac = 3,
}

/// Derives `length` bytes from a password in UTF-16 with its terminator.
pub(super) fn derive(
    algorithm: &'static Algorithm,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Vec<u8> {
    let block = algorithm.block_len();
    let repeated =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(block)).collect() };
    let mut input = [repeated(salt), repeated(password)].concat();
    let mut key = Vec::with_capacity(length);
    while key.len() < length {
        let mut hash = digest::digest(algorithm, &[vec![purpose as u8; block], input.clone()].concat());
        for _ in 1..iterations {
            hash = digest::digest(algorithm, hash.as_ref());
        }
        key.extend_from_slice(hash.as_ref());
        for chunk in input.chunks_mut(block) {
            add(chunk, hash.as_ref());
        }
    }
    key.truncate(length);
    key
}

/// Adds the hash, repeated, and one to a number of a block's length.
fn add(chunk: &mut [u8], hash: &[u8]) {
    let mut carry = 1;
    for (at, byte) in chunk.iter_mut().enumerate().rev() {
        carry += u16::from(*byte) + u16::from(hash[at % hash.len()]);
        *byte = carry.to_be_bytes()[1];
        carry >>= 8;
    }
}
