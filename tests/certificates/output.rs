//! Other tools read what this crate writes.

use std::fs;
use std::process::{Command, Output};

use keyvault::certificate::Certificate;

use super::openssl::{KEYS, Openssl, P256};

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

/// Java finds only keys in shrouded bags, and reports no error about others.
#[test]
fn the_key_is_in_the_kind_of_bag_that_java_reads() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let pem = openssl.text("leaf.key") + &openssl.text("leaf.pem");
    fs::write(openssl.path("out.pfx"), &*Certificate::from_bytes(pem).unwrap().pfx()).unwrap();
    let information = ["pkcs12", "-info", "-in", "out.pfx", "-passin", "pass:", "-nodes"];
    let output = run("openssl", &information, &openssl).unwrap();
    let bags = String::from_utf8(output.stderr).unwrap();
    let shrouded = "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 2048, PRF hmacWithSHA256";
    assert!(bags.contains(shrouded) && !bags.contains("Key bag"), "{bags}");
}

/// Not in `.ci/run`, because Java takes 200 MB.
#[test]
fn java_reads_a_container() {
    for kind in KEYS {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        let pem = ["leaf.key", "leaf.pem", "middle.pem", "root.pem"].map(|name| openssl.text(name)).concat();
        let certificate = Certificate::from_bytes(pem).unwrap();
        fs::write(openssl.path("out.pfx"), &*certificate.pfx()).unwrap();
        let from = ["-importkeystore", "-noprompt", "-srckeystore", "out.pfx", "-srcstorepass", ""];
        let to = ["-destkeystore", "java.p12", "-deststoretype", "PKCS12", "-deststorepass", "geheim"];
        let Some(output) = run("keytool", &[from, to].concat(), &openssl) else {
            eprintln!("SKIPPED: keytool is not installed");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let java = Certificate::from_bytes_with_password(openssl.bytes("java.p12"), "geheim").unwrap();
        assert_eq!(java.pem(), certificate.pem());
    }
}

/// Runs a program in the folder of `openssl`. `None` if it is not installed.
fn run(program: &str, arguments: &[&str], openssl: &Openssl) -> Option<Output> {
    Command::new(program).args(arguments).current_dir(openssl.path("")).output().ok()
}
