//! The encryption and the MAC of PKCS#12.
//!
//! The key derivation is that of [RFC 7292, appendix B](https://www.rfc-editor.org/rfc/rfc7292#appendix-B). The old
//! ciphers, RC2 and triple DES, are read and never written.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier};
use des::TdesEde3;
use hmac::digest::block_api::BlockSizeUser;
use hmac::digest::{Digest, Key, KeyInit as _};
use hmac::{Mac, SimpleHmac};
use pkcs5::pbes2::{Kdf, PBES2_OID, Parameters};
use rc2::Rc2;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::der_reader::{children, octets, oid};
use super::der_writer::Bytes;
use super::password::{Budget, Password};
use super::problem::Problem;

/// Decrypts what `algorithm`, an `AlgorithmIdentifier`, encrypted.
pub(super) fn decrypt(
    algorithm: AnyRef<'_>,
    ciphertext: &[u8],
    password: &Password<'_>,
    budget: &Budget,
) -> Result<Bytes, Problem> {
    let fields = children(algorithm, der::Tag::Sequence)?;
    let [scheme, parameters] = fields[..] else { return Err(Problem::UnsupportedContainer) };
    let scheme = oid(scheme)?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length = if scheme == PBES2_OID {
        pbes2(parameters, &mut text, password, budget)?
    } else {
        let cipher = OldCipher::of(scheme).ok_or(Problem::UnsupportedContainer)?;
        let (salt, iterations) = salt_and_iterations(&children(parameters, der::Tag::Sequence)?)?;
        // A key of 24 bytes takes two hashes, and the initialization vector another one.
        budget.take(iterations, 3)?;
        let derived = |purpose, length| derived_key::<Sha1>(&password.utf16, (salt, iterations), purpose, length);
        cipher.decrypt(&derived(KEY, cipher.key_length()), &derived(IV, 8), &mut text)?
    };
    text.truncate(length);
    Ok(text)
}

/// Decrypts with a scheme of PKCS#5, which has AES and triple DES. Returns the length of the plaintext.
fn pbes2(parameters: AnyRef<'_>, text: &mut [u8], password: &Password<'_>, budget: &Budget) -> Result<usize, Problem> {
    let parameters = Parameters::try_from(parameters).map_err(|_| Problem::UnsupportedContainer)?;
    let Kdf::Pbkdf2(derivation) = &parameters.kdf else { return Err(Problem::UnsupportedContainer) };
    if derivation.iteration_count == 0 {
        return Err(Problem::DamagedContainer);
    }
    // Two hashes for each iteration, of which a key takes at most two.
    budget.take(derivation.iteration_count, 2 * parameters.encryption.key_size().div_ceil(20))?;
    match parameters.decrypt_in_place(password.utf8, text) {
        Ok(plain) => Ok(plain.len()),
        Err(pkcs5::Error::DecryptFailed) => Err(Problem::WrongPassword),
        Err(_) => Err(Problem::UnsupportedContainer),
    }
}

/// The ciphers of [RFC 7292, appendix C](https://www.rfc-editor.org/rfc/rfc7292#appendix-C) that tools used.
#[derive(Clone, Copy)]
enum OldCipher {
    TripleDes,
    TripleDesOfTwoKeys,
    Rc2(usize),
}

impl OldCipher {
    fn of(scheme: ObjectIdentifier) -> Option<Self> {
        Some(match scheme {
            TRIPLE_DES => Self::TripleDes,
            TRIPLE_DES_OF_TWO_KEYS => Self::TripleDesOfTwoKeys,
            RC2_128 => Self::Rc2(128),
            RC2_40 => Self::Rc2(40),
            _ => return None,
        })
    }

    fn key_length(self) -> usize {
        match self {
            Self::TripleDes => 24,
            Self::TripleDesOfTwoKeys => 16,
            Self::Rc2(bits) => bits / 8,
        }
    }

