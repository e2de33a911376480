//! Imports of containers that `openssl` wrote, and of PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyvault_emulator::Emulator;
use serde_json::{Value, json};

use super::{get, send};
use crate::TestResponse;

async fn import(emulator: &Emulator, body: Value) -> TestResponse {
    send(emulator, "POST", "/certificates/tls/import", body).await
}

/// A key with its certificate in the files that `openssl` needs.
struct Files(tempfile::TempDir);

impl Files {
    /// Creates a key. `None` without `openssl`, which is an error in CI.
    fn create(key: &[&str]) -> Option<Self> {
        let files = Self(tempfile::tempdir().unwrap());
        let mut arguments = vec!["req", "-x509", "-nodes", "-days", "30"];
        let has_subject = key.contains(&"-subj");
        if !has_subject {
            arguments.extend(["-subj", "/O=Contoso, Ltd/CN=app.example"]);
        }
        arguments.extend(["-addext", "subjectAltName=DNS:app.example,IP:127.0.0.1", "-keyout", "key", "-out", "cert"]);
        arguments.extend(key);
        files.openssl(&arguments).then_some(files)
    }

    fn openssl(&self, arguments: &[&str]) -> bool {
        let output = std::process::Command::new("openssl").args(arguments).current_dir(self.0.path()).output();
        let Ok(output) = output else {
            assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
            eprintln!("SKIPPED: openssl is not installed");
            return false;
        };
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        true
    }

