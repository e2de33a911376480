//! Writing PKCS#12: one key and its chain, under the empty password.
//!
//! That password protects nothing. The key is encrypted all the same, because Java finds no other keys, and there is a
//! MAC, because some readers require one. The certificates are not encrypted: every reader finds them.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::der_writer::{Bytes, INTEGER, NULL, OCTET_STRING, SEQUENCE, SET, element, explicit, oid};
use super::encryption::encrypted_key;
use super::mac::{SHA256, mac};
use super::pkcs12::{CERTIFICATE_BAG, DATA, LOCAL_KEY_ID, SHROUDED_KEY_BAG, X509};

/// Encodes a key in PKCS#8 and its chain, the key's own certificate first. The same input has the same output.
pub(super) fn encode(key: &[u8], chain: &[&[u8]]) -> Bytes {
    // The same identifier on the key and on its certificate links the two.
    let own = chain.first().copied().unwrap_or_default();
    let local_key_id = element(OCTET_STRING, &[&Sha1::digest(own)]);
    let attribute = element(SEQUENCE, &[&oid(&LOCAL_KEY_ID), &element(SET, &[&local_key_id])]);
    let attributes = element(SET, &[&attribute]);
    let bag = |kind, value: &[u8], attributes: &[u8]| {
        element(SEQUENCE, &[&oid(kind), &element(explicit(0), &[value]), attributes])
    };
    // The salts and the initialization vector are a hash of the certificate, so that the same certificate has the same
    // bytes, and a program that compares them finds no change. Random ones would protect nothing, because the password
    // is empty.
    let hash = Sha256::digest(own);
    let key = encrypted_key(key, &hash[..16], &std::array::from_fn(|at| hash[16 + at]), ITERATIONS);
    let mut bags = vec![bag(&SHROUDED_KEY_BAG, &key, &attributes)];
    for (at, certificate) in chain.iter().enumerate() {
        let certificate = element(explicit(0), &[&element(OCTET_STRING, &[certificate])]);
        let value = element(SEQUENCE, &[&oid(&X509), &certificate]);
        bags.push(bag(&CERTIFICATE_BAG, &value, if at == 0 { &attributes } else { &[] }));
    }
    let bags: Vec<&[u8]> = bags.iter().map(|bag| bag.as_slice()).collect();
    let safes = element(SEQUENCE, &[&data(&element(SEQUENCE, &bags))]);

    let salt = &hash[..8];
    let digest = element(SEQUENCE, &[&oid(&SHA256), &element(NULL, &[])]);
    let code = element(OCTET_STRING, &[&mac(&safes, salt, ITERATIONS)]);
    let info = element(SEQUENCE, &[&digest, &code]);
    let iterations = element(INTEGER, &[&ITERATIONS.to_be_bytes()]);
    let mac = element(SEQUENCE, &[&info, &element(OCTET_STRING, &[salt]), &iterations]);
    element(SEQUENCE, &[&element(INTEGER, &[&[3]]), &data(&safes), &mac])
}

/// Encodes bytes with the content type "data".
fn data(bytes: &[u8]) -> Bytes {
    element(SEQUENCE, &[&oid(&DATA), &element(explicit(0), &[&element(OCTET_STRING, &[bytes])])])
}

const ITERATIONS: u16 = 2_048;
