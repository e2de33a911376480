//! The ciphers of PKCS#12: AES, triple DES and RC2. Only AES-256 is written.
//!
//! See [RFC 8018](https://www.rfc-editor.org/rfc/rfc8018) for PBES2 and
//! [RFC 7292, appendix C](https://www.rfc-editor.org/rfc/rfc7292#appendix-C) for the older schemes.

use std::num::NonZeroU32;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyIvInit as _};
use cbc::{Decryptor, Encryptor};
use des::TdesEde3;
use rc2::Rc2;
use ring::{digest, pbkdf2};
use yasna::{ASN1Result, BERReader, DERWriter};

use super::hash_budget::HashBudget;
use super::oid::write_der;
use super::pkcs12_key::{self, Purpose};
use super::pkcs12_password::Password;
use crate::random;

/// The algorithm of an encrypted part, with its parameters. `None` in a field stands for an unknown algorithm.
pub(super) enum Encryption {
    /// PBES2 with PBKDF2.
    Pbes2 {
        hash: Option<pbkdf2::Algorithm>,
        salt: Vec<u8>,
        iterations: u32,
        cipher: Option<Cipher>,
        iv: Vec<u8>,
    },
    /// A scheme of PKCS#12, with SHA-1.
    Old {
        cipher: Cipher,
        salt: Vec<u8>,
        iterations: u32,
    },
    Unknown,
}

/// A block cipher, in the mode CBC.
#[derive(Clone, Copy)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    /// With a number of key bits.
    Rc2(usize),
}

impl Encryption {
    /// Reads an `AlgorithmIdentifier`.
    pub(super) fn read(reader: BERReader<'_, '_>) -> ASN1Result<Self> {
        reader.read_sequence(|algorithm| {
            let oid = algorithm.next().read_oid()?.components().clone();
            if oid == PBES2 {
                return algorithm.next().read_sequence(|parameters| {
                    let (hash, salt, iterations) = derivation(parameters.next())?;
                    let (cipher, iv) = parameters.next().read_sequence(|scheme| {
                        let cipher = scheme.next().read_oid()?;
                        Ok((find(PBES2_CIPHERS, cipher.components()), scheme.next().read_bytes()?))
                    })?;
                    Ok(Self::Pbes2 { hash, salt, iterations, cipher, iv })
                });
            }
            let Some(cipher) = find(OLD_CIPHERS, &oid) else {
                algorithm.read_optional(|parameters| parameters.read_der())?;
                return Ok(Self::Unknown);
            };
            algorithm.next().read_sequence(|parameters| {
                let salt = parameters.next().read_bytes()?;
                Ok(Self::Old { cipher, salt, iterations: parameters.next().read_u32()? })
            })
        })
    }

    /// Decrypts a part. Fails if the password is wrong, the algorithm unknown, or the budget exceeded.
    pub(super) fn decrypt(&self, password: &Password, text: &[u8], budget: &mut HashBudget) -> Option<Vec<u8>> {
        match self {
            Self::Pbes2 { hash, salt, iterations, cipher, iv } => {
                let (cipher, hash) = ((*cipher)?, (*hash)?);
                let mut key = vec![0; cipher.key_length()];
                let input = password.text.len() + salt.len();
                budget.spend(*iterations, input, key.len())?;
                pbkdf2::derive(hash, NonZeroU32::new(*iterations)?, salt, password.text.as_bytes(), &mut key);
                cipher.decrypt(&key, iv, text)
            }
            Self::Old { cipher, salt, iterations } => {
                let mut derive = |purpose, length| {
                    let hash = &digest::SHA1_FOR_LEGACY_USE_ONLY;
                    budget.spend(*iterations, password.utf16.len() + salt.len(), length)?;
                    Some(pkcs12_key::derive(hash, purpose, &password.utf16, salt, *iterations, length))
                };
                let key = derive(Purpose::Encryption, cipher.key_length())?;
                cipher.decrypt(&key, &derive(Purpose::InitialVector, 8)?, text)
            }
            Self::Unknown => None,
        }
    }
}

