//! Containers of other tools, with throw-away keys: `vectors/README.md` says how each was made.

use std::fs;
use std::path::Path;

use keyvault::certificate::Certificate;

const PASSWORD: &str = "geheim";
const WRONG_PASSWORD: &str = "password of the certificate is missing or wrong";

fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates/vectors").join(name)).unwrap()
}

fn read(name: &str, password: &str) -> Result<Certificate, String> {
    Certificate::from_bytes_with_password(vector(name), password).map_err(|error| error.to_string())
}

/// Returns a chain of the vectors as PEM.
fn chain(names: &[&str]) -> String {
    names.iter().map(|name| String::from_utf8(vector(&format!("{name}.pem"))).unwrap()).collect()
}

#[test]
fn containers_of_other_tools_are_read() {
    const FULL: &[&str] = &["leaf", "middle", "root"];
    for (name, password, expected) in [
        ("java.p12", PASSWORD, FULL),
        ("java_legacy.p12", PASSWORD, FULL),
        ("java_several_keys.p12", PASSWORD, FULL),
        ("nss.p12", PASSWORD, FULL),
        ("nss_triple_des.p12", PASSWORD, FULL),
        ("nss_password.p12", "pässwörd", FULL),
        ("gnutls.pem", PASSWORD, &["leaf", "middle"]),
        ("gnutls_empty_password.p12", "", &["leaf", "middle"]),
        ("gnutls_no_password.p12", "", &["leaf", "middle"]),
        ("forge_3des.p12", PASSWORD, &["rsa"]),
        ("forge_aes256.p12", PASSWORD, &["rsa"]),
        ("python.p12", PASSWORD, FULL),
        ("python_triple_des.p12", PASSWORD, FULL),
        ("python_sha512.p12", PASSWORD, FULL),
        ("python_open.p12", "", FULL),
        ("pbmac1_sha256_sha256.p12", PASSWORD, FULL),
        ("pbmac1_sha512_sha512.p12", PASSWORD, FULL),
        ("pbmac1_sha1_sha384.p12", PASSWORD, FULL),
        ("windows_style.pfx", PASSWORD, FULL),
        ("nested_bags.p12", "", FULL),
        ("long_salts.p12", PASSWORD, FULL),
        ("long_salts_pbmac1.p12", PASSWORD, FULL),
    ] {
        let certificate = read(name, password).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(certificate.chain_pem(), chain(expected), "{name}");
        certificate.certified_key().keys_match().unwrap();
        let written = Certificate::from_bytes(certificate.pfx()).unwrap();
        assert_eq!(written.pem(), certificate.pem(), "{name}");
    }
    assert_eq!(read("java_own_key.p12", PASSWORD).unwrap().subject(), "CN=own.example");
}

#[test]
fn a_certificate_of_rsa_without_parameters_has_its_key() {
    assert_eq!(read("rsa_without_parameters.pem", "").unwrap().rustls_chain().len(), 3);
}

#[test]
fn a_wrong_password_for_a_container_of_another_tool_is_an_error() {
    for name in ["java.p12", "nss.p12", "gnutls.pem", "forge_3des.p12", "python.p12", "windows_style.pfx"] {
        for password in ["", "Geheim", "geheim "] {
            assert_eq!(read(name, password).unwrap_err(), WRONG_PASSWORD, "{name}");
        }
    }
    for name in ["pbmac1_sha256_sha256.p12", "pbmac1_sha512_sha512.p12", "pbmac1_sha1_sha384.p12"] {
        assert_eq!(read(name, "Geheim").unwrap_err(), WRONG_PASSWORD, "{name}");
    }
}

#[test]
fn containers_without_a_key_or_without_anything_are_refused() {
    for (name, password, clause) in [
        ("java_trusted_only.p12", PASSWORD, "certificate has no private key"),
        ("empty_bags.p12", "", "value is not a certificate"),
    ] {
        assert_eq!(read(name, password).unwrap_err(), clause, "{name}");
    }
}

#[test]
fn a_container_with_another_mac_is_refused() {
    // A salt of 8 bytes and a count follow the MAC.
    for (name, length, rest) in [
        ("python.p12", 32, 14),
        ("pbmac1_sha256_sha256.p12", 32, 13),
        ("pbmac1_sha512_sha512.p12", 64, 13),
        ("pbmac1_sha1_sha384.p12", 48, 13),
    ] {
        let container = vector(name);
        let end = container.len() - rest;
        for at in end - length..end {
            let mut changed = container.clone();
            changed[at] ^= 0x10;
            let error = Certificate::from_bytes_with_password(changed, PASSWORD).unwrap_err();
            assert_eq!(error.to_string(), WRONG_PASSWORD, "{name} {at}");
        }
    }
}

#[test]
fn a_container_whose_parameters_of_pbmac1_are_damaged_is_refused_or_unchanged() {
    let container = vector("pbmac1_sha256_sha256.p12");
    let mac = container.len() - 140;
    for at in mac..container.len() {
        let mut changed = container.clone();
        changed[at] ^= 0x10;
        if let Ok(read) = Certificate::from_bytes_with_password(&changed, PASSWORD) {
            assert_eq!(read.pem(), self::read("python.p12", PASSWORD).unwrap().pem(), "{at}");
        }
    }
}
