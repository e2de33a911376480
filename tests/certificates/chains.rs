//! The chain is sorted and completed from what is there, and has nothing else.

use keyvault::certificate::Certificate;

use super::authority::Authority;
use super::openssl::{Openssl, P256};

/// The extensions of an authority without key identifiers.
const BARE: &[&str] =
    &["basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=none", "authorityKeyIdentifier=none"];

fn read(openssl: &Openssl, names: &[&str]) -> Certificate {
    let pem: String = names.iter().map(|name| openssl.text(&format!("{name}.pem"))).collect();
    Certificate::from_bytes(openssl.text("leaf.key") + &pem).unwrap()
}

/// Returns the chain of the certificates in `names`, as names of `all`.
fn chain<'a>(openssl: &Openssl, names: &[&str], all: &[&'a str]) -> Vec<&'a str> {
    let certificate = read(openssl, names);
    let name = |der: &[u8]| *all.iter().find(|name| openssl.der(name) == der).unwrap();
    certificate.rustls_chain().iter().map(|der| name(der)).collect()
}

#[test]
fn a_chain_in_any_order_is_sorted() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    openssl.root("other");
    let all = ["leaf", "middle", "root", "other"];
    for (names, expected) in [
        (&["leaf", "middle", "root"][..], &["leaf", "middle", "root"][..]),
        (&["root", "middle", "leaf"], &["leaf", "middle", "root"]),
        (&["middle", "leaf", "root"], &["leaf", "middle", "root"]),
        (&["other", "middle", "leaf", "middle", "leaf"], &["leaf", "middle"]),
        (&["root", "leaf"], &["leaf"]),
        (&["leaf"], &["leaf"]),
    ] {
        assert_eq!(chain(&openssl, names, &all), expected, "{names:?}");
    }
}

#[test]
fn issuers_of_one_name_are_distinguished_by_their_key() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    // Another authority with the same name, which did not issue the leaf.
    std::fs::rename(openssl.path("middle.key"), openssl.path("true.key")).unwrap();
    std::fs::rename(openssl.path("middle.pem"), openssl.path("true.pem")).unwrap();
    openssl.issue("middle", P256, "root", &["basicConstraints=critical,CA:TRUE"]);
    let all = ["leaf", "middle", "true", "root"];
    for names in [["middle", "true", "root", "leaf"], ["true", "middle", "root", "leaf"]] {
        assert_eq!(chain(&openssl, &names, &all), ["leaf", "true", "root"], "{names:?}");
    }
}

#[test]
fn certificates_that_issued_each_other_end_the_chain() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let authority = &["basicConstraints=critical,CA:TRUE"][..];
    openssl.issue("one", P256, "root", authority);
    openssl.issue("two", P256, "one", authority);
    openssl.sign("one", "one-again", "two", authority);
    std::fs::copy(openssl.path("one-again.pem"), openssl.path("one.pem")).unwrap();
    openssl.issue("leaf", P256, "two", &["subjectAltName=DNS:app.example"]);
    let all = ["leaf", "one", "two"];
    assert_eq!(chain(&openssl, &["one", "two", "leaf"], &all), ["leaf", "two", "one"]);
}

#[test]
fn the_newest_certificate_of_a_key_is_the_leaf() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    // A request that the key signed, and a certificate of the authority after it.
    openssl.run(&["req", "-x509", "-key", "leaf.key", "-subj", "/CN=leaf", "-days", "3000", "-out", "own.pem"]);
    let certificate = read(&openssl, &["own", "leaf", "middle"]);
    assert_eq!(certificate.rustls_chain()[0].as_ref(), openssl.der("leaf"));
    assert_eq!(read(&openssl, &["own", "root"]).rustls_chain().len(), 1);
}

#[test]
fn an_authority_with_a_new_key_is_not_the_end_of_the_chain() {
    let Some(openssl) = Openssl::new() else { return };
    const IDENTIFIERS: &[&str] =
        &["basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"];
    openssl.key("old", P256);
    let own = ["req", "-x509", "-key", "old.key", "-subj", "/O=Contoso/CN=root", "-days", "30", "-out", "old.pem"];
    openssl.run(&own);
    // The certificate of the new key has the name of its issuer, whose key is the old one.
    openssl.issue("root", P256, "old", IDENTIFIERS);
    openssl.issue("leaf", P256, "root", &IDENTIFIERS[1..]);
    for names in [["leaf", "root", "old"], ["old", "root", "leaf"]] {
        assert_eq!(chain(&openssl, &names, &["leaf", "root", "old"]), ["leaf", "root", "old"], "{names:?}");
    }
}

