//! The key derivation of PKCS#12, by [RFC 7292, appendix B](https://www.rfc-editor.org/rfc/rfc7292#appendix-B), and the
//! cost of PBKDF2.

use der::asn1::{AnyRef, IntRef};
use hmac::digest::Digest;
use hmac::digest::block_api::BlockSizeUser;
use pkcs5::pbes2::{Pbkdf2Params, Pbkdf2Prf};
use zeroize::Zeroizing;

use super::der_reader::octets;
use super::der_writer::Bytes;
use super::password::{Budget, Password};
use super::problem::Problem;

/// The parameters of a derivation.
#[derive(Clone, Copy)]
pub(super) struct Derivation<'a> {
    pub(super) salt: &'a [u8],
    pub(super) iterations: u32,
}

/// The purpose of a derived key.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    InitializationVector = 2,
    Mac = 3,
}

impl<'a> Derivation<'a> {
    /// Reads a salt, and a count whose default is 1.
    pub(super) fn parse(fields: &[AnyRef<'a>]) -> Result<Self, Problem> {
        let (salt, iterations) = match fields {
            [salt] => (salt, 1),
            [salt, count] => (salt, positive(*count)?),
            _ => return Err(Problem::DamagedContainer),
        };
        Ok(Self { salt: octets(*salt)?, iterations })
    }

    /// Derives a key of `length` bytes, within the budget.
    pub(super) fn key<D: Digest + BlockSizeUser>(
        &self,
        password: &Password<'_>,
        purpose: Purpose,
        length: usize,
        budget: &Budget,
    ) -> Result<Bytes, Problem> {
        let input = self.salt.len() + password.utf16.len();
        budget.take(self.iterations, length.div_ceil(<D as Digest>::output_size()), input)?;
        Ok(self.derive::<D>(&password.utf16, purpose, length))
    }

    /// Derives a key of `length` bytes, by RFC 7292, appendix B.2.
    pub(super) fn derive<D: Digest + BlockSizeUser>(&self, password: &[u8], purpose: Purpose, length: usize) -> Bytes {
        let (block, output) = (<D as BlockSizeUser>::block_size(), <D as Digest>::output_size());
        let repeated = |bytes: &[u8]| bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(block)).collect();
        let salt: Vec<u8> = repeated(self.salt);
        let password: Bytes = Zeroizing::new(repeated(password));
        let mut input = Zeroizing::new([salt.as_slice(), &password].concat());
        let mut key = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(output)));
        while key.len() < length {
            let mut hash = D::new().chain_update(vec![purpose as u8; block]).chain_update(&*input).finalize();
            for _ in 1..self.iterations {
                hash = D::digest(&hash);
            }
            key.extend_from_slice(&hash);
            for chunk in input.chunks_mut(block) {
                // Adds the hash, repeated, and one, as numbers of the block's length.
                let mut carry = 1;
                for (byte, addend) in chunk.iter_mut().zip((0..block).map(|at| hash[at % output])).rev() {
                    carry += u16::from(*byte) + u16::from(addend);
                    *byte = carry.to_be_bytes()[1];
                    carry >>= 8;
                }
            }
        }
        key.truncate(length);
        key
    }
}

/// Takes the work of PBKDF2 for a key of `length` bytes: two hashes for each iteration and each block of the key.
pub(super) fn take_pbkdf2(
    derivation: &Pbkdf2Params,
    length: usize,
    password: &Password<'_>,
    budget: &Budget,
) -> Result<(), Problem> {
    if derivation.iteration_count == 0 {
        return Err(Problem::DamagedContainer);
    }
    let output = match derivation.prf {
        Pbkdf2Prf::HmacWithSha224 => 28,
        Pbkdf2Prf::HmacWithSha256 => 32,
        Pbkdf2Prf::HmacWithSha384 => 48,
        Pbkdf2Prf::HmacWithSha512 => 64,
        // SHA-1.
        _ => 20,
    };
    budget.take(derivation.iteration_count, 2 * length.div_ceil(output), password.utf8.len())
}

/// Reads a count of at least 1.
fn positive(count: AnyRef<'_>) -> Result<u32, Problem> {
    let count: IntRef<'_> = count.decode_as().map_err(|_| Problem::DamagedContainer)?;
    match count.as_bytes() {
        [0] => Err(Problem::DamagedContainer),
        [first, ..] if *first >= 0x80 => Err(Problem::DamagedContainer),
        bytes if bytes.len() > 5 => Err(Problem::TooManyIterations),
        bytes => {
            let count = bytes.iter().fold(0u64, |count, byte| count << 8 | u64::from(*byte));
            u32::try_from(count).map_err(|_| Problem::TooManyIterations)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_password_is_work_for_each_derived_key() {
        let long = "x".repeat(1024 * 1024);
        let password = Password::candidates(&long).remove(0);
        let (derivation, budget) = (Derivation { salt: &[1; 8], iterations: 1 }, Budget::new());
        derivation.key::<sha1::Sha1>(&password, Purpose::Key, 24, &budget).unwrap();
        // Two blocks of the key, each from 2 MiB.
        assert_eq!(budget.take(8_000_000 - 65_000, 1, 0), Err(Problem::TooManyIterations));
        assert_eq!(budget.take(8_000_000 - 66_000, 1, 0), Ok(()));
    }
}
