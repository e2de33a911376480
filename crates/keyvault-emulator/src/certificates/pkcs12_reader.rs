//! Reads PKCS#12: the containers that clients import.
//!
//! The MAC, if there is one, shows whether the password is right. See [RFC 7292](https://www.rfc-editor.org/rfc/rfc7292).

use ring::{digest, hmac};
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, BERReaderSeq, Tag};

use super::ber;
use super::hash_budget::HashBudget;
use super::pkcs12::{CERTIFICATE_BAG, DATA, SHA256, SHROUDED_KEY_BAG, X509};
use super::pkcs12_cipher::Encryption;
use super::pkcs12_key::{self, Purpose};
use super::pkcs12_password::Password;

/// The keys in PKCS#8 and the certificates of a container, in its order.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Reads a container. `None` if it is damaged, has an unknown algorithm or another password, or takes too long.
pub(super) fn read(container: &[u8], password: &str, mut budget: HashBudget) -> Option<Contents> {
    let (safe, mac) = ber::parse(container, |reader| {
        reader.read_sequence(|pfx| {
            pfx.next().read_u8()?;
            let safe = pfx.next().read_sequence(|info| {
                check(info.next().read_oid()?.components() == DATA)?;
                info.next().read_tagged(Tag::context(0), |content| content.read_bytes())
            })?;
            Ok((safe, pfx.read_optional(Mac::read)?))
        })
    })
    .ok()?;
    let mut is_right = |password: &Password| mac.as_ref().is_none_or(|mac| mac.verifies(password, &safe, &mut budget));
    let password = Password::candidates(password).into_iter().find(&mut is_right)?;
    let mut contents = Contents::default();
    let parts = ber::parse(&safe, |reader| reader.collect_sequence_of(Part::read)).ok()?;
    for part in parts {
        let bags = match part {
            Part::Plain(bags) => bags,
            Part::Encrypted(encryption, text) => encryption.decrypt(&password, &text, &mut budget)?,
        };
        for bag in ber::parse(&bags, |reader| reader.collect_sequence_of(Bag::read)).ok()? {
            match bag {
                Bag::Key(key) => contents.keys.push(key),
                Bag::EncryptedKey(encryption, text) => {
                    contents.keys.push(encryption.decrypt(&password, &text, &mut budget)?);
                }
                Bag::Certificate(certificate) => contents.certificates.push(certificate),
                Bag::Other => {}
            }
        }
    }
    Some(contents)
}

/// The MAC of a container.
struct Mac {
    oid: Vec<u64>,
    code: Vec<u8>,
    salt: Vec<u8>,
    iterations: u32,
}

impl Mac {
    /// Reads a `MacData`.
    fn read(reader: BERReader<'_, '_>) -> ASN1Result<Self> {
        reader.read_sequence(|data| {
            let (oid, code) = data.next().read_sequence(|info| {
                let oid = info.next().read_sequence(|algorithm| {
                    let oid = algorithm.next().read_oid()?.components().clone();
                    algorithm.read_optional(|parameters| parameters.read_der())?;
                    Ok(oid)
                })?;
                Ok((oid, info.next().read_bytes()?))
            })?;
            let salt = data.next().read_bytes()?;
            let iterations = data.read_optional(|iterations| iterations.read_u32())?.unwrap_or(1);
            Ok(Self { oid, code, salt, iterations })
        })
    }

    fn verifies(&self, password: &Password, safe: &[u8], budget: &mut HashBudget) -> bool {
        let (digest, hmac) = match self.oid.as_slice() {
            SHA1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            SHA256 => (&digest::SHA256, hmac::HMAC_SHA256),
            SHA384 => (&digest::SHA384, hmac::HMAC_SHA384),
            SHA512 => (&digest::SHA512, hmac::HMAC_SHA512),
            _ => return false,
        };
        // The key has the length of one hash.
        if budget.spend(self.iterations, password.utf16.len() + self.salt.len(), 1).is_none() {
            return false;
        }
        let length = digest.output_len();
        let key = pkcs12_key::derive(digest, Purpose::Mac, &password.utf16, &self.salt, self.iterations, length);
        hmac::verify(&hmac::Key::new(hmac, &key), safe, &self.code).is_ok()
    }
}

/// A part of an authenticated safe.
enum Part {
    Plain(Vec<u8>),
    Encrypted(Encryption, Vec<u8>),
}