#[test]
fn the_signature_distinguishes_issuers_without_key_identifiers() {
    let Some(openssl) = Openssl::new() else { return };
    openssl.root("root");
    openssl.issue("middle", P256, "root", BARE);
    openssl.issue("leaf", P256, "middle", &BARE[1..]);
    // Another authority with the same name, whose certificate expires later.
    std::fs::rename(openssl.path("middle.pem"), openssl.path("true.pem")).unwrap();
    openssl.key("middle", P256);
    let request = ["req", "-new", "-key", "middle.key", "-subj", "/O=Contoso/CN=middle", "-out", "middle.csr"];
    openssl.run(&request);
    std::fs::write(openssl.path("extensions"), BARE.join("\n")).unwrap();
    let sign = ["x509", "-req", "-in", "middle.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "3000"];
    openssl.run(&[&sign[..], &["-extfile", "extensions", "-out", "middle.pem"]].concat());
    let all = ["leaf", "middle", "true", "root"];
    for names in [["middle", "true", "root", "leaf"], ["true", "middle", "root", "leaf"]] {
        assert_eq!(chain(&openssl, &names, &all), ["leaf", "true", "root"], "{names:?}");
    }
}

#[test]
fn a_certificate_with_the_name_of_its_issuer_is_not_self_signed() {
    let Some(openssl) = Openssl::new() else { return };
    openssl.key("old", P256);
    let own = ["req", "-x509", "-key", "old.key", "-subj", "/O=Contoso/CN=root", "-days", "30", "-out", "old.pem"];
    openssl.run(&own);
    openssl.issue("root", P256, "old", BARE);
    openssl.issue("leaf", P256, "root", &BARE[1..]);
    for names in [["leaf", "root", "old"], ["old", "root", "leaf"]] {
        assert_eq!(chain(&openssl, &names, &["leaf", "root", "old"]), ["leaf", "root", "old"], "{names:?}");
    }
}

#[test]
fn an_issuer_whose_name_has_another_encoding_is_found() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    std::fs::write(openssl.path("printable"), "[req]\ndistinguished_name=dn\nstring_mask=pkix\n[dn]\n").unwrap();
    let request = ["req", "-x509", "-new", "-key", "middle.key", "-subj", "/O=Contoso/CN=middle"];
    let form = ["-config", "printable", "-addext", "subjectKeyIdentifier=hash", "-out", "printable.pem"];
    openssl.run(&[&request[..], &form].concat());
    std::fs::copy(openssl.path("middle.key"), openssl.path("printable.key")).unwrap();
    for extensions in [&["authorityKeyIdentifier=none"][..], &["authorityKeyIdentifier=keyid"]] {
        openssl.issue("leaf", P256, "printable", extensions);
        assert_ne!(openssl.der("middle"), openssl.der("printable"));
        let all = ["leaf", "middle", "root"];
        assert_eq!(chain(&openssl, &["root", "middle", "leaf"], &all), all, "{extensions:?}");
    }
}

#[test]
fn of_several_keys_that_of_a_valid_leaf_wins() {
    let authority = Authority::new();
    let key = || rcgen::KeyPair::generate().unwrap();
    let [expired, early, valid, best] = [("a", 2000, 2001), ("b", 2090, 2100), ("c", 2000, 2080), ("d", 2000, 2090)]
        .map(|(name, from, to)| authority.issue(&[&format!("{name}.example")], &key(), (from, to)));
    for (parts, expected) in [
        ([&expired, &early, &valid], "c.example"),
        ([&best, &valid, &early], "d.example"),
        ([&valid, &best, &expired], "d.example"),
        ([&early, &expired, &early], "b.example"),
    ] {
        let certificate = Certificate::from_bytes(parts.map(String::as_str).concat()).unwrap();
        assert_eq!(certificate.dns_names(), [expected]);
    }
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let keys = ["middle", "root"].map(|name| openssl.text(&format!("{name}.key"))).concat();
    let pem = ["root", "middle", "leaf"].map(|name| openssl.text(&format!("{name}.pem"))).concat();
    let certificate = Certificate::from_bytes(keys + &openssl.text("leaf.key") + &pem).unwrap();
    assert_eq!(certificate.rustls_chain()[0].as_ref(), openssl.der("leaf"));
}
