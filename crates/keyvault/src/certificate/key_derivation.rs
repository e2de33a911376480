//! The key derivation of PKCS#12, by [RFC 7292, appendix B](https://www.rfc-editor.org/rfc/rfc7292#appendix-B), and
//! PBKDF2, by [RFC 8018](https://www.rfc-editor.org/rfc/rfc8018#appendix-A.2).

use der::asn1::{AnyRef, IntRef, ObjectIdentifier};
use der::{Tag, Tagged};
use hmac::digest::Digest;
use hmac::digest::block_api::BlockSizeUser;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::der_reader::{children, octets, oid_of};
use super::der_writer::{Bytes, INTEGER, NULL, OCTET_STRING, SEQUENCE, element, oid};
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

/// The parameters of PBKDF2. Tools write salts of up to 128 bytes.
pub(super) struct Pbkdf2<'a> {
    derivation: Derivation<'a>,
    /// The length of the key, in bytes. Most encryption leaves it out, because the cipher has one.
    pub(super) length: Option<usize>,
    hash: ObjectIdentifier,
}

impl<'a> Pbkdf2<'a> {
    /// Reads an `AlgorithmIdentifier`.
    pub(super) fn parse(algorithm: AnyRef<'a>) -> Result<Self, Problem> {
        let algorithm = children(algorithm, Tag::Sequence)?;
        let [kind, parameters] = algorithm[..] else { return Err(Problem::UnsupportedContainer) };
        if oid_of(kind)? != PBKDF2 {
            return Err(Problem::UnsupportedContainer);
        }
        let parameters = children(parameters, Tag::Sequence)?;
        let [salt, count, ref optional @ ..] = parameters[..] else { return Err(Problem::DamagedContainer) };
        let (length, hash) = match *optional {
            [] => (None, None),
            [length] if length.tag() == Tag::Integer => (Some(length), None),
            [hash] => (None, Some(hash)),
            [length, hash] => (Some(length), Some(hash)),
            _ => return Err(Problem::DamagedContainer),
        };
        let length = length.map(positive).transpose()?.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let hash = match hash {
            Some(hash) => oid_of(*children(hash, Tag::Sequence)?.first().ok_or(Problem::DamagedContainer)?)?,
            None => HMAC_WITH_SHA1,
        };
        Ok(Self { derivation: Derivation::parse(&[salt, count])?, length, hash })
    }

    /// Derives a key of `length` bytes, within the budget.
    pub(super) fn key(&self, password: &Password<'_>, length: usize, budget: &Budget) -> Result<Bytes, Problem> {
        let (derive, output): (Derive, _) = match self.hash {
            HMAC_WITH_SHA1 => (pbkdf2_hmac::<Sha1>, 20),
            HMAC_WITH_SHA224 => (pbkdf2_hmac::<Sha224>, 28),
            HMAC_WITH_SHA256 => (pbkdf2_hmac::<Sha256>, 32),
            HMAC_WITH_SHA384 => (pbkdf2_hmac::<Sha384>, 48),
            HMAC_WITH_SHA512 => (pbkdf2_hmac::<Sha512>, 64),
            _ => return Err(Problem::UnsupportedContainer),
        };
        let Derivation { salt, iterations } = self.derivation;
        // Two hashes for each iteration and each block of the key.
        budget.take(iterations, 2 * length.div_ceil(output), password.utf8.len() + salt.len())?;
        let mut key = Zeroizing::new(vec![0; length]);
        derive(password.utf8.as_bytes(), salt, iterations, &mut key);
        Ok(key)
    }
}

/// Derives a key of 32 bytes from the empty password, by PBKDF2 and SHA-256. Returns it with its `AlgorithmIdentifier`.
pub(super) fn key_of_empty_password(salt: &[u8], iterations: u16) -> (Zeroizing<[u8; 32]>, Bytes) {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2_hmac::<Sha256>(&[], salt, iterations.into(), &mut *key);
    let hash = element(SEQUENCE, &[&oid(&HMAC_WITH_SHA256), &element(NULL, &[])]);
    let count = element(INTEGER, &[&iterations.to_be_bytes()]);
    let parameters = element(SEQUENCE, &[&element(OCTET_STRING, &[salt]), &count, &hash]);
    (key, element(SEQUENCE, &[&oid(&PBKDF2), &parameters]))
}

/// A function that fills the last argument from a password, a salt and a count.
type Derive = fn(&[u8], &[u8], u32, &mut [u8]);

const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
pub(super) const HMAC_WITH_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
pub(super) const HMAC_WITH_SHA224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.8");
pub(super) const HMAC_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
pub(super) const HMAC_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.10");
pub(super) const HMAC_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.11");

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

    #[test]
    fn a_long_salt_of_pbkdf2_is_work_for_each_derived_key() {
        let salt = vec![1; 1024 * 1024];
        let derivation = Derivation { salt: &salt, iterations: 1 };
        let (password, budget) = (Password::candidates("").remove(0), Budget::new());
        Pbkdf2 { derivation, length: None, hash: HMAC_WITH_SHA1 }.key(&password, 24, &budget).unwrap();
        // Two hashes for each of two blocks of the key, each from 1 MiB.
        assert_eq!(budget.take(8_000_000 - 65_000, 1, 0), Err(Problem::TooManyIterations));
        assert_eq!(budget.take(8_000_000 - 66_000, 1, 0), Ok(()));
    }
}
