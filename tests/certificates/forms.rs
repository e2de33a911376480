//! A certificate is the same whatever form it had.

use keyvault::certificate::Certificate;
use std::time::{Duration, SystemTime};

use super::openssl::{KEYS, Openssl, P256};

/// Asserts that a certificate is the leaf of the folder, with its key and its chain.
fn assert_leaf(openssl: &Openssl, certificate: &Certificate, form: &str) {
    assert_eq!(certificate.thumbprint(), openssl.fingerprint("leaf", "-sha1"), "{form}");
    assert_eq!(certificate.thumbprint_sha256(), openssl.fingerprint("leaf", "-sha256"), "{form}");
    let chain = [openssl.der("leaf"), openssl.der("middle"), openssl.der("root")];
    assert!(certificate.rustls_chain().iter().map(AsRef::as_ref).eq(chain.iter().map(Vec::as_slice)), "{form}");
    std::fs::write(openssl.path("read.key"), certificate.key_pem().as_bytes()).unwrap();
    let public_key = |name| openssl.run(&["pkey", "-in", name, "-pubout"]);
    assert_eq!(public_key("read.key"), public_key("leaf.key"), "{form}");
}

fn read(bytes: impl AsRef<[u8]>, form: &str) -> Certificate {
    Certificate::from_bytes(bytes).unwrap_or_else(|error| panic!("{form}: {error}"))
}

#[test]
fn keys_of_every_kind_are_read_from_containers_and_from_pem() {
    for kind in KEYS {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        let form = kind.join(" ");
        assert_leaf(&openssl, &read(openssl.container("a.pfx", &["-passout", "pass:"]), &form), &form);
        let pem = openssl.text("leaf.key") + &openssl.text("leaf.pem") + &openssl.text("issuers.pem");
        assert_leaf(&openssl, &read(pem, &form), &form);
        if !form.contains("ED25519") {
            // PKCS#1 and SEC1.
            openssl.run(&["pkey", "-in", "leaf.key", "-traditional", "-out", "old.key"]);
            let old = openssl.text("old.key");
            assert!(old.contains("BEGIN RSA PRIVATE") || old.contains("BEGIN EC PRIVATE"), "{old}");
            let pem = openssl.text("issuers.pem") + &old + &openssl.text("leaf.pem");
            assert_leaf(&openssl, &read(pem, &form), &form);
        }
        if form.contains("EC ") {
            // Java writes such keys.
            openssl.run(&["ec", "-in", "leaf.key", "-no_public", "-out", "short.key"]);
            let pem = openssl.text("short.key") + &openssl.text("leaf.pem") + &openssl.text("issuers.pem");
            assert_leaf(&openssl, &read(pem, &form), &form);
        }
    }
}

#[test]
fn containers_of_every_encryption_and_mac_are_opened() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let passwords = ["geheim", "pässwörd 😀", &"x".repeat(200)];
    let arguments = [
        &[][..],
        &["-legacy"],
        &["-legacy", "-descert"],
        &["-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-2DES"],
        &["-certpbe", "AES-128-CBC", "-keypbe", "AES-192-CBC"],
        &["-certpbe", "DES-EDE3-CBC", "-keypbe", "DES-EDE3-CBC"],
        &["-certpbe", "NONE", "-keypbe", "NONE"],
        &["-macalg", "sha1"],
        &["-macalg", "sha384"],
        &["-macalg", "sha512"],
        &["-nomac"],
        &["-legacy", "-nomac"],
        &["-iter", "1"],
        &["-iter", "100000"],
        &["-nomaciter"],
        &["-name", "a friendly näme", "-caname", "the other", "-CSP", "Microsoft RSA SChannel"],
        &["-LMK"],
    ];
    for (n, arguments) in arguments.into_iter().enumerate() {
        for password in ["", passwords[n % passwords.len()]] {
            let form = format!("{arguments:?} {password}");
            let password_argument = format!("pass:{password}");
            let container = openssl.container("a.pfx", &[arguments, &["-passout", &password_argument]].concat());
            let certificate = Certificate::from_bytes_with_password(&container, password);
            assert_leaf(&openssl, &certificate.unwrap_or_else(|error| panic!("{form}: {error}")), &form);
        }
    }
}

