//! Certificates that are updated, deleted, recovered, purged and restored, each together with its secret.

use keyvault_emulator::{Certificate, Emulator, Fault, Operation, SetSecret};
use serde_json::{Value, json};

use super::{create, created, get, policy, send, version};

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
async fn each_error_names_the_certificate() {
    let emulator = Emulator::start().await.unwrap();
    created(&emulator, "tls", policy("Self")).await;
    let backup = send(&emulator, "POST", "/certificates/tls/backup", Value::Null).await.json();
    let version = version(&get(&emulator, "/certificates/tls").await);
    let unknown = "0".repeat(32);
    let not_found = |id: &str| {
        format!(
            "A certificate with (name/id) {id} was not found in this key vault. If you recently deleted this \
             certificate you may be able to recover it using the correct recovery command. For help resolving this \
             issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        )
    };
    let conflict = format!(
        "There was a conflict restoring the certificate 'https://contoso.vault.azure.net/certificates/tls/{version}'. \
         This can happen if either: a second certificate with the same name was created, or the certificate is deleted \
         but recoverable."
    );
    let errors = async |requests: &[(&str, String, Value, u16, String)]| {
        for (method, path, body, status, message) in requests {
            let response = send(&emulator, method, path, body.clone()).await;
            assert_eq!(response.status(), *status, "{method} {path}");
            assert_eq!(response.json()["error"]["message"], *message, "{method} {path}");
        }
    };
    let creation = json!({ "policy": policy("Self") });
    errors(&[
        ("GET", "/certificates/none".to_owned(), Value::Null, 404, not_found("none")),
        ("GET", format!("/certificates/tls/{unknown}"), Value::Null, 404, not_found(&format!("tls/{unknown}"))),
        ("PATCH", "/certificates/none".to_owned(), json!(5), 404, not_found("none")),
        ("DELETE", "/certificates/none".to_owned(), Value::Null, 404, not_found("none")),
        ("POST", "/certificates/none/backup".to_owned(), Value::Null, 404, not_found("none")),
        ("GET", "/certificates/none/policy".to_owned(), Value::Null, 404, not_found("none")),
        ("POST", "/deletedcertificates/none/recover".to_owned(), Value::Null, 404, not_found("none")),
        (
            "GET",
            "/deletedcertificates/none".to_owned(),
            Value::Null,
            404,
            "Deleted Certificate not found: none".to_owned(),
        ),
        (
            "DELETE",
            "/deletedcertificates/none".to_owned(),
            Value::Null,
            404,
            "Deleted Certificate not found: none".to_owned(),
        ),
        ("POST", "/certificates/restore".to_owned(), backup, 409, conflict),
    ])
    .await;

    for (status, message) in [(404, not_found("tls")), (409, "Certificate is currently being deleted.".to_owned())] {
        emulator.fault_next(1, Fault::status(status));
        errors(&[("GET", "/certificates/tls".to_owned(), Value::Null, status, message)]).await;
    }

    send(&emulator, "DELETE", "/certificates/tls", Value::Null).await;
    let deleted = "Certificate tls is currently in a deleted but recoverable state, and its name cannot be reused; in \
                   this state, the certificate can only be recovered or purged.";
    errors(&[("POST", "/certificates/tls/create".to_owned(), creation, 409, deleted.to_owned())]).await;
}

#[tokio::test]
async fn a_deletion_and_a_recovery_in_progress_are_those_of_the_certificate() {
    let time = std::time::Duration::from_secs(5);
    let emulator = Emulator::builder().deletion_time(time).start().await.unwrap();
    emulator.freeze_clock();
    create(&emulator, "tls", json!({ "policy": policy("Self") })).await;
    emulator.advance_clock(time);
    send(&emulator, "DELETE", "/certificates/tls", Value::Null).await;
    let message =
        async |method, path| send(&emulator, method, path, Value::Null).await.json()["error"]["message"].clone();
    let deleting = "Certificate is currently being deleted.";
    assert_eq!(message("DELETE", "/deletedcertificates/tls").await, deleting);
    assert_eq!(message("POST", "/deletedcertificates/tls/recover").await, deleting);
    emulator.advance_clock(time);
    send(&emulator, "POST", "/deletedcertificates/tls/recover", Value::Null).await;
    assert_eq!(message("POST", "/certificates/tls/create").await, "Certificate is currently being recovered.");
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
    let created_first = created(&emulator, "tls", policy("Self")).await;
    let first = version(&created_first);
    created(&emulator, "tls", policy("Self")).await;
    let update = json!({ "attributes": { "enabled": false, "exp": 5 }, "tags": { "old": "yes" } });
    let updated = send(&emulator, "PATCH", &format!("/certificates/tls/{first}"), update).await.json();
    assert_eq!((version(&updated), &updated["tags"]["old"]), (first.clone(), &"yes".into()));
    let dates =
        |certificate: &Value| (certificate["attributes"]["nbf"].as_u64(), certificate["attributes"]["exp"].as_u64());
    assert_eq!(dates(&updated), dates(&created_first), "the certificate has its dates");
    assert!(dates(&updated).1.is_some());
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
