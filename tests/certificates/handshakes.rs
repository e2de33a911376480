//! Handshakes of rustls have the certificate that is current, for the name and the client.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use figment::Figment;
use keyvault::certificate::{Certificate, ServerCertificates};
use keyvault::derive::DerivedNotice;
use keyvault::{ErrorKind, InMemory, Live};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls::crypto::ring;
use rustls::{ClientConfig, SignatureScheme};
use serde::Deserialize;
use tokio::time::timeout;

use super::authority::Authority;
use super::connection::{connect, leaf, of_client, of_server, send};

#[test]
fn a_server_presents_the_certificate_for_the_name() {
    let authority = Authority::new();
    let default = authority.certificate(&["default.example"]);
    let shop = authority.certificate(&["shop.example", "www.shop.example"]);
    let wildcard = authority.certificate(&["*.shop.example"]);
    let older =
        Certificate::from_bytes(authority.issue(&["shop.example"], &KeyPair::generate().unwrap(), (2000, 2090)));
    let all = [default.clone(), wildcard.clone(), older.unwrap(), shop.clone()];
    let server = authority.server(ServerCertificates::new(all).unwrap());
    let client = authority.client(None);
    for (name, expected) in [
        ("shop.example", &shop),
        ("www.shop.example", &shop),
        ("a.shop.example", &wildcard),
        ("default.example", &default),
    ] {
        assert_eq!(of_server(&connect(&client, &server, name).unwrap()), leaf(expected), "{name}");
    }
    // The default certificate is not for these, and the client says so.
    for name in ["other.example", "a.b.shop.example", "127.0.0.1"] {
        assert!(connect(&client, &server, name).is_err(), "{name}");
    }
}

#[test]
fn a_client_gets_the_kind_of_certificate_that_it_can_verify() {
    let authority = Authority::new();
    let of = |key: &KeyPair, years| Certificate::from_bytes(authority.issue(&["shop.example"], key, years)).unwrap();
    let p256 = of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), (2000, 2100));
    let ed25519 = of(&KeyPair::generate_for(&PKCS_ED25519).unwrap(), (2000, 2090));
    let server = authority.server(ServerCertificates::new([p256.clone(), ed25519.clone()]).unwrap());
    for (scheme, expected) in [(SignatureScheme::ED25519, &ed25519), (SignatureScheme::ECDSA_NISTP256_SHA256, &p256)] {
        let mut provider = ring::default_provider();
        let algorithms = &mut provider.signature_verification_algorithms;
        let known = algorithms.mapping.iter().copied().filter(|(known, _)| *known == scheme);
        algorithms.mapping = Vec::leak(known.collect());
        let config = ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(authority.roots());
        let client = Arc::new(config.with_no_client_auth());
        assert_eq!(of_server(&connect(&client, &server, "shop.example").unwrap()), leaf(expected), "{scheme:?}");
    }
}

#[test]
fn certificates_outside_their_dates_are_refused() {
    let authority = Authority::new();
    let dated = |years| {
        let key = KeyPair::generate().unwrap();
        Certificate::from_bytes(authority.issue(&["shop.example"], &key, years)).unwrap()
    };
    let good = authority.certificate(&["shop.example"]);
    let of = |certificates: Vec<Certificate>| ServerCertificates::new(certificates);
    let (expired, early) = (dated((2000, 2001)), dated((2100, 2101)));
    let about = |clause, certificate: &Certificate| format!("{clause}: thumbprint {}", certificate.thumbprint());
    for (certificates, text) in [
        (vec![], "server has no certificate".to_owned()),
        (vec![expired.clone(), dated((2000, 2002))], about("certificate has expired", &expired)),
        (vec![early.clone()], about("certificate is not valid yet", &early)),
        (vec![good.clone(), early.clone()], about("certificate is not valid yet", &early)),
    ] {
        let error = of(certificates).unwrap_err();
        assert_eq!((error.to_string(), error.kind()), (text, ErrorKind::InvalidSettings));
        assert!(error.advice().is_some());
    }
    let certificates = of(vec![good, dated((2000, 2090))]).unwrap();
    assert_eq!(certificates.expires(), dated((2000, 2090)).expires());
}