impl Cipher {
    fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2(bits) => bits / 8,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let mut text = text.to_vec();
        let plain = match self {
            Self::Aes128 => Decryptor::<Aes128>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text),
            Self::Aes192 => Decryptor::<Aes192>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text),
            Self::Aes256 => Decryptor::<Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text),
            Self::TripleDes => Decryptor::<TdesEde3>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text),
            Self::Rc2(bits) => {
                let cipher = Rc2::new_with_eff_key_len(key, bits);
                Decryptor::inner_iv_slice_init(cipher, iv).ok()?.decrypt_padded::<Pkcs7>(&mut text)
            }
        };
        let length = plain.ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// Encrypts a key in PKCS#8 by AES-256 of PBES2, and writes it as an `EncryptedPrivateKeyInfo`.
pub(super) fn write_encrypted_key(writer: DERWriter<'_>, key: &[u8], password: &str, iterations: NonZeroU32) {
    let (salt, iv) = (random::bytes::<16>(), random::bytes::<16>());
    let mut derived = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut derived);
    let text = Encryptor::<Aes256>::new(&derived.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(key);
    writer.write_sequence(|encrypted| {
        encrypted.next().write_sequence(|algorithm| {
            write_der(algorithm, PBES2);
            algorithm.next().write_sequence(|parameters| {
                parameters.next().write_sequence(|derivation| {
                    write_der(derivation, PBKDF2);
                    derivation.next().write_sequence(|parameters| {
                        parameters.next().write_bytes(&salt);
                        parameters.next().write_u32(iterations.get());
                        parameters.next().write_sequence(|hash| {
                            write_der(hash, HMAC_SHA256);
                            hash.next().write_null();
                        });
                    });
                });
                parameters.next().write_sequence(|scheme| {
                    write_der(scheme, AES_256);
                    scheme.next().write_bytes(&iv);
                });
            });
        });
        encrypted.next().write_bytes(&text);
    });
}

/// Reads the key derivation of PBES2. Its hash is `None` if it is unknown, or the derivation not PBKDF2.
fn derivation(reader: BERReader<'_, '_>) -> ASN1Result<(Option<pbkdf2::Algorithm>, Vec<u8>, u32)> {
    reader.read_sequence(|derivation| {
        let is_pbkdf2 = derivation.next().read_oid()?.components() == PBKDF2;
        derivation.next().read_sequence(|parameters| {
            let salt = parameters.next().read_bytes()?;
            let iterations = parameters.next().read_u32()?;
            parameters.read_optional(|key_length| key_length.read_u32())?;
            let hash = parameters.read_optional(|hash| {
                hash.read_sequence(|hash| {
                    let oid = hash.next().read_oid()?;
                    hash.read_optional(|parameters| parameters.read_null())?;
                    Ok(find(HASHES, oid.components()))
                })
            })?;
            let hash = hash.unwrap_or(Some(pbkdf2::PBKDF2_HMAC_SHA1));
            Ok((hash.filter(|_| is_pbkdf2), salt, iterations))
        })
    })
}

fn find<T: Copy>(table: &[(&[u64], T)], oid: &[u64]) -> Option<T> {
    table.iter().find(|(known, _)| *known == oid).map(|(_, found)| *found)
}

const PBES2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 13];
const PBKDF2: &[u64] = &[1, 2, 840, 113_549, 1, 5, 12];
const HMAC_SHA256: &[u64] = &[1, 2, 840, 113_549, 2, 9];
const AES_256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 1, 42];

const HASHES: &[(&[u64], pbkdf2::Algorithm)] = &[
    (&[1, 2, 840, 113_549, 2, 7], pbkdf2::PBKDF2_HMAC_SHA1),
    (HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
    (&[1, 2, 840, 113_549, 2, 10], pbkdf2::PBKDF2_HMAC_SHA384),
    (&[1, 2, 840, 113_549, 2, 11], pbkdf2::PBKDF2_HMAC_SHA512),
];

const PBES2_CIPHERS: &[(&[u64], Cipher)] = &[
    (&[2, 16, 840, 1, 101, 3, 4, 1, 2], Cipher::Aes128),
    (&[2, 16, 840, 1, 101, 3, 4, 1, 22], Cipher::Aes192),
    (AES_256, Cipher::Aes256),
    (&[1, 2, 840, 113_549, 3, 7], Cipher::TripleDes),
];

const OLD_CIPHERS: &[(&[u64], Cipher)] = &[
    (&[1, 2, 840, 113_549, 1, 12, 1, 3], Cipher::TripleDes),
    (&[1, 2, 840, 113_549, 1, 12, 1, 5], Cipher::Rc2(128)),
    (&[1, 2, 840, 113_549, 1, 12, 1, 6], Cipher::Rc2(40)),
];
