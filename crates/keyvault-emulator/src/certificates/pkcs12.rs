//! PKCS#12 as a vault returns it: one key, its certificates, and an empty password.
//!
//! This module only writes the format; [`pkcs12_reader`](super::pkcs12_reader) reads it. The empty password protects
//! nothing. The key is encrypted all the same, because Java finds no other keys, and there is a MAC, because some
//! readers require one. See [RFC 7292](https://www.rfc-editor.org/rfc/rfc7292).

use std::num::NonZeroU32;

use ring::{digest, hmac};
use yasna::{DERWriter, Tag};

use super::oid::write_der;
use super::pkcs12_cipher::write_encrypted_key;
use super::pkcs12_key::{self, Purpose};
use crate::random;

/// Encodes a key (PKCS#8), unless it is not exportable, and its certificates (X.509), the key's own first.
pub(super) fn encode(key: Option<&[u8]>, certificates: &[Vec<u8>]) -> Vec<u8> {
    let safe = authenticated_safe(key, certificates);
    let salt = random::bytes::<8>();
    let mac_key = pkcs12_key::derive(&digest::SHA256, Purpose::Mac, EMPTY_PASSWORD, &salt, ITERATIONS.get(), 32);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &safe);
    yasna::construct_der(|writer| {
        writer.write_sequence(|pfx| {
            pfx.next().write_u8(3);
            write_data(pfx.next(), &safe);
            pfx.next().write_sequence(|data| {
                data.next().write_sequence(|info| {
                    info.next().write_sequence(|algorithm| {
                        write_der(algorithm, SHA256);
                        algorithm.next().write_null();
                    });
                    info.next().write_bytes(mac.as_ref());
                });
                data.next().write_bytes(&salt);
                data.next().write_u32(ITERATIONS.get());
            });
        });
    })
}

fn authenticated_safe(key: Option<&[u8]>, certificates: &[Vec<u8>]) -> Vec<u8> {
    // The same identifier on the key and on its certificate links the two.
    let local_key_id = digest::digest(&digest::SHA256, certificates.first().map_or(&[], |own| own.as_slice()));
    let contents = yasna::construct_der(|writer| {
        writer.write_sequence(|bags| {
            if let Some(key) = key {
                write_bag(bags.next(), SHROUDED_KEY_BAG, Some(local_key_id.as_ref()), |value| {
                    write_encrypted_key(value, key, "", ITERATIONS);
                });
            }
            for (n, certificate) in certificates.iter().enumerate() {
                let id = (n == 0).then(|| local_key_id.as_ref());
                write_bag(bags.next(), CERTIFICATE_BAG, id, |value| {
                    value.write_sequence(|bag| {
                        write_der(bag, X509);
                        bag.next().write_tagged(Tag::context(0), |value| value.write_bytes(certificate));
                    });
                });
            }
        });
    });
    yasna::construct_der(|writer| writer.write_sequence(|safe| write_data(safe.next(), &contents)))
}

fn write_bag(writer: DERWriter<'_>, kind: &[u64], local_key_id: Option<&[u8]>, value: impl FnOnce(DERWriter<'_>)) {
    writer.write_sequence(|bag| {
        write_der(bag, kind);
        bag.next().write_tagged(Tag::context(0), value);
        if let Some(id) = local_key_id {
            bag.next().write_set(|attributes| {
                attributes.next().write_sequence(|attribute| {
                    write_der(attribute, LOCAL_KEY_ID);
                    attribute.next().write_set(|values| values.next().write_bytes(id));
                });
            });
        }
    });
}

/// Writes bytes with the content type "data".
pub(super) fn write_data(writer: DERWriter<'_>, bytes: &[u8]) {
    writer.write_sequence(|info| {
        write_der(info, DATA);
        info.next().write_tagged(Tag::context(0), |content| content.write_bytes(bytes));
    });
}

const ITERATIONS: NonZeroU32 = NonZeroU32::new(2_048).unwrap();
/// The terminator alone, a zero of two bytes.
const EMPTY_PASSWORD: &[u8] = &[0, 0];

pub(super) const SHA256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
pub(super) const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
pub(super) const SHROUDED_KEY_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 2];
pub(super) const CERTIFICATE_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
pub(super) const X509: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const LOCAL_KEY_ID: &[u64] = &[1, 2, 840, 113_549, 1, 9, 21];