impl Part {
    /// Reads a `ContentInfo`.
    fn read(reader: BERReader<'_, '_>) -> ASN1Result<Self> {
        reader.read_sequence(|info| {
            let oid = info.next().read_oid()?;
            if oid.components() == DATA {
                return Ok(Self::Plain(info.next().read_tagged(Tag::context(0), |content| content.read_bytes())?));
            }
            check(oid.components() == ENCRYPTED_DATA)?;
            info.next().read_tagged(Tag::context(0), |content| {
                content.read_sequence(|data| {
                    data.next().read_u8()?;
                    data.next().read_sequence(|info| {
                        info.next().read_oid()?;
                        let encryption = Encryption::read(info.next())?;
                        let text = info.next().read_tagged_implicit(Tag::context(0), |text| text.read_bytes())?;
                        Ok(Self::Encrypted(encryption, text))
                    })
                })
            })
        })
    }
}

/// A bag with a key or a certificate.
enum Bag {
    Key(Vec<u8>),
    EncryptedKey(Encryption, Vec<u8>),
    Certificate(Vec<u8>),
    Other,
}

impl Bag {
    /// Reads a `SafeBag`. Its attributes do not matter.
    fn read(reader: BERReader<'_, '_>) -> ASN1Result<Self> {
        reader.read_sequence(|bag| {
            let oid = bag.next().read_oid()?;
            let bag_value = bag.next().read_tagged(Tag::context(0), |value| match oid.components().as_slice() {
                KEY_BAG => Ok(Self::Key(value.read_der()?)),
                SHROUDED_KEY_BAG => value.read_sequence(|key| {
                    let encryption = Encryption::read(key.next())?;
                    Ok(Self::EncryptedKey(encryption, key.next().read_bytes()?))
                }),
                CERTIFICATE_BAG => value.read_sequence(Self::read_certificate),
                _ => value.read_der().map(|_| Self::Other),
            })?;
            bag.read_optional(|attributes| attributes.read_der())?;
            Ok(bag_value)
        })
    }

    fn read_certificate(bag: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Self> {
        let is_x509 = bag.next().read_oid()?.components() == X509;
        if !is_x509 {
            bag.next().read_der()?;
            return Ok(Self::Other);
        }
        bag.next().read_tagged(Tag::context(0), |value| Ok(Self::Certificate(value.read_bytes()?)))
    }
}

fn check(is_expected: bool) -> ASN1Result<()> {
    if is_expected { Ok(()) } else { Err(ASN1Error::new(ASN1ErrorKind::Invalid)) }
}

const ENCRYPTED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 6];
const KEY_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 1];
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];
const SHA384: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 2];
const SHA512: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 3];

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::oid::write_der;
    use super::super::pkcs12::{encode, write_data};
    use super::super::pkcs12_cipher::write_encrypted_key;
    use super::*;

    const ITERATIONS: NonZeroU32 = NonZeroU32::new(10).unwrap();
    const PASSWORD: &str = "hunter2";

    /// Returns a container of encrypted keys without a MAC.
    fn container(keys: &[&[u8]]) -> Vec<u8> {
        let bags = yasna::construct_der(|writer| {
            writer.write_sequence(|bags| {
                for key in keys {
                    bags.next().write_sequence(|bag| {
                        write_der(bag, SHROUDED_KEY_BAG);
                        bag.next().write_tagged(Tag::context(0), |value| {
                            write_encrypted_key(value, key, PASSWORD, ITERATIONS);
                        });
                    });
                }
            });
        });
        let safe = yasna::construct_der(|writer| writer.write_sequence(|safe| write_data(safe.next(), &bags)));
        yasna::construct_der(|writer| {
            writer.write_sequence(|pfx| {
                pfx.next().write_u8(3);
                write_data(pfx.next(), &safe);
            });
        })
    }

    #[test]
    fn all_keys_of_a_container_share_one_budget() {
        let keys: [&[u8]; 3] = [b"first", b"second", b"third"];
        let container = container(&keys);
        // The first iteration hashes one block more, and a key of 32 bytes counts as two hashes.
        let needed = 3 * 2 * (u64::from(ITERATIONS.get()) + 1);
        let contents = read(&container, PASSWORD, HashBudget::of(needed)).unwrap();
        assert_eq!(contents.keys, keys);
        assert!(read(&container, PASSWORD, HashBudget::of(needed - 1)).is_none());
    }

    #[test]
    fn no_changed_byte_makes_the_reader_panic() {
        let written = encode(Some(&[0x30, 0x03, 2, 1, 0]), &[vec![0x30, 0x03, 2, 1, 0]]);
        for (original, password) in [(container(&[b"a key"]), PASSWORD), (written, "")] {
            for at in 0..original.len() {
                for change in [1, 0x80, 0xff] {
                    let mut changed = original.clone();
                    changed[at] ^= change;
                    let _ = read(&changed, password, HashBudget::of(2_000));
                }
            }
        }
    }
}
