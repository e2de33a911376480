//! Secrets behind a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyvault_emulator::{Certificate, Emulator, SetSecret};
use serde_json::Value;

use crate::{call, get, with_version};

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    let certificate = Certificate::self_signed("app.example").unwrap();
    let vault = emulator.vault("contoso");
    vault.set_secret("tls", SetSecret::certificate(certificate.clone()));
    vault.set_secret("pem", SetSecret::certificate(certificate.as_pem()).tag("k", "v"));
    vault.set("plain", "1");
    emulator
}

#[tokio::test]
async fn a_certificate_creates_a_managed_secret_with_its_dates_and_key_identifier() {
    let emulator = emulator().await;
    let secret = get(&emulator, "/secrets/tls").await;
    let body = secret.json();
    assert_eq!((&body["contentType"], &body["managed"]), (&"application/x-pkcs12".into(), &true.into()));
    assert_eq!(body["kid"], body["id"].as_str().unwrap().replace("/secrets/", "/keys/"));
    let (nbf, exp) = (body["attributes"]["nbf"].as_i64(), body["attributes"]["exp"].as_i64());
    assert_eq!(exp.unwrap() - nbf.unwrap(), 365 * 86_400);
    let value = STANDARD.decode(body["value"].as_str().unwrap()).unwrap();
    assert_eq!(&value[..2], &[0x30, 0x82], "DER");
    let fields = ["\"value\"", "\"contentType\"", "\"id\"", "\"managed\"", "\"attributes\"", "\"kid\""];
    assert!(fields.iter().map(|field| secret.text().find(field)).is_sorted(), "{body}");

    let pem = get(&emulator, "/secrets/pem").await.json();
    assert_eq!(pem["contentType"], "application/x-pem-file");
    assert!(pem["value"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"), "{pem}");
    let plain = get(&emulator, "/secrets/plain").await.json();
    assert!(["managed", "kid", "contentType"].iter().all(|name| plain.get(name).is_none()), "{plain}");
    for path in ["/secrets", "/secrets/tls/versions"] {
        let list = get(&emulator, path).await.json();
        let item = list["value"].as_array().unwrap().iter().find(|item| item["contentType"] == "application/x-pkcs12");
        assert_eq!(item.unwrap()["managed"], true, "{list}");
        assert_eq!(item.unwrap().get("kid"), None, "{list}");
    }
}

#[tokio::test]
async fn a_client_cannot_delete_or_set_a_managed_secret() {
    let emulator = emulator().await;
    for (method, body) in [("DELETE", ""), ("PUT", r#"{"value":"mine"}"#)] {
        let response = call(&emulator, method, &with_version("/secrets/tls"), body).await;
        assert_eq!(response.error(), (403, "Forbidden".to_owned(), "SecretManagedByKeyVault".to_owned()), "{method}");
    }
    assert!(emulator.vault("contoso").delete("tls"), "like a deletion of the certificate");
    assert_eq!(get(&emulator, "/deletedsecrets/tls").await.json()["managed"], true);
}

#[tokio::test]
async fn only_a_pfx_converts_to_pem_since_2025_07_01() {
    let emulator = emulator().await;
    let pem = get(&emulator, "/secrets/pem").await.json()["value"].clone();
    let path = |name: &str, version: &str| {
        format!("/secrets/{name}/?api-version={version}&outContentType=application%2Fx-pem-file")
    };
    for version in ["2025-07-01", "2026-04-01"] {
        let response = call(&emulator, "GET", &path("tls", version), "").await.json();
        assert_eq!((&response["value"], &response["contentType"]), (&pem, &Value::from("application/x-pem-file")));
    }
    let old = call(&emulator, "GET", &path("tls", "7.6"), "").await.json();
    assert_eq!(old["contentType"], "application/x-pkcs12", "an older version ignores the parameter");
    for name in ["plain", "pem"] {
        let response = call(&emulator, "GET", &path(name, "2025-07-01"), "").await;
        assert_eq!(
            response.text(),
            r#"{"error":{"code":"BadParameter","message":"The 'Unsupported' to 'PEM' transformation is not supported. Only PFX to PEM transformation is supported."}}"#
        );
    }
}

#[tokio::test]
async fn a_renewed_certificate_names_its_previous_version() {
    let emulator = emulator().await;
    let first = get(&emulator, "/secrets/tls").await.json();
    let first_version = first["id"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(first.get("previousVersion"), None);
    let renewed = Certificate::self_signed("app.example").unwrap();
    emulator.vault("contoso").set_secret("tls", SetSecret::certificate(renewed));
    assert_eq!(get(&emulator, "/secrets/tls").await.json()["previousVersion"], first_version);
    let old = call(&emulator, "GET", "/secrets/tls?api-version=7.6", "").await.json();
    assert_eq!(old.get("previousVersion"), None);
}

#[tokio::test]
async fn a_certificate_that_is_not_issued_yet_cannot_be_read() {
    let emulator = emulator().await;
    let pending = SetSecret::certificate(Certificate::self_signed("b").unwrap()).enabled(false);
    emulator.vault("contoso").set_secret("pending", pending);
    assert_eq!(get(&emulator, "/secrets/pending").await.error().2, "SecretDisabled");
}
