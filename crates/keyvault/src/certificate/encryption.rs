//! The encryption of PKCS#12 and of keys in PKCS#8.
//!
//! The old ciphers, RC2 and triple DES, are read and never written.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, InvalidLength, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use der::asn1::{AnyRef, ObjectIdentifier};
use des::TdesEde3;
use rc2::Rc2;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::der_reader::{children, normalized, octets, oid_of};
use super::der_writer::{Bytes, OCTET_STRING, SEQUENCE, element, oid};
use super::key_derivation::{Derivation, Pbkdf2, Purpose, key_of_empty_password};
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
    let (scheme, parameters) = (oid_of(scheme)?, children(parameters, der::Tag::Sequence)?);
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let length = if scheme == PBES2 {
        let [derivation, cipher] = parameters[..] else { return Err(Problem::DamagedContainer) };
        let derivation = Pbkdf2::parse(derivation)?;
        let cipher = children(cipher, der::Tag::Sequence)?;
        let [scheme, iv] = cipher[..] else { return Err(Problem::UnsupportedContainer) };
        let cipher = Cipher::of(oid_of(scheme)?)?;
        cipher.decrypt(&derivation.key(password, cipher.key_length(), budget)?, octets(iv)?, &mut text)?
    } else {
        let cipher = Cipher::of(scheme)?;
        let derivation = Derivation::parse(&parameters)?;
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

/// Encrypts a key in PKCS#8 under the empty password: by AES-256 of PBES2, which is the default of OpenSSL and Java.
/// Returns an `EncryptedPrivateKeyInfo`.
pub(super) fn encrypted_key(key: &[u8], salt: &[u8], iv: &[u8; BLOCK], iterations: u16) -> Bytes {
    let (derived, derivation) = key_of_empty_password(salt, iterations);
    let padding = BLOCK - key.len() % BLOCK;
    let mut text = Zeroizing::new([key, &[padding as u8; BLOCK][..padding]].concat());
    let (blocks, _) = Block::<Aes256>::slice_as_chunks_mut(&mut text);
    Encryptor::<Aes256>::new((&*derived).into(), iv.into()).encrypt_blocks(blocks);
    let cipher = element(SEQUENCE, &[&oid(&AES_256), &element(OCTET_STRING, &[iv])]);
    let algorithm = element(SEQUENCE, &[&oid(&PBES2), &element(SEQUENCE, &[&derivation, &cipher])]);
    element(SEQUENCE, &[&algorithm, &element(OCTET_STRING, &[&text])])
}

/// The block of AES, in bytes.
const BLOCK: usize = 16;

/// A cipher in CBC mode: one of PBES2, by
/// [RFC 8018, appendix B](https://www.rfc-editor.org/rfc/rfc8018#appendix-B.2), or one of
/// [RFC 7292, appendix C](https://www.rfc-editor.org/rfc/rfc7292#appendix-C) that tools used.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    TripleDesOfTwoKeys,
    Rc2(usize),
}

impl Cipher {
    fn of(scheme: ObjectIdentifier) -> Result<Self, Problem> {
        Ok(match scheme {
            AES_128 => Self::Aes128,
            AES_192 => Self::Aes192,
            AES_256 => Self::Aes256,
            TRIPLE_DES | TRIPLE_DES_OF_PBES2 => Self::TripleDes,
            TRIPLE_DES_OF_TWO_KEYS => Self::TripleDesOfTwoKeys,
            RC2_128 => Self::Rc2(128),
            RC2_40 => Self::Rc2(40),
            _ => return Err(Problem::UnsupportedContainer),
        })
    }

    fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::TripleDesOfTwoKeys => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2(bits) => bits / 8,
        }
    }

    /// Decrypts in place and returns the length of the plaintext.
    fn decrypt(self, key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<usize, Problem> {
        match self {
            Self::Aes128 => decrypted(Decryptor::<Aes128>::new_from_slices(key, iv), text),
            Self::Aes192 => decrypted(Decryptor::<Aes192>::new_from_slices(key, iv), text),
            Self::Aes256 => decrypted(Decryptor::<Aes256>::new_from_slices(key, iv), text),
            Self::TripleDes => decrypted(Decryptor::<TdesEde3>::new_from_slices(key, iv), text),
            Self::TripleDesOfTwoKeys => {
                let key = Zeroizing::new([key, &key[..8]].concat());
                decrypted(Decryptor::<TdesEde3>::new_from_slices(&key, iv), text)
            }
            Self::Rc2(bits) => {
                decrypted(Decryptor::inner_iv_slice_init(Rc2::new_with_eff_key_len(key, bits), iv), text)
            }
        }
    }
}

/// Decrypts in place. `decryptor` is an error if the initialization vector has another length than a block.
fn decrypted<D: BlockModeDecrypt>(decryptor: Result<D, InvalidLength>, text: &mut [u8]) -> Result<usize, Problem> {
    let plain = decryptor.map_err(|_| Problem::DamagedContainer)?.decrypt_padded::<Pkcs7>(text);
    plain.map(<[u8]>::len).map_err(|_| Problem::WrongPassword)
}

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const AES_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const AES_192: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22");
const AES_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const TRIPLE_DES_OF_PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const TRIPLE_DES_OF_TWO_KEYS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const RC2_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
