//! Every bad input is a clear error that has no byte of the key, and is found in bounded time.

use std::time::{Duration, Instant};

use keyvault::ErrorKind;
use keyvault::certificate::Certificate;

use super::openssl::{KEYS, Openssl, P256};

/// Asserts that reading fails with a clause, and that nothing of the secret is in the error.
fn assert_refused(bytes: &[u8], password: &str, clause: &str, case: &str) {
    let begin = Instant::now();
    let error = Certificate::from_bytes_with_password(bytes, password).expect_err(case);
    assert_eq!(error.to_string(), clause, "{case}");
    assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{case}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{case}: {:?}", begin.elapsed());
    let shown = format!("{error:?}");
    assert!(shown.contains("help: "), "{shown}");
    let text = String::from_utf8_lossy(bytes);
    let mut pieces = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| piece.len() > 20);
    assert!(!pieces.any(|piece| shown.contains(piece)) && !shown.contains("geheim"), "{case}: {shown}");
}

#[test]
fn parts_that_do_not_match_are_refused() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    openssl.key("other", P256);
    openssl.key("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    openssl.key("weak", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    openssl.key("curve", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]);
    openssl.key("dh", &["-algorithm", "X25519"]);
    openssl.run(&["pkey", "-in", "rsa.key", "-aes256", "-traditional", "-passout", "pass:geheim", "-out", "old.key"]);
    let (leaf, key) = (openssl.text("leaf.pem"), openssl.text("leaf.key"));
    // Its content begins with the words `openssh-key-v1` and `none`.
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=".to_owned();
    let openssh = openssh + "\n-----END OPENSSH PRIVATE KEY-----\n";
    let with = |name: &str| openssl.text(&format!("{name}.key")) + &leaf;
    for (case, pem, clause) in [
        ("another key", with("other"), "private key does not belong to the certificate"),
        ("a key of another kind", with("rsa"), "private key does not belong to the certificate"),
        ("a weak key", with("weak"), "private key of the certificate is not supported"),
        ("an unknown curve", with("curve"), "private key of the certificate is not supported"),
        ("a key that cannot sign", with("dh"), "private key of the certificate is not supported"),
        ("the encryption of old PEM", with("old"), "private key has the old encryption of PEM"),
        ("a key of OpenSSH", openssh + &leaf, "private key is in the format of OpenSSH"),
        ("no certificate", key.clone(), "private key has no certificate"),
        ("no key", leaf.clone(), "certificate has no private key"),
        ("text", "geheimgeheimgeheimgeheim".into(), "value is not a certificate"),
        ("nothing", String::new(), "value is not a certificate"),
        ("JSON", r#"{"user":"geheimgeheimgeheimgeheim"}"#.into(), "value is not a certificate"),
        ("base64", "Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt".into(), "value is not a certificate"),
        ("PEM without an end", key[..key.len() - 5].to_owned(), "value is not a certificate"),
        ("PEM that is not base64", key.replace("MI", "M!") + &leaf, "certificate cannot be parsed"),
        ("a damaged key", key.replacen("MI", "MA", 1) + &leaf, "certificate cannot be parsed"),
        ("a damaged certificate", key + &leaf.replacen("MI", "MA", 1), "certificate cannot be parsed"),
        ("PEM without anything", "-----BEGIN CRL-----\nAAAA\n-----END CRL-----".into(), "value is not a certificate"),
    ] {
        assert_refused(pem.as_bytes(), "", clause, case);
    }
}

#[test]
fn one_part_in_der_is_refused_with_the_name_of_the_other() {
    for kind in [KEYS[0], P256] {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        for (der, clause) in [
            (openssl.der("leaf"), "certificate has no private key"),
            (openssl.key_der("leaf", &[]), "private key has no certificate"),
            (openssl.key_der("leaf", &["-traditional"]), "private key has no certificate"),
        ] {
            assert_refused(&der, "", clause, "DER");
            assert_refused(azure_core::base64::encode(&der).as_bytes(), "", clause, "base64");
        }
    }
}

#[test]
fn a_part_that_cannot_be_read_matters_only_if_the_others_are_not_enough() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let closed = azure_core::base64::encode(openssl.container("a.pfx", &["-passout", "pass:geheim"]));
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let leaf = openssl.text("leaf.key") + &openssl.text("leaf.pem");
    let pem = leaf.clone() + &openssl.text("issuers.pem");
    for damaged in [damaged.to_owned(), damaged.replace("PRIVATE KEY", "CERTIFICATE")] {
        const PROBLEM: &str = "certificate cannot be parsed";
        assert_refused(damaged.as_bytes(), "", PROBLEM, "a damaged part alone");
        assert_refused((leaf.clone() + &damaged).as_bytes(), "", PROBLEM, "a damaged part that may be the issuer");
        assert_eq!(Certificate::from_bytes(damaged.clone() + &pem).unwrap().rustls_chain().len(), 3);
        // A part that cannot be read for another reason comes first.
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        let both = old.to_owned() + &damaged;
        assert_refused((leaf.clone() + &both).as_bytes(), "", "certificate cannot be parsed", "an old key first");
        let json = serde_json::json!({ "a": old, "b": leaf, "c": { "d": old, "e": damaged } }).to_string();
        assert_refused(json.as_bytes(), "", "certificate cannot be parsed", "an old key first, in JSON");
        assert_eq!(Certificate::from_bytes(both + &pem).unwrap().rustls_chain().len(), 3);
    }
    let json = serde_json::json!({ "old": closed, "owner": "geheimgeheimgeheimgeheim" });
    let problem = "password of the certificate is missing or wrong";
    assert_refused(json.to_string().as_bytes(), "", problem, "a closed container");
    let json = serde_json::json!({ "old": closed, "pem": pem });
    Certificate::from_bytes(json.to_string()).unwrap();
    // Arrays in arrays, and quotes of quotes.
    let deep = "[".repeat(500_000) + &"]".repeat(500_000);
    assert_refused(deep.as_bytes(), "", "value is not a certificate", "depth");
    let keys = serde_json::to_string(&vec![openssl.text("leaf.key"); 11]).unwrap();
    assert_refused(keys.as_bytes(), "", "certificate is too large", "eleven members with keys");
}