    fn container(&self, options: &[&str]) -> String {
        let mut arguments = vec!["pkcs12", "-export", "-inkey", "key", "-in", "cert", "-out", "pfx"];
        arguments.extend(options);
        self.openssl(&arguments);
        STANDARD.encode(std::fs::read(self.0.path().join("pfx")).unwrap())
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

const RSA: &[&str] = &["-newkey", "rsa:2048"];
const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"];

#[tokio::test]
async fn every_encryption_of_pkcs12_is_imported_with_its_password() {
    let Some(files) = Files::create(EC) else { return };
    let emulator = Emulator::start().await.unwrap();
    let cer: String = files.text("cert").lines().filter(|line| !line.starts_with('-')).collect();
    let modern: &[&str] = &["-certpbe", "AES-128-CBC", "-keypbe", "AES-192-CBC", "-macalg", "sha512"];
    for (options, password) in [
        (&[][..], "päss wörd"),
        (&[], ""),
        (modern, "hunter2"),
        (&["-legacy", "-descert"], "hunter2"),
        (&["-legacy"], ""),
        (&["-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-3DES"], "hunter2"),
        (&["-certpbe", "NONE", "-keypbe", "NONE"], "hunter2"),
        (&["-certpbe", "NONE", "-keypbe", "NONE", "-nomac"], ""),
        (&["-iter", "100000", "-macalg", "sha384"], "hunter2"),
    ] {
        let passed = format!("pass:{password}");
        let container = files.container(&[options, &["-passout", &passed]].concat());
        let response = import(&emulator, json!({ "value": container, "pwd": password })).await;
        assert_eq!(response.status(), 200, "{options:?}: {}", response.text());
        assert_eq!(response.json()["cer"], cer, "{options:?}");
        let wrong = import(&emulator, json!({ "value": container, "pwd": "hunter3" })).await;
        let has_mac = !options.contains(&"-nomac");
        assert_eq!(wrong.status() == 400, has_mac, "{options:?}: {}", wrong.text());
    }
    let certificate = get(&emulator, "/certificates/tls").await;
    let policy = &certificate["policy"];
    assert_eq!(policy["x509_props"]["subject"], "O=\"Contoso, Ltd\", CN=app.example");
    assert_eq!(policy["x509_props"]["sans"]["dns_names"], json!(["app.example"]));
    assert_eq!((&policy["key_props"]["crv"], &policy["key_props"]["kty"]), (&"P-384".into(), &"EC".into()));
    assert_eq!((&policy["issuer"]["name"], &policy["x509_props"]["validity_months"]), (&"Unknown".into(), &1.into()));
    assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
    let value = get(&emulator, "/secrets/tls").await["value"].as_str().unwrap().to_owned();
    let container = STANDARD.decode(value).unwrap();
    let pem = super::openssl(&["pkcs12", "-nodes", "-passin", "pass:", "-in"], &container).unwrap();
    assert!(pem.contains("BEGIN PRIVATE KEY") && pem.contains("BEGIN CERTIFICATE"), "no password any more");
}

#[tokio::test]
async fn pem_is_imported_as_text_or_base64_in_any_order() {
    let Some(files) = Files::create(RSA) else { return };
    let (key, certificate) = (files.text("key"), files.text("cert"));
    let emulator = Emulator::start().await.unwrap();
    for value in [format!("{key}{certificate}"), STANDARD.encode(format!("{certificate}\ntext\n{key}"))] {
        let response = import(&emulator, json!({ "value": value, "tags": { "a": "b" } })).await;
        assert_eq!(response.status(), 200, "{}", response.text());
        assert_eq!(response.json()["policy"]["key_props"]["key_size"], 2048);
        let secret = get(&emulator, "/secrets/tls").await;
        assert_eq!(secret["contentType"], "application/x-pem-file");
        assert_eq!(
            secret["value"].as_str().unwrap().replace('\n', ""),
            format!("{key}{certificate}").replace('\n', "")
        );
    }
    let policy = json!({ "secret_props": { "contentType": "application/x-pkcs12" }, "issuer": { "name": "Self" } });
    import(&emulator, json!({ "value": format!("{key}{certificate}"), "policy": policy })).await;
    let secret = get(&emulator, "/secrets/tls").await;
    assert_eq!((&secret["contentType"], secret["previousVersion"].is_string()), (&"application/x-pkcs12".into(), true));
    let policy = get(&emulator, "/certificates/tls/policy").await;
    assert_eq!((&policy["issuer"]["name"], &policy["key_props"]["key_size"]), (&"Self".into(), &2048.into()));
    assert_eq!(get(&emulator, "/certificates/tls/versions").await["value"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_certificate_with_names_that_the_emulator_cannot_write_is_imported_with_a_policy() {
    let subject = "/CN=app.example/OU=first/OU=second/serialNumber=7";
    let Some(files) = Files::create(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", subject]) else {
        return;
    };
    let emulator = Emulator::start().await.unwrap();
    let value = format!("{}{}", files.text("key"), files.text("cert"));
    for policy in [json!({ "key_props": { "exportable": true } }), json!({ "issuer": { "name": "Unknown" } })] {
        let response = import(&emulator, json!({ "value": value, "policy": policy })).await;
        assert_eq!(response.status(), 200, "{policy}: {}", response.text());
        let subject = response.json()["policy"]["x509_props"]["subject"].clone();
        assert_eq!(subject, "CN=app.example, OU=first, OU=second, 2.5.4.5=7");
    }
    let renewed = json!({ "value": value, "policy": { "issuer": { "name": "Self" } } });
    assert_eq!(import(&emulator, renewed).await.error().1, "BadParameter", "a renewal cannot write the names");
}

#[tokio::test]
async fn an_import_that_cannot_be_read_is_refused_without_a_byte_of_it() {
    let (Some(files), Some(other)) = (Files::create(EC), Files::create(EC)) else { return };
    let emulator = Emulator::start().await.unwrap();
    let key = files.text("key");
    let unsupported = Files::create(&["-newkey", "ed25519"]).unwrap();
    for value in [
        key.clone(),
        files.text("cert"),
        format!("{key}{}", other.text("cert")),
        format!("{}{}", unsupported.text("key"), unsupported.text("cert")),
        key.replace("BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY") + &files.text("cert"),
        STANDARD.encode("canary canary"),
        "canary?".to_owned(),
        String::new(),
        files.container(&["-passout", "pass:canary"]),
        files.container(&["-passout", "pass:", "-nokeys"]),
    ] {
        let response = import(&emulator, json!({ "value": value, "pwd": "" })).await;
        assert_eq!(response.error().1, "BadParameter", "{value}");
        let body: String = key.lines().nth(1).unwrap().to_owned();
        assert!(!response.text().contains(&body) && !response.text().contains("canary"), "{}", response.text());
    }
    assert_eq!(crate::get(&emulator, "/certificates/tls").await.status(), 404);
    assert!(!format!("{emulator:?} {:?}", emulator.request_log()).contains("PRIVATE"));
}
