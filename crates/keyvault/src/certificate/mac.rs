//! The MAC of PKCS#12: HMAC with the format's own key derivation, or
//! [PBMAC1](https://www.rfc-editor.org/rfc/rfc9579), whose key derivation is PBKDF2.

use der::asn1::{AnyRef, ObjectIdentifier};
use hmac::digest::block_api::BlockSizeUser;
use hmac::digest::{Digest, Key, KeyInit as _};
use hmac::{Mac, SimpleHmac};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::der_reader::{children, octets, oid_of};
use super::key_derivation::{
    Derivation, HMAC_WITH_SHA1, HMAC_WITH_SHA224, HMAC_WITH_SHA256, HMAC_WITH_SHA384, HMAC_WITH_SHA512, Pbkdf2, Purpose,
};
use super::password::{Budget, Password};
use super::problem::Problem;

/// Returns whether `mac`, a `MacData`, is that of `contents` under the password.
pub(super) fn verify_mac(
    mac: AnyRef<'_>,
    contents: &[u8],
    password: &Password<'_>,
    budget: &Budget,
) -> Result<bool, Problem> {
    let fields = children(mac, der::Tag::Sequence)?;
    let [info, ref salt_and_count @ ..] = fields[..] else { return Err(Problem::DamagedContainer) };
    let info = children(info, der::Tag::Sequence)?;
    let [algorithm, code] = info[..] else { return Err(Problem::DamagedContainer) };
    let (algorithm, code) = (children(algorithm, der::Tag::Sequence)?, octets(code)?);
    let derivation = || Derivation::parse(salt_and_count);
    match oid_of(*algorithm.first().ok_or(Problem::DamagedContainer)?)? {
        SHA1 => verify::<Sha1>(derivation()?, contents, code, password, budget),
        SHA224 => verify::<Sha224>(derivation()?, contents, code, password, budget),
        SHA256 => verify::<Sha256>(derivation()?, contents, code, password, budget),
        SHA384 => verify::<Sha384>(derivation()?, contents, code, password, budget),
        SHA512 => verify::<Sha512>(derivation()?, contents, code, password, budget),
        // The salt and the count beside it mean nothing.
        PBMAC1 => match algorithm[..] {
            [_, parameters] => verify_pbmac1(parameters, contents, code, password, budget),
            _ => Err(Problem::DamagedContainer),
        },
        _ => Err(Problem::UnsupportedContainer),
    }
}

fn verify<D: Digest + BlockSizeUser + Clone>(
    derivation: Derivation<'_>,
    contents: &[u8],
    code: &[u8],
    password: &Password<'_>,
    budget: &Budget,
) -> Result<bool, Problem> {
    let key = derivation.key::<D>(password, Purpose::Mac, <D as Digest>::output_size(), budget)?;
    Ok(is_code::<D>(&key, contents, code))
}

fn verify_pbmac1(
    parameters: AnyRef<'_>,
    contents: &[u8],
    code: &[u8],
    password: &Password<'_>,
    budget: &Budget,
) -> Result<bool, Problem> {
    let algorithms = children(parameters, der::Tag::Sequence)?;
    let [derivation, scheme] = algorithms[..] else { return Err(Problem::DamagedContainer) };
    let derivation = Pbkdf2::parse(derivation)?;
    // RFC 9579 requires the length.
    let length = derivation.length.filter(|length| *length <= LONGEST_KEY).ok_or(Problem::UnsupportedContainer)?;
    let key = derivation.key(password, length, budget)?;
    let scheme = children(scheme, der::Tag::Sequence)?;
    let is_code = match oid_of(*scheme.first().ok_or(Problem::DamagedContainer)?)? {
        HMAC_WITH_SHA1 => is_code::<Sha1>,
        HMAC_WITH_SHA224 => is_code::<Sha224>,
        HMAC_WITH_SHA256 => is_code::<Sha256>,
        HMAC_WITH_SHA384 => is_code::<Sha384>,
        HMAC_WITH_SHA512 => is_code::<Sha512>,
        _ => return Err(Problem::UnsupportedContainer),
    };
    Ok(is_code(&key, contents, code))
}

/// The output of SHA-512, and the block of SHA-1 and SHA-256.
const LONGEST_KEY: usize = 64;

/// Compares in constant time.
fn is_code<D: Digest + BlockSizeUser + Clone>(key: &[u8], contents: &[u8], code: &[u8]) -> bool {
    hmac::<D>(key, contents).verify_slice(code).is_ok()
}

/// Starts a MAC with a key that is at most as long as a block, to which it is padded with zeros.
fn hmac<D: Digest + BlockSizeUser>(key: &[u8], contents: &[u8]) -> SimpleHmac<D> {
    let mut block = Key::<SimpleHmac<D>>::default();
    block[..key.len()].copy_from_slice(key);
    SimpleHmac::<D>::new(&block).chain_update(contents)
}

/// Returns the MAC of `contents` under an empty password, by SHA-256.
pub(super) fn mac(contents: &[u8], salt: &[u8], iterations: u16) -> [u8; 32] {
    let derivation = Derivation { salt, iterations: iterations.into() };
    let key = derivation.derive::<Sha256>(&[0, 0], Purpose::Mac, 32);
    hmac::<Sha256>(&key, contents).finalize().into_bytes().into()
}

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA224: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.4");
pub(super) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const PBMAC1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.14");