    /// Decrypts in place and returns the length of the plaintext.
    fn decrypt(self, key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<usize, Problem> {
        let unusable = |_| Problem::DamagedContainer;
        let triple_des = |key: &[u8]| Decryptor::<TdesEde3>::new_from_slices(key, iv).map_err(unusable);
        let plain = match self {
            Self::TripleDes => triple_des(key)?.decrypt_padded::<Pkcs7>(text),
            Self::TripleDesOfTwoKeys => {
                let key = Zeroizing::new([key, &key[..8]].concat());
                triple_des(&key)?.decrypt_padded::<Pkcs7>(text)
            }
            Self::Rc2(bits) => {
                let cipher = Rc2::new_with_eff_key_len(key, bits);
                let decryptor = Decryptor::inner_iv_slice_init(cipher, iv).map_err(unusable)?;
                decryptor.decrypt_padded::<Pkcs7>(text)
            }
        };
        plain.map(<[u8]>::len).map_err(|_| Problem::WrongPassword)
    }
}

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
    let algorithm = children(algorithm, der::Tag::Sequence)?;
    let algorithm = oid(*algorithm.first().ok_or(Problem::DamagedContainer)?)?;
    let (salt, code) = (salt_and_iterations(salt_and_count)?, octets(code)?);
    let verify = match algorithm {
        SHA1 => verify::<Sha1>,
        SHA224 => verify::<Sha224>,
        SHA256 => verify::<Sha256>,
        SHA384 => verify::<Sha384>,
        SHA512 => verify::<Sha512>,
        _ => return Err(Problem::UnsupportedContainer),
    };
    verify(&password.utf16, salt, contents, code, budget)
}

fn verify<D: Digest + BlockSizeUser + Clone>(
    password: &[u8],
    salt: (&[u8], u32),
    contents: &[u8],
    code: &[u8],
    budget: &Budget,
) -> Result<bool, Problem> {
    let length = <D as Digest>::output_size();
    budget.take(salt.1, 1)?;
    let key = derived_key::<D>(password, salt, MAC, length);
    Ok(hmac::<D>(&key, contents).verify_slice(code).is_ok())
}

/// Starts a MAC with a key that is at most as long as a block, to which it is padded with zeros.
fn hmac<D: Digest + BlockSizeUser>(key: &[u8], contents: &[u8]) -> SimpleHmac<D> {
    let mut block = Key::<SimpleHmac<D>>::default();
    block[..key.len()].copy_from_slice(key);
    SimpleHmac::<D>::new(&block).chain_update(contents)
}

/// Returns the MAC of `contents` under an empty password, by SHA-256.
pub(super) fn mac(contents: &[u8], salt: &[u8], iterations: u16) -> [u8; 32] {
    let key = derived_key::<Sha256>(&[0, 0], (salt, iterations.into()), MAC, 32);
    hmac::<Sha256>(&key, contents).finalize().into_bytes().into()
}

/// Derives a key of `length` bytes, by RFC 7292, appendix B.2.
fn derived_key<D: Digest + BlockSizeUser>(
    password: &[u8],
    (salt, iterations): (&[u8], u32),
    purpose: u8,
    length: usize,
) -> Bytes {
    let (block, output) = (<D as BlockSizeUser>::block_size(), <D as Digest>::output_size());
    let repeated = |bytes: &[u8]| bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(block)).collect();
    let salt: Vec<u8> = repeated(salt);
    let password: Bytes = Zeroizing::new(repeated(password));
    let mut input = Zeroizing::new([salt.as_slice(), &password].concat());
    let mut key = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(output)));
    while key.len() < length {
        let mut hash = D::new().chain_update(vec![purpose; block]).chain_update(&*input).finalize();
        for _ in 1..iterations {
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

/// Reads the parameters of a key derivation: a salt, and a count whose default is 1.
fn salt_and_iterations<'a>(fields: &[AnyRef<'a>]) -> Result<(&'a [u8], u32), Problem> {
    let (salt, count) = match fields {
        [salt] => (salt, 1),
        [salt, count] => (salt, iterations(*count)?),
        _ => return Err(Problem::DamagedContainer),
    };
    let salt = octets(*salt)?;
    if salt.len() > MOST_SALT || count == 0 {
        return Err(Problem::DamagedContainer);
    }
    Ok((salt, count))
}

fn iterations(count: AnyRef<'_>) -> Result<u32, Problem> {
    let count: der::asn1::IntRef<'_> = count.decode_as().map_err(|_| Problem::DamagedContainer)?;
    match count.as_bytes() {
        [first, ..] if *first >= 0x80 => Err(Problem::DamagedContainer),
        bytes if bytes.len() > 5 => Err(Problem::TooManyIterations),
        bytes => {
            let count = bytes.iter().fold(0u64, |count, byte| count << 8 | u64::from(*byte));
            u32::try_from(count).map_err(|_| Problem::TooManyIterations)
        }
    }
}

/// Longer than the salt of any tool. The derivation hashes it again for each block of a key.
const MOST_SALT: usize = 1_024;

/// The purposes of derived keys.
const KEY: u8 = 1;
const IV: u8 = 2;
const MAC: u8 = 3;

const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const TRIPLE_DES_OF_TWO_KEYS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const RC2_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA224: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.4");
pub(super) const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
