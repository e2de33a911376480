//! The encryption of PKCS#12 and of keys in PKCS#8.
//!
//! The old ciphers, RC2 and triple DES, are read and never written.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier};
use des::TdesEde3;
use pkcs5::pbes2::{Kdf, PBES2_OID, Parameters};
use rc2::Rc2;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::der_reader::{children, normalized, oid};
use super::der_writer::{Bytes, SEQUENCE};
use super::key_derivation::{Derivation, Purpose, take_pbkdf2};
use super::password::{Budget, Password};
use super::problem::Problem;

/// Decrypts the sequence that `algorithm`, an `AlgorithmIdentifier`, encrypted. Returns it in DER.
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
        let derivation = Derivation::parse(&children(parameters, der::Tag::Sequence)?)?;
        let derived = |purpose, length| derivation.key::<Sha1>(password, purpose, length, budget);
        let key = derived(Purpose::Key, cipher.key_length())?;
        cipher.decrypt(&key, &derived(Purpose::InitializationVector, 8)?, &mut text)?
    };
    // A wrong password may leave noise with padding that is right by chance, one time in 256.
    match &text[..length] {
        plain @ [SEQUENCE, ..] => normalized(plain).map_err(|_| Problem::WrongPassword),
        _ => Err(Problem::WrongPassword),
    }
}

/// Decrypts with a scheme of PKCS#5, which has AES and triple DES. Returns the length of the plaintext.
fn pbes2(parameters: AnyRef<'_>, text: &mut [u8], password: &Password<'_>, budget: &Budget) -> Result<usize, Problem> {
    let parameters = Parameters::try_from(parameters).map_err(|_| Problem::UnsupportedContainer)?;
    let Kdf::Pbkdf2(derivation) = &parameters.kdf else { return Err(Problem::UnsupportedContainer) };
    take_pbkdf2(derivation, parameters.encryption.key_size(), password, budget)?;
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

const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const TRIPLE_DES_OF_TWO_KEYS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const RC2_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