#[test]
fn a_container_without_the_right_password_or_content_is_refused() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    const PASSWORD: &str = "password of the certificate is missing or wrong";
    // In the last one, only the MAC depends on the password.
    for arguments in [&[][..], &["-legacy"], &["-certpbe", "NONE", "-keypbe", "NONE"]] {
        let closed = openssl.container("a.pfx", &[arguments, &["-passout", "pass:geheim"]].concat());
        assert_refused(&closed, "", PASSWORD, "no password");
        assert_refused(&closed, "geheim2", PASSWORD, "wrong password");
        let base64 = azure_core::base64::encode(&closed);
        let json = format!(r#"{{"data":"{base64}","password":"geheim2"}}"#);
        assert_refused(json.as_bytes(), "", PASSWORD, "JSON with a wrong password");
    }
    // Without a MAC, one wrong password in 256 leaves noise with right padding.
    for arguments in [&[][..], &["-legacy"], &["-keypbe", "DES-EDE3-CBC"]] {
        let options = [arguments, &["-iter", "1", "-nomac", "-passout", "pass:geheim"]].concat();
        let closed = openssl.container("a.pfx", &options);
        for n in 0..2_000 {
            let error = Certificate::from_bytes_with_password(&closed, &n.to_string()).unwrap_err();
            assert_eq!(error.to_string(), PASSWORD, "{arguments:?} {n}");
        }
    }
    let export = ["pkcs12", "-export", "-passout", "pass:", "-out", "a.pfx"];
    openssl.run(&[&export[..], &["-nokeys", "-in", "leaf.pem"]].concat());
    assert_refused(&openssl.bytes("a.pfx"), "", "certificate has no private key", "no key");
    openssl.run(&[&export[..], &["-nocerts", "-inkey", "leaf.key"]].concat());
    assert_refused(&openssl.bytes("a.pfx"), "", "private key has no certificate", "no certificate");
    // Version 3, and an empty list of bags.
    let empty = [
        &[0x30, 0x1c, 2, 1, 3, 0x30, 0x17, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1, 0xa0, 0x0a, 4, 8][..],
        &[0x30, 0x80, 0, 0, 0, 0, 0, 0],
    ];
    let empty = empty.concat();
    assert!(Certificate::from_bytes(&empty).is_err());
    let long: Vec<u8> = [0x30, 0x81, 0x80, 2, 1, 3].into_iter().chain([0x30; 125]).collect();
    assert_refused(&long, "", "PKCS#12 container cannot be parsed", "noise");
}