#[test]
fn an_expired_certificate_of_several_yields_to_a_valid_one_and_keeps_its_other_names() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let expired = authority.issue(&["a.shop.example", "old.example"], &key, (2000, 2001));
    let expired = Certificate::from_bytes(expired).unwrap();
    let wildcard = authority.certificate(&["*.shop.example"]);
    let certificates = ServerCertificates::new([expired, wildcard.clone()]).unwrap();
    let server = authority.server(certificates);
    let client = authority.client(None);
    assert_eq!(of_server(&connect(&client, &server, "a.shop.example").unwrap()), leaf(&wildcard));
    let error = connect(&client, &server, "old.example").unwrap_err();
    assert!(format!("{error:?}").contains("Expired"), "{error:?}");
}

#[derive(Deserialize)]
struct Settings {
    tls: Certificate,
}

async fn start(vault: &InMemory) -> Live<Settings> {
    let layers = keyvault_figment::layered(vault.clone(), Figment::new);
    layers.minimum_failure_delay(Duration::ZERO).start().await.unwrap()
}

fn vault(pem: String) -> InMemory {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    vault.set("tls", pem).unwrap();
    vault
}

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn new_handshakes_have_a_renewed_certificate_and_old_connections_stay() {
    let authority = Authority::new();
    let vault = vault(authority.pem(&["shop.example"]));
    let live = start(&vault).await;
    let build = async |it: Arc<Settings>| Ok(ServerCertificates::new([it.tls.clone()])?);
    let certificates = live.derive(["tls"], build).await.unwrap();
    let server = authority.server(certificates.clone());
    let client = authority.client(None);
    let first = live.current().tls.clone();
    let mut old = connect(&client, &server, "shop.example").unwrap();
    assert_eq!(of_server(&old), leaf(&first));

    let mut watcher = certificates.watch();
    vault.set("tls", authority.pem(&["shop.example"])).unwrap();
    live.refresh_now().await.unwrap();
    timeout(TIMEOUT, watcher.replaced()).await.unwrap().unwrap();
    let second = live.current().tls.clone();
    assert_ne!(second.thumbprint(), first.thumbprint());
    assert_eq!(of_server(&connect(&client, &server, "shop.example").unwrap()), leaf(&second));

    // The old connection still carries data.
    send(&mut old);
    assert_eq!(of_server(&old), leaf(&first));

    // A renewal with wrong dates is reported, and the certificate stays.
    vault.set("tls", authority.issue(&["shop.example"], &KeyPair::generate().unwrap(), (2000, 2001))).unwrap();
    live.refresh_now().await.unwrap();
    let Some(DerivedNotice::Failed(error)) = timeout(TIMEOUT, watcher.next()).await.unwrap() else {
        panic!("an expired certificate was used")
    };
    assert!(error.to_string().contains("certificate has expired"), "{error}");
    assert!(certificates.health().last_error.unwrap().to_string().contains("certificate has expired"));
    assert_eq!(of_server(&connect(&client, &server, "shop.example").unwrap()), leaf(&second));
}

#[tokio::test]
async fn a_client_presents_the_certificate_that_is_current_and_valid() {
    let authority = Authority::new();
    let server = authority.server(ServerCertificates::new([authority.certificate(&["shop.example"])]).unwrap());
    let vault = vault(authority.pem(&["client.example"]));
    let live = start(&vault).await;
    let build = async |it: Arc<Settings>| {
        it.tls.check_dates(SystemTime::now())?;
        Ok(it.tls.clone())
    };
    let certificate = live.derive(["tls"], build).await.unwrap();
    let client = authority.client(Some(certificate.clone()));
    let mut watcher = certificate.watch();
    for renewal in 0..3 {
        let connection = connect(&client, &server, "shop.example").unwrap();
        assert_eq!(of_client(&connection), leaf(&live.current().tls), "{renewal}");
        vault.set("tls", authority.pem(&["client.example"])).unwrap();
        live.refresh_now().await.unwrap();
        timeout(TIMEOUT, watcher.replaced()).await.unwrap().unwrap();
    }
    let last = live.current().tls.clone();
    vault.set("tls", authority.issue(&["client.example"], &KeyPair::generate().unwrap(), (2099, 2100))).unwrap();
    live.refresh_now().await.unwrap();
    let notice = timeout(TIMEOUT, watcher.next()).await.unwrap();
    assert!(matches!(&notice, Some(DerivedNotice::Failed(_))), "{notice:?}");
    assert_eq!(of_client(&connect(&client, &server, "shop.example").unwrap()), leaf(&last));
}
