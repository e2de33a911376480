//! Other tools read what this crate writes.

use std::fs;

use keyvault::certificate::Certificate;

use super::openssl::{KEYS, Openssl};

#[test]
fn openssl_reads_every_output() {
    for kind in KEYS {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        let certificate = Certificate::from_bytes(openssl.container("a.pfx", &["-passout", "pass:"])).unwrap();
        fs::write(openssl.path("out.pfx"), &*certificate.pfx()).unwrap();
        assert_eq!(certificate.pfx(), certificate.pfx(), "the same bytes");
        // openssl verifies the MAC.
        let pem = openssl.run(&["pkcs12", "-in", "out.pfx", "-passin", "pass:", "-nodes"]);
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 3, "{pem}");
        assert_eq!(pem.matches("localKeyID").count(), 2, "the key and its certificate are linked: {pem}");
        for (name, value) in [("read from the container", pem), ("written as PEM", certificate.pem().to_string())] {
            assert_eq!(Certificate::from_bytes(&value).unwrap().pem(), certificate.pem(), "{name}");
        }
        assert_eq!(*certificate.pem(), certificate.key_pem().to_string() + &certificate.chain_pem());
        fs::write(openssl.path("out.pem"), &*certificate.pem()).unwrap();
        openssl.run(&["verify", "-CAfile", "root.pem", "-untrusted", "middle.pem", "out.pem"]);
        let public_key = |name| openssl.run(&["pkey", "-in", name, "-pubout"]);
        assert_eq!(public_key("out.pem"), public_key("leaf.key"));
        certificate.certified_key().keys_match().unwrap();
    }
}