#[test]
fn a_value_is_read_as_people_store_it() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let base64 = |bytes: &[u8]| azure_core::base64::encode(bytes);
    let open = openssl.container("a.pfx", &["-passout", "pass:"]);
    let closed = openssl.container("b.pfx", &["-passout", "pass:geheim"]);
    let pem = openssl.text("leaf.key") + &openssl.text("leaf.pem") + &openssl.text("issuers.pem");
    let lines =
        |text: &str| text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect::<String>();
    let json = format!(r#"{{"data":"{}","dataType":"pfx","password":"geheim"}}"#, base64(&closed));
    let escaped = json.replace('+', "\\u002B").replace('/', "\\/");
    let encrypted = openssl.run(&["pkcs12", "-in", "b.pfx", "-passin", "pass:geheim", "-nodes"]);
    assert!(encrypted.contains("Bag Attributes"), "{encrypted}");
    let chain = openssl.text("leaf.pem") + &openssl.text("issuers.pem");
    let pem_in_json = serde_json::json!({ "tls.key": openssl.text("leaf.key"), "tls.crt": chain }).to_string();
    let trusted = openssl.run(&["x509", "-in", "leaf.pem", "-trustout", "-addtrust", "serverAuth"]);
    assert!(trusted.contains("BEGIN TRUSTED"), "{trusted}");
    let signed = openssl.run(&["crl2pkcs7", "-nocrl", "-certfile", "issuers.pem", "-certfile", "leaf.pem"]);
    assert!(signed.contains("BEGIN PKCS7"), "{signed}");
    let parts = ["leaf", "middle", "root"].map(|name| base64(&openssl.der(name)));
    let key = base64(&openssl.key_der("leaf", &[]));
    let parts_in_der = serde_json::json!({ "key": key, "certificates": parts }).to_string();
    let numbered = openssl.container("c.pfx", &["-passout", "pass:20261130"]);
    let member = |name: &str, value: &str| serde_json::json!({ name: value }).to_string();
    let json_in_json = serde_json::json!({ "apps": [{ "name": "shop", "tls": pem_in_json }] }).to_string();
    let chain_in_data = serde_json::json!({ "data": chain, "private": openssl.text("leaf.key") }).to_string();
    let secret_of_kubernetes = serde_json::json!({ "kind": "Secret", "data": {
        "tls.crt": base64(chain.as_bytes()), "tls.key": base64(openssl.text("leaf.key").as_bytes()),
    }});
    let container_in_pem = format!("-----BEGIN PKCS12-----\n{}-----END PKCS12-----\n", lines(&base64(&open)));
    for (form, value) in [
        ("binary", open.clone()),
        ("BER", ber(&open)),
        ("base64", base64(&open).into_bytes()),
        ("base64 in lines", lines(&base64(&open)).into_bytes()),
        ("base64 without padding", base64(&open).trim_end_matches('=').as_bytes().to_vec()),
        ("base64 in base64", base64(base64(&open).as_bytes()).into_bytes()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into_bytes()),
        ("PEM in one line", pem.replace('\n', " ").into_bytes()),
        ("PEM with escaped line ends", pem.replace('\n', "\\n").into_bytes()),
        ("PEM with text around it", format!("\u{feff}key:\n{pem}\nthat's all").into_bytes()),
        ("PEM of openssl pkcs12", encrypted.into_bytes()),
        ("base64 of PEM", base64(pem.as_bytes()).into_bytes()),
        ("JSON", json.clone().into_bytes()),
        ("JSON with escapes", escaped.into_bytes()),
        ("base64 of JSON", base64(json.as_bytes()).into_bytes()),
        ("JSON with PEM", serde_json::to_vec(&serde_json::json!({ "data": pem })).unwrap()),
        ("JSON with PEM in other members", pem_in_json.clone().into_bytes()),
        ("base64 of JSON with PEM", base64(pem_in_json.as_bytes()).into_bytes()),
        ("JSON of PHP", member("pem", &pem).replace('/', "\\/").into_bytes()),
        ("JSON of .NET", member("pem", &pem.replace('\n', "\r\n")).replace('+', "\\u002B").into_bytes()),
        ("JSON of Gson", member("pem", &pem).replace('=', "\\u003d").into_bytes()),
        ("JSON with tabs", member("pem", &pem.replace('\n', "\n\t")).into_bytes()),
        ("JSON in JSON", json_in_json.into_bytes()),
        ("JSON with the chain in data", chain_in_data.into_bytes()),
        ("JSON of Kubernetes", secret_of_kubernetes.to_string().into_bytes()),
        ("JSON with capitals", format!(r#"{{"Data":"{}","Password":"geheim"}}"#, base64(&closed)).into_bytes()),
        ("JSON with a number", format!(r#"{{"data":"{}","password":20261130}}"#, base64(&numbered)).into_bytes()),
        ("JSON with a line end", json.replace("geheim", "geheim\\r\\n").into_bytes()),
        ("JSON without a password", format!(r#"{{"data":"{}","password":null}}"#, base64(&open)).into_bytes()),
        ("a container in another member", member("pfx", &base64(&open)).into_bytes()),
        ("base64 in quotes", format!("\"{}\"", base64(&open)).into_bytes()),
        ("base64 in lines in quotes", format!("'{}'", lines(&base64(&open))).into_bytes()),
        ("PEM as a JSON string", serde_json::to_vec(&pem).unwrap()),
        ("JSON as a JSON string", serde_json::to_vec(&json).unwrap()),
        ("PEM in a JSON array", serde_json::to_vec(&["shop", &pem]).unwrap()),
        ("PEM in UTF-16", utf16(&format!("\u{feff}{pem}"), u16::to_le_bytes)),
        ("PEM in UTF-16 without a mark", utf16(&pem, u16::to_be_bytes)),
        ("base64 of JSON in UTF-16", base64(&utf16(&json, u16::to_le_bytes)).into_bytes()),
        ("PEM after a brace", format!("{{ tls }}\n{pem}").into_bytes()),
        ("a container in PEM", container_in_pem.clone().into_bytes()),
        ("a container as certutil writes it", container_in_pem.replace("PKCS12", "CERTIFICATE").into_bytes()),
        ("PEM with headers", pem.replace("KEY-----\nM", "KEY-----\nKey: app.example\nUse: TLS\n\nM").into_bytes()),
        ("a certificate with trust", (openssl.text("leaf.key") + &trusted + &openssl.text("issuers.pem")).into_bytes()),
        ("a key with PKCS#7", (openssl.text("leaf.key") + &signed).into_bytes()),
        ("DER in JSON", parts_in_der.into_bytes()),
    ] {
        assert_leaf(&openssl, &read(value, form), form);
    }
}

#[test]
fn a_key_is_read_under_the_label_of_another_form() {
    for kind in [KEYS[0], P256] {
        let Some(openssl) = Openssl::with_chain(kind) else { return };
        openssl.container("a.pfx", &["-passout", "pass:"]);
        for form in [&[][..], &["-traditional"]] {
            let key = azure_core::base64::encode(openssl.key_der("leaf", form));
            for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
                let pem = format!("-----BEGIN {label}-----\n{key}\n-----END {label}-----\n");
                let form = format!("{kind:?} {form:?} as {label}");
                let pem = pem + &openssl.text("leaf.pem") + &openssl.text("issuers.pem");
                assert_leaf(&openssl, &read(pem, &form), &form);
            }
        }
    }
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_key_of_a_curve_is_completed_by_its_certificate() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    // A key whose number begins with a zero.
    let number = [&[0][..], &[7; 31]].concat();
    const CURVE: &[u8] = &[0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    std::fs::write(openssl.path("leaf.der"), sec1(&number, CURVE)).unwrap();
    openssl.run(&["pkey", "-inform", "DER", "-in", "leaf.der", "-out", "leaf.key"]);
    openssl.sign("leaf", "leaf", "middle", &["subjectAltName=DNS:app.example"]);
    openssl.container("a.pfx", &["-passout", "pass:"]);
    let chain = openssl.text("leaf.pem") + &openssl.text("issuers.pem");
    for length in [31, 32, 33] {
        for curve in [&[][..], CURVE] {
            let form = format!("{length} bytes, {} of the curve", curve.len());
            let number = [&vec![0; length - 31][..], &number[1..]].concat();
            let key = azure_core::base64::encode(sec1(&number, curve));
            let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{key}\n-----END EC PRIVATE KEY-----\n{chain}");
            assert_leaf(&openssl, &read(pem, &form), &form);
        }
    }
    openssl.run(&["ec", "-in", "leaf.key", "-conv_form", "compressed", "-out", "compressed.key"]);
    assert_leaf(&openssl, &read(openssl.text("compressed.key") + &chain, "compressed"), "compressed");
}

/// Encodes a key as SEC1 does, without its public key.
fn sec1(number: &[u8], curve: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let key = [&[2, 1, 1, 4, length(number)][..], number, curve].concat();
    [&[0x30, length(&key)][..], &key].concat()
}

/// Rewrites DER as some tools write it: with indefinite lengths, and with long strings in pieces.
fn ber(mut der: &[u8]) -> Vec<u8> {
    let mut ber = Vec::new();
    while let [tag, length, rest @ ..] = der {
        let digits = if *length < 0x80 { 0 } else { usize::from(length & 0x7f) };
        let number = rest[..digits].iter().fold(0, |number, digit| number << 8 | usize::from(*digit));
        let (value, after) = rest[digits..].split_at(if digits == 0 { usize::from(*length) } else { number });
        der = after;
        if tag & 0x20 != 0 {
            ber.extend([&[*tag, 0x80][..], &self::ber(value), &[0, 0]].concat());
        } else if value.len() >= 0x80 {
            ber.extend([tag | 0x20, 0x80]);
            value.chunks(100).for_each(|piece| ber.extend([&[4, piece.len() as u8][..], piece].concat()));
            ber.extend([0, 0]);
        } else {
            ber.extend([&[*tag, *length][..], value].concat());
        }
    }
    ber
}

#[test]
fn encrypted_pem_is_read_with_its_password() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    openssl.container("a.pfx", &["-passout", "pass:"]);
    for arguments in [
        &["-v2", "aes256"][..],
        &["-v2", "des3"],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        &["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA224"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
    ] {
        let topk8 = ["pkcs8", "-topk8", "-in", "leaf.key", "-passout", "pass:geheim", "-out", "closed.key"];
        openssl.run(&[&topk8[..], arguments].concat());
        let pem = openssl.text("leaf.pem") + &openssl.text("issuers.pem") + &openssl.text("closed.key");
        let certificate = Certificate::from_bytes_with_password(&pem, "geheim").unwrap();
        assert_leaf(&openssl, &certificate, &arguments.join(" "));
        let error = Certificate::from_bytes(&pem).unwrap_err();
        assert_eq!(error.to_string(), "password of the certificate is missing or wrong");
    }
}

#[test]
fn the_names_and_dates_of_the_leaf_are_read() {
    let Some(openssl) = Openssl::with_chain(P256) else { return };
    let certificate = read(openssl.text("leaf.key") + &openssl.text("leaf.pem"), "PEM");
    assert_eq!(certificate.subject(), "CN=leaf,O=Contoso");
    assert_eq!(certificate.common_name(), Some("leaf"));
    assert_eq!(certificate.dns_names(), ["app.example", "*.app.example"]);
    assert_eq!(certificate.ip_addresses(), ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    for (name, expected) in [
        ("app.example", true),
        ("APP.example.", true),
        ("www.app.example", true),
        ("a.www.app.example", false),
        ("leaf", false),
        ("example", false),
        ("", false),
    ] {
        assert_eq!(certificate.is_for(name), expected, "{name}");
    }
    let day = Duration::from_secs(86_400);
    assert_eq!(certificate.expires().duration_since(certificate.not_before()).unwrap(), 20 * day);
    let now = SystemTime::now();
    certificate.check_dates(now).unwrap();
    let problem = |time| certificate.check_dates(time).unwrap_err().to_string();
    assert_eq!(problem(now + 21 * day), "certificate has expired");
    assert_eq!(problem(now - day), "certificate is not valid yet");
    let debug = format!("{certificate:?}");
    assert!(debug.contains("CN=leaf") && debug.contains(certificate.thumbprint()) && debug.len() < 150, "{debug}");
}
