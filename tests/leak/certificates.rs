//! Certificates: private keys and passwords, in containers and PEM that can be used and in those that cannot.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keyvault::ValidationError;
use keyvault::certificate::{Certificate, ServerCertificates};
use keyvault_test_support::canary::Canary;
use serde::de::DeserializeOwned;

use super::scan::Scan;
use super::settings::{BOTH, One, Service};

/// Returns a container of the tests of certificates.
fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates/vectors").join(name)).unwrap()
}

fn accept<T>(_: &T) -> Result<(), ValidationError> {
    Ok(())
}

/// The key of a certificate, and a password that no container has.
struct Secrets {
    good: Certificate,
    password: Canary,
}

impl Secrets {
    /// Looks for the key in PEM, and for its secret number as text.
    fn in_search(scan: &mut Scan) -> Self {
        let good = Certificate::from_bytes(vector("python_open.p12")).unwrap();
        let pem = good.key_pem();
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        lines.iter().filter(|line| line.len() == 64).for_each(|line| scan.look_for(*line));
        let der = azure_core::base64::decode(lines.concat()).unwrap();
        // The number of 32 bytes follows the header of PKCS#8 for P-256.
        let number = &der[36..68];
        let join =
            |separator: &str, write: fn(&u8) -> String| number.iter().map(write).collect::<Vec<_>>().join(separator);
        scan.look_for(join("", |byte| format!("{byte:02x}")));
        scan.look_for(join("", |byte| format!("{byte:02X}")));
        scan.look_for(join(",", u8::to_string));
        let password = Canary::word();
        scan.look_for(password.text());
        Self { good, password }
    }

    /// Returns values that are certificates, and values that cannot be used.
    fn values(&self) -> Vec<(&'static str, String)> {
        let (key, chain) = (self.good.key_pem(), self.good.chain_pem());
        let other = String::from_utf8(vector("rsa.pem")).unwrap();
        let closed = azure_core::base64::encode(vector("java.p12"));
        let open = azure_core::base64::encode(self.good.pfx());
        let pem = format!("{}{chain}", *key);
        let password = self.password.text();
        vec![
            ("PEM", pem.clone()),
            ("PEM with CRLF", pem.replace('\n', "\r\n")),
            ("PEM with text around it", format!("{password}\n{pem}\n{password}")),
            ("PEM in JSON", serde_json::json!({ "key": *key, "chain": chain }).to_string()),
            ("PKCS#12", open.clone()),
            ("the key of another", format!("{}{other}", *key)),
            ("a key alone", key.to_string()),
            ("a key alone, in JSON", serde_json::json!({ "data": *key, "password": password }).to_string()),
            ("a damaged key", pem.replacen("MI", "MA", 1)),
            ("a key of no known kind", pem.replace("PRIVATE KEY", "MAGIC PRIVATE KEY")),
            ("a cut key", key[..key.len() - 40].to_owned()),
            ("a damaged chain", format!("{}{}", *key, chain.replacen("MI", "MA", 1))),
            ("a cut container", open[..open.len() - 100].to_owned()),
            ("a wrong password", serde_json::json!({ "data": closed, "password": password }).to_string()),
            ("a wrong member", serde_json::json!({ "data": { "pfx": open }, "password": password }).to_string()),
            ("much", pem.repeat(2_000)),
            ("many keys", format!("{}{chain}", key.repeat(11))),
            ("text", password.to_owned()),
        ]
    }
}

async fn settings<T: DeserializeOwned + std::fmt::Debug + Send + Sync + 'static>(
    scan: &mut Scan,
    secrets: &Secrets,
    toml: &str,
) {
    for framework in BOTH {
        let service = Service::with(scan, toml);
        for (what, value) in secrets.values() {
            service.vault.set("password", value).unwrap();
            let live = service.start::<One<T>>(framework, accept).await;
            scan.outcome(what, &live);
            let resolved = service.resolve::<One<T>>(framework, scan).await;
            // The text of a setting is the program's own.
            scan.outcome(what, &resolved.map(|_| ()));
        }
        // From one to the next, with a last good value.
        service.vault.set("password", secrets.good.pem().as_str()).unwrap();
        let live = service.start::<One<T>>(framework, accept).await.unwrap();
        for (what, value) in secrets.values() {
            service.vault.set("password", value).unwrap();
            scan.outcome(what, &live.refresh_now().await);
            scan.shows(what, &live);
            scan.shows(what, &live.health());
            scan.writes(what, &live.health());
        }
    }
}

#[tokio::test]
async fn a_certificate_is_read_without_showing_its_key_or_password() {
    let mut scan = Scan::begin();
    let secrets = Secrets::in_search(&mut scan);
    for (what, value) in secrets.values() {
        scan.outcome(what, &Certificate::from_bytes(&value));
        scan.outcome(what, &Certificate::from_bytes_with_password(&value, secrets.password.text()));
    }
    for container in
        ["java.p12", "windows_style.pfx", "nss_triple_des.p12", "pbmac1_sha256_sha256.p12", "forge_3des.p12"]
    {
        scan.outcome(container, &Certificate::from_bytes_with_password(vector(container), secrets.password.text()));
    }
    settings::<Certificate>(&mut scan, &secrets, "value = '@KeyVault(SecretName=password)'").await;
    scan.end();
}

#[tokio::test]
async fn a_format_of_a_certificate_is_made_without_showing_its_key_or_password() {
    let mut scan = Scan::begin();
    let secrets = Secrets::in_search(&mut scan);
    for format in ["pem", "key", "chain", "pfx"] {
        let toml = format!("value = '@KeyVault(SecretName=password;Format={format})'");
        settings::<Hidden>(&mut scan, &secrets, &toml).await;
    }
    scan.end();
}

/// Text whose `Debug` shows nothing.
#[derive(serde::Deserialize)]
struct Hidden(#[expect(dead_code, reason = "it is only read")] String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

#[tokio::test]
async fn a_derived_certificate_shows_no_key_and_neither_does_a_panic() {
    let mut scan = Scan::begin();
    let secrets = Secrets::in_search(&mut scan);
    let service = Service::with(&scan, "value = '@KeyVault(SecretName=password)'");
    service.vault.set("password", secrets.good.pem().as_str()).unwrap();
    let live = service.start::<One<Certificate>>(BOTH[0], accept).await.unwrap();
    let build = async |it: Arc<One<Certificate>>| Ok(ServerCertificates::new([it.value.clone()])?);
    let servers = live.derive(["value"], build).await.unwrap();
    scan.shows("derived", &servers);
    scan.shows("certificates", &*servers.current());
    scan.shows("certified key", &servers.current().certificates()[0].certified_key());
    let panics = async |it: Arc<One<Certificate>>| -> Result<(), ValidationError> { panic!("cannot use {it:?}") };
    scan.outcome("panic", &live.derive(["value"], panics).await.map(|_| ()));
    for (what, value) in secrets.values() {
        service.vault.set("password", value).unwrap();
        scan.outcome(what, &live.refresh_now().await);
        scan.shows(what, &servers.health());
        scan.writes(what, &servers.health());
    }
    scan.end();
}
