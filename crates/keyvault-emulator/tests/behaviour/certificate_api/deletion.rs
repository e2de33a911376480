//! Certificates that are updated, deleted, recovered, purged and restored, each together with its secret.

use keyvault_emulator::{Certificate, Emulator, Fault, Operation, SetSecret};
use serde_json::{Value, json};

use super::{created, get, policy, send, version};

#[tokio::test]
async fn a_certificate_and_its_secret_are_deleted_recovered_and_purged_as_one() {
    let emulator = Emulator::start().await.unwrap();
    let certificate = created(&emulator, "tls", policy("Self")).await;
    let refused = send(&emulator, "DELETE", "/secrets/tls", Value::Null).await;
    assert_eq!(refused.error().2, "SecretManagedByKeyVault");

    let deleted = send(&emulator, "DELETE", "/certificates/tls", Value::Null).await.json();
    assert_eq!(deleted["recoveryId"], "https://contoso.vault.azure.net/deletedcertificates/tls");
    assert_eq!((&deleted["id"], &deleted["cer"]), (&certificate["id"], &certificate["cer"]));
    assert_eq!(
        deleted["scheduledPurgeDate"].as_u64().unwrap() - deleted["deletedDate"].as_u64().unwrap(),
        90 * super::DAY
    );
    assert_eq!(get(&emulator, "/deletedcertificates/tls").await, deleted);
    assert_eq!(crate::get(&emulator, "/deletedcertificates").await.names(), ["tls"]);
    assert_eq!(crate::get(&emulator, "/deletedsecrets").await.names(), ["tls"]);
    assert_eq!(crate::get(&emulator, "/certificates/tls").await.error().1, "CertificateNotFound");
    let again = super::create(&emulator, "tls", json!({ "policy": policy("Self") })).await;
    assert_eq!(again.error().2, "ObjectIsDeletedButRecoverable");
    assert!(again.text().contains("Certificate tls is currently"), "{}", again.text());

    send(&emulator, "POST", "/deletedcertificates/tls/recover", Value::Null).await;
    assert_eq!(get(&emulator, "/certificates/tls").await, certificate);
    assert_eq!(get(&emulator, "/secrets/tls").await["kid"], certificate["kid"]);

    send(&emulator, "DELETE", "/certificates/tls", Value::Null).await;
    assert_eq!(send(&emulator, "DELETE", "/deletedcertificates/tls", Value::Null).await.status(), 204);
    for path in ["/deletedcertificates/tls", "/deletedsecrets/tls", "/certificates/tls", "/secrets/tls"] {
        assert_eq!(crate::get(&emulator, path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_secret_is_not_a_deleted_certificate() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    vault.set("plain", "1");
    assert_eq!(send(&emulator, "DELETE", "/certificates/plain", Value::Null).await.status(), 404);
    vault.delete("plain");
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/recover")] {
        let response = send(&emulator, method, &format!("/deletedcertificates/plain{path}"), Value::Null).await;
        assert_eq!(response.error().1, "CertificateNotFound", "{method}");
    }
    assert!(crate::get(&emulator, "/deletedcertificates").await.names().is_empty());
    assert_eq!(crate::get(&emulator, "/deletedsecrets/plain").await.status(), 200);
}

#[tokio::test]
async fn a_version_is_updated_and_its_secret_with_it() {
    let emulator = Emulator::start().await.unwrap();
    let first = version(&created(&emulator, "tls", policy("Self")).await);
    created(&emulator, "tls", policy("Self")).await;
    let update = json!({ "attributes": { "enabled": false, "exp": 5 }, "tags": { "old": "yes" } });
    let updated = send(&emulator, "PATCH", &format!("/certificates/tls/{first}"), update).await.json();
    assert_eq!((version(&updated), &updated["tags"]["old"]), (first.clone(), &"yes".into()));
    assert_ne!(updated["attributes"]["exp"], 5, "the certificate has its dates");
    assert_eq!(crate::get(&emulator, &format!("/secrets/tls/{first}")).await.error().2, "SecretDisabled");
    assert_eq!(crate::get(&emulator, &format!("/certificates/tls/{first}")).await.status(), 200);
    assert_eq!(crate::get(&emulator, "/secrets/tls").await.status(), 200, "the latest version is another one");
    let versions = get(&emulator, "/certificates/tls/versions").await;
    assert_eq!(versions["value"].as_array().unwrap().len(), 2);
    assert_eq!(versions["value"][0]["subject"], "CN=app.example");
}

#[tokio::test]
async fn a_backup_restores_versions_policy_and_secret() {
    let emulator = Emulator::start().await.unwrap();
    created(&emulator, "tls", policy("Self")).await;
    let certificate = created(&emulator, "tls", policy("Emulator")).await;
    let backup = send(&emulator, "POST", "/certificates/tls/backup", Value::Null).await.json();
    let other = Emulator::start().await.unwrap();
    let restored = send(&other, "POST", "/certificates/restore", backup.clone()).await.json();
    assert_eq!((&restored["id"], &restored["policy"]), (&certificate["id"], &certificate["policy"]));
    assert_eq!(get(&other, "/certificates/tls/versions").await["value"].as_array().unwrap().len(), 2);
    assert_eq!(send(&other, "POST", "/certificates/restore", backup).await.status(), 409);
    emulator.vault("contoso").set("plain", "1");
    let secret = send(&emulator, "POST", "/secrets/plain/backup", Value::Null).await.json();
    assert_eq!(send(&other, "POST", "/certificates/restore", secret).await.error().1, "Malformed backup blob");
    assert_eq!(crate::get(&other, "/secrets/plain").await.status(), 404);
}

#[tokio::test]
async fn lists_have_pages() {
    let emulator = Emulator::builder().page_size(2).start().await.unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        created(&emulator, name, policy("Self")).await;
        emulator.vault("contoso").set(&format!("{name}-secret"), "1");
    }
    let (mut names, mut next) = (Vec::new(), Some(crate::with_version("/certificates")));
    while let Some(path) = next {
        let page = crate::call(&emulator, "GET", &path, "").await;
        assert!(page.names().len() <= 2);
        names.extend(page.names());
        next = page.next();
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn faults_and_denials_apply_to_certificates() {
    let emulator = Emulator::start().await.unwrap();
    created(&emulator, "tls", policy("Self")).await;
    emulator.fault_matching(Some(1), |head| head.operation == Operation::GetCertificate, Fault::status(503));
    assert_eq!(crate::get(&emulator, "/secrets/tls").await.status(), 200);
    assert_eq!(crate::get(&emulator, "/certificates/tls").await.status(), 503);
    assert_eq!(crate::get(&emulator, "/certificates/tls").await.status(), 200);
    emulator.vault("contoso").deny_secret("tls", keyvault_emulator::Denial::Rbac);
    let denied = crate::get(&emulator, "/certificates/tls").await;
    assert_eq!(denied.error().2, "ForbiddenByRbac");
    assert!(denied.text().contains("vaults/certificates/read"), "{}", denied.text());
}

#[tokio::test]
async fn a_certificate_that_a_test_set_as_a_secret_is_one_of_the_api() {
    let emulator = Emulator::start().await.unwrap();
    let certificate = Certificate::self_signed("app.example").unwrap();
    emulator.vault("contoso").set_secret("tls", SetSecret::certificate(certificate));
    let certificate = get(&emulator, "/certificates/tls").await;
    assert_eq!(certificate["policy"]["x509_props"]["subject"], "CN=app.example");
    assert_eq!(certificate["policy"]["key_props"]["crv"], "P-256");
    let renewed = super::create(&emulator, "tls", Value::Null).await;
    assert_eq!(renewed.status(), 202, "by the same policy: {}", renewed.text());
}