#[test]
fn large_input_is_refused_or_read_in_time() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let (leaf, key) = (openssl.text("leaf.pem"), openssl.text("leaf.key"));
    assert_refused(&vec![b'A'; 1024 * 1024 + 1], "", "certificate is too large", "1 MiB and a byte");
    assert_refused((key.repeat(11) + &leaf).as_bytes(), "", "certificate is too large", "eleven keys");
    let begin = Instant::now();
    let padded = key.clone() + &leaf.repeat(1024 * 1024 / leaf.len() - 1);
    assert_eq!(Certificate::from_bytes(padded).unwrap().rustls_chain().len(), 1);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    // A container of a megabyte, all of it empty elements.
    let elements = [5, 0].repeat(512 * 1024 - 20);
    let length = u32::try_from(elements.len()).unwrap().to_be_bytes();
    let container = [&[0x30, 0x84][..], &length, &elements].concat();
    assert_refused(&container, "", "PKCS#12 container cannot be parsed", "elements");
}

#[test]
fn the_work_of_a_container_is_limited() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    const TOO_MANY: &str = "iteration count of the PKCS#12 container is too high";
    for arguments in [
        &["-iter", "8000001"][..], // the MAC alone
        &["-iter", "4000001", "-nomac"],
        &["-legacy", "-iter", "2700000", "-nomac"],
    ] {
        let container = openssl.container("a.pfx", &[arguments, &["-passout", "pass:"]].concat());
        assert_refused(&container, "", TOO_MANY, &arguments.join(" "));
    }
    // The count of the MAC is the last number of a container.
    let mut container = openssl.container("a.pfx", &["-passout", "pass:", "-iter", "2048"]);
    let end = container.len();
    assert_eq!(container[end - 4..], [2, 2, 8, 0]);
    container[end - 2..].copy_from_slice(&[0, 0]);
    assert_refused(&container, "", "PKCS#12 container cannot be parsed", "no iterations");
    container[end - 2..].copy_from_slice(&[0xff, 0xff]);
    assert_refused(&container, "", "PKCS#12 container cannot be parsed", "negative iterations");
}

#[test]
fn a_value_cut_anywhere_is_refused() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let arguments = ["-passout", "pass:", "-iter", "1"];
    for extra in [&[][..], &["-nomac"], &["-legacy"], &["-certpbe", "NONE", "-keypbe", "NONE", "-nomac"]] {
        let container = openssl.container("a.pfx", &[&arguments[..], extra].concat());
        for end in 0..container.len() {
            assert!(Certificate::from_bytes(&container[..end]).is_err(), "{extra:?} {end}");
        }
    }
    let pem = openssl.text("leaf.key") + &openssl.text("leaf.pem");
    for end in 0..pem.trim_end().len() {
        assert!(Certificate::from_bytes(&pem[..end]).is_err(), "{end}");
    }
}

#[test]
fn a_changed_byte_is_refused_or_changes_nothing_that_is_used() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let container = openssl.container("a.pfx", &["-passout", "pass:", "-iter", "1"]);
    let certificate = Certificate::from_bytes(&container).unwrap();
    for at in 0..container.len() {
        for bit in [0x01, 0x80] {
            let mut changed = container.clone();
            changed[at] ^= bit;
            if let Ok(read) = Certificate::from_bytes(&changed) {
                assert_eq!(read.pem(), certificate.pem(), "{at}");
            }
        }
    }
}
