//! Creations by policy: the operation, the version, its secret, and another issuer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyvault_emulator::Emulator;
use serde_json::{Value, json};

use super::{create, created, get, openssl, policy, send, version};

#[tokio::test]
async fn a_creation_is_in_progress_and_then_completed_with_a_linked_secret() {
    let emulator = Emulator::start().await.unwrap();
    let body = json!({ "policy": policy("Self"), "tags": { "team": "web" } });
    let started = create(&emulator, "tls", body).await;
    assert_eq!(started.status(), 202);
    let started = started.json();
    assert_eq!((&started["status"], &started["issuer"]["name"]), (&"inProgress".into(), &"Self".into()));
    assert!(started["csr"].as_str().is_some() && started["target"].is_null(), "{started}");

    let ended = get(&emulator, "/certificates/tls/pending").await;
    assert_eq!((&ended["status"], &ended["id"]), (&"completed".into(), &started["id"]));
    assert_eq!(ended["target"], "https://contoso.vault.azure.net/certificates/tls");
    let certificate = get(&emulator, "/certificates/tls").await;
    let version = version(&certificate);
    for (field, objects) in [("id", "certificates"), ("sid", "secrets"), ("kid", "keys")] {
        assert_eq!(certificate[field], format!("https://contoso.vault.azure.net/{objects}/tls/{version}"));
    }
    assert_eq!(certificate["tags"]["team"], "web");
    assert_eq!(certificate["policy"]["id"], "https://contoso.vault.azure.net/certificates/tls/policy");
    assert_eq!(certificate["policy"]["lifetime_actions"][0]["action"]["action_type"], "AutoRenew");
    assert_eq!(certificate.get("pending"), None);

    let secret = get(&emulator, &format!("/secrets/tls/{version}")).await;
    assert_eq!((&secret["managed"], &secret["kid"]), (&true.into(), &certificate["kid"]));
    for attribute in ["nbf", "exp", "created"] {
        assert_eq!(secret["attributes"][attribute], certificate["attributes"][attribute], "{attribute}");
    }
    let requests = emulator.requests();
    assert_eq!((requests.certificates, requests.get), (3, 1), "{requests:?}");
}

#[tokio::test]
async fn openssl_reads_the_pkcs12_and_the_pem_of_each_kind_of_key() {
    let emulator = Emulator::start().await.unwrap();
    for (n, (key, expected)) in [
        (json!({ "kty": "RSA", "key_size": 2048 }), "Public-Key: (2048 bit)"),
        (json!({ "kty": "EC", "crv": "P-256" }), "prime256v1"),
        (json!({ "kty": "EC", "crv": "P-384" }), "secp384r1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut policy = policy("Emulator");
        policy["key_props"] = key;
        let certificate = created(&emulator, &format!("pfx{n}"), policy.clone()).await;
        let value = get(&emulator, &format!("/secrets/pfx{n}")).await["value"].as_str().unwrap().to_owned();
        let container = STANDARD.decode(value).unwrap();
        assert!(container.windows(13).any(|part| part == SHROUDED_KEY_BAG), "Java finds keys in no other bag");
        let Some(pem) = openssl(&["pkcs12", "-nodes", "-passin", "pass:", "-in"], &container) else { return };
        assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2, "the certificate and its issuer");
        openssl(&["pkey", "-check", "-noout", "-in"], pem.as_bytes());
        let key_of_key = openssl(&["pkey", "-pubout", "-in"], pem.as_bytes());
        assert_eq!(openssl(&["x509", "-pubkey", "-noout", "-in"], pem.as_bytes()), key_of_key);
        let text = openssl(&["x509", "-noout", "-text", "-in"], pem.as_bytes()).unwrap();
        for part in [expected, "CN=app.example", "DNS:app.example", "Digital Signature, Key Encipherment", "CA:FALSE"] {
            assert!(text.replace(" = ", "=").contains(part), "{part} in {text}");
        }
        let der = openssl(&["x509", "-outform", "PEM", "-in"], pem.as_bytes()).unwrap();
        let base64: String = der.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(certificate["cer"], base64);
        let fingerprint = openssl(&["x509", "-noout", "-fingerprint", "-sha1", "-in"], pem.as_bytes()).unwrap();
        let hex: String = fingerprint.trim().rsplit('=').next().unwrap().split(':').collect();
        let thumbprint = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(certificate["x5t"].as_str().unwrap());
        assert_eq!(thumbprint.unwrap().iter().map(|byte| format!("{byte:02X}")).collect::<String>(), hex);
        // The authority verifies the leaf.
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        emulator.write_ca(&ca).unwrap();
        openssl(&["verify", "-CAfile", ca.to_str().unwrap()], pem.as_bytes());

        policy["secret_props"] = json!({ "contentType": "application/x-pem-file" });
        created(&emulator, &format!("pem{n}"), policy).await;
        let secret = get(&emulator, &format!("/secrets/pem{n}")).await;
        assert_eq!(secret["contentType"], "application/x-pem-file");
        openssl(&["pkey", "-check", "-noout", "-in"], secret["value"].as_str().unwrap().as_bytes());
    }
}

#[tokio::test]
async fn the_secret_of_a_key_that_is_not_exportable_has_no_key() {
    let emulator = Emulator::start().await.unwrap();
    for content_type in ["application/x-pkcs12", "application/x-pem-file"] {
        let mut policy = policy("Self");
        policy["key_props"]["exportable"] = false.into();
        policy["secret_props"] = json!({ "contentType": content_type });
        created(&emulator, "tls", policy).await;
        let value = get(&emulator, "/secrets/tls?outContentType=application/x-pem-file").await;
        let value = if content_type.contains("pem") { get(&emulator, "/secrets/tls").await } else { value };
        let pem = value["value"].as_str().unwrap();
        assert!(pem.contains("BEGIN CERTIFICATE") && !pem.contains("PRIVATE KEY"), "{pem}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_issued_has_a_disabled_secret_and_is_not_listed() {
    let emulator = Emulator::start().await.unwrap();
    create(&emulator, "tls", json!({ "policy": policy("Unknown") })).await;
    let certificate = get(&emulator, "/certificates/tls").await;
    assert_eq!((&certificate["attributes"]["enabled"], certificate.get("cer")), (&false.into(), None));
    assert_eq!(certificate["pending"]["id"], "https://contoso.vault.azure.net/certificates/tls/pending");
    assert_eq!(crate::get(&emulator, "/secrets/tls").await.error().2, "SecretDisabled");
    for list in ["/certificates", "/deletedcertificates"] {
        for (query, names) in [("", 0), ("?includePending=false", 0), ("?includePending=true", 1)] {
            let path = format!("{list}{query}");
            assert_eq!(crate::get(&emulator, &path).await.names().len(), names, "{path}");
        }
        send(&emulator, "DELETE", "/certificates/tls", Value::Null).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_issued_cannot_be_enabled() {
    let emulator = Emulator::start().await.unwrap();
    create(&emulator, "tls", json!({ "policy": policy("Unknown") })).await;
    for path in ["/certificates/tls", "/secrets/tls"] {
        let updated = send(&emulator, "PATCH", path, json!({ "attributes": { "enabled": true } })).await.json();
        assert_eq!(updated["attributes"]["enabled"], false, "{path}: {updated}");
    }
    emulator.vault("contoso").set_enabled("tls", None, true);
    assert_eq!(crate::get(&emulator, "/secrets/tls").await.error().2, "SecretDisabled");
}

#[tokio::test]
async fn another_issuer_completes_a_creation_from_its_request() {
    let emulator = Emulator::start().await.unwrap();
    let started = create(&emulator, "tls", json!({ "policy": policy("Unknown") })).await.json();
    let csr = started["csr"].as_str().unwrap();
    let csr = format!("-----BEGIN CERTIFICATE REQUEST-----\n{csr}\n-----END CERTIFICATE REQUEST-----\n");
    let Some(leaf) = signed_by_another_issuer(&csr) else { return };

    let merge = |certificate: &[u8]| json!({ "x5c": [STANDARD.encode(certificate)], "tags": { "merged": "yes" } });
    let other = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
    let refused = send(&emulator, "POST", "/certificates/tls/pending/merge", merge(other.cert.der())).await;
    assert_eq!(refused.error().1, "BadParameter", "a certificate of another key");
    let merged = send(&emulator, "POST", "/certificates/tls/pending/merge", merge(&leaf)).await;
    assert_eq!(merged.status(), 201, "{}", merged.text());
    let location = "https://contoso.vault.azure.net/certificates/tls?api-version=2026-04-01";
    assert_eq!(merged.header("location"), Some(location));
    assert_eq!(
        (merged.json()["cer"].clone(), merged.json()["tags"]["merged"].clone()),
        (STANDARD.encode(&leaf).into(), "yes".into())
    );
    assert_eq!(get(&emulator, "/certificates/tls/pending").await["status"], "completed");
    assert_eq!(crate::get(&emulator, "/secrets/tls").await.status(), 200);
    assert_eq!(send(&emulator, "POST", "/certificates/tls/pending/merge", merge(&leaf)).await.status(), 409);
}

/// Signs a request with `openssl`. Returns the certificate in DER.
fn signed_by_another_issuer(csr: &str) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, ca, leaf) = (path("key"), path("ca"), path("leaf"));
    let new_ca = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=another issuer", "-keyout", &key];
    openssl(&[&new_ca[..], &["-out", &ca, "-config"]].concat(), b"[req]\ndistinguished_name=dn\n[dn]\n")?;
    openssl(&["x509", "-req", "-CA", &ca, "-CAkey", &key, "-outform", "DER", "-out", &leaf, "-in"], csr.as_bytes())?;
    Some(std::fs::read(leaf).unwrap())
}

#[tokio::test]
async fn a_creation_in_progress_prevents_another_and_an_import() {
    let emulator = Emulator::start().await.unwrap();
    let started = create(&emulator, "tls", json!({ "policy": policy("Unknown") })).await.json();
    let other = rcgen::generate_simple_self_signed(["app.example".to_owned()]).unwrap();
    let import = json!({ "value": format!("{}{}", other.signing_key.serialize_pem(), other.cert.pem()) });
    for (path, body) in [("create", json!({ "policy": policy("Self") })), ("import", import.clone())] {
        let response = send(&emulator, "POST", &format!("/certificates/tls/{path}"), body).await;
        assert_eq!((response.status(), response.error().1), (409, "Conflict".to_owned()), "{path}");
        let message = "A new key vault certificate can not be created or imported while a pending key vault \
                       certificate's status is inProgress.";
        assert_eq!(response.json()["error"]["message"], message);
    }
    assert_eq!(get(&emulator, "/certificates/tls/pending").await, started);
    send(&emulator, "DELETE", "/certificates/tls/pending", Value::Null).await;
    assert_eq!(send(&emulator, "POST", "/certificates/tls/import", import).await.status(), 200);
}

#[tokio::test]
async fn a_client_merges_for_an_issuer_of_the_emulator_only_after_a_cancellation() {
    let emulator = Emulator::builder().deletion_time(std::time::Duration::from_secs(5)).start().await.unwrap();
    emulator.freeze_clock();
    let started = create(&emulator, "tls", json!({ "policy": policy("Emulator") })).await.json();
    let csr = started["csr"].as_str().unwrap();
    let csr = format!("-----BEGIN CERTIFICATE REQUEST-----\n{csr}\n-----END CERTIFICATE REQUEST-----\n");
    let Some(leaf) = signed_by_another_issuer(&csr) else { return };
    let merge = json!({ "x5c": [STANDARD.encode(&leaf)] });
    let refused = send(&emulator, "POST", "/certificates/tls/pending/merge", merge.clone()).await;
    assert_eq!((refused.status(), refused.error().1), (403, "Forbidden".to_owned()));
    assert_eq!(
        refused.json()["error"]["message"],
        "Merge is forbidden on pending object created with issuer : Emulator while it is in progess."
    );

    let cancellation = json!({ "cancellation_requested": true });
    send(&emulator, "PATCH", "/certificates/tls/pending", cancellation.clone()).await;
    let merged = send(&emulator, "POST", "/certificates/tls/pending/merge", merge).await;
    assert_eq!((merged.status(), merged.json()["cer"].clone()), (201, STANDARD.encode(&leaf).into()));
    assert_eq!(get(&emulator, "/certificates/tls/pending").await["status"], "completed");
    let late = send(&emulator, "PATCH", "/certificates/tls/pending", cancellation).await;
    assert_eq!((late.status(), late.error().1), (403, "Forbidden".to_owned()));
}

#[tokio::test]
async fn a_creation_without_an_issuer_waits_for_a_merge() {
    let emulator = Emulator::start().await.unwrap();
    let mut policy = policy("");
    policy.as_object_mut().unwrap().remove("issuer");
    let response = create(&emulator, "tls", json!({ "policy": policy })).await;
    assert_eq!(response.status(), 202, "{}", response.text());
    let started = response.json();
    assert_eq!(started["issuer"]["name"], "Unknown");
    assert_eq!(started["status_details"], "Pending certificate created. Please Perform Merge to complete the request.");
    let policy = get(&emulator, "/certificates/tls/policy").await;
    assert_eq!(policy["lifetime_actions"][0]["action"]["action_type"], "EmailContacts");
}

#[tokio::test]
async fn the_location_of_a_creation_has_its_request_id_which_another_id_does_not_match() {
    let emulator = Emulator::start().await.unwrap();
    let response = create(&emulator, "tls", json!({ "policy": policy("Unknown") })).await;
    let started = response.json();
    let id = started["request_id"].as_str().unwrap();
    let path = "/certificates/tls/pending";
    let expected = format!("https://contoso.vault.azure.net{path}?api-version=2026-04-01&request_id={id}");
    assert_eq!(response.header("location"), Some(expected.as_str()));
    for (method, body) in
        [("GET", Value::Null), ("PATCH", json!({ "cancellation_requested": true })), ("DELETE", Value::Null)]
    {
        let other = send(&emulator, method, &format!("{path}?request_id=another"), body.clone()).await;
        assert_eq!((other.status(), other.error().1), (404, "PendingCertificateNotFound".to_owned()), "{method}");
        let same = send(&emulator, method, &format!("{path}?request_id={id}"), body).await;
        assert_eq!(same.status(), 200, "{method}");
    }
}

#[tokio::test]
async fn a_creation_takes_the_time_of_the_emulator_and_can_be_cancelled_and_deleted() {
    let time = std::time::Duration::from_secs(5);
    let emulator = Emulator::builder().deletion_time(time).start().await.unwrap();
    emulator.freeze_clock();
    for cancelled in [true, false] {
        let name = if cancelled { "cancelled" } else { "issued" };
        create(&emulator, name, json!({ "policy": policy("Self") })).await;
        let path = format!("/certificates/{name}/pending");
        assert_eq!(get(&emulator, &path).await["status"], "inProgress");
        if cancelled {
            let response = send(&emulator, "PATCH", &path, json!({ "cancellation_requested": true })).await.json();
            assert_eq!((&response["status"], &response["cancellation_requested"]), (&"cancelled".into(), &true.into()));
        }
        emulator.advance_clock(time);
        let expected = if cancelled { "cancelled" } else { "completed" };
        assert_eq!(get(&emulator, &path).await["status"], expected);
        let enabled = get(&emulator, &format!("/certificates/{name}")).await["attributes"]["enabled"].clone();
        assert_eq!(enabled, !cancelled, "{name}");
        assert_eq!(send(&emulator, "DELETE", &path, Value::Null).await.status(), 200);
        assert_eq!(crate::get(&emulator, &path).await.error().1, "PendingCertificateNotFound");
    }
}

#[tokio::test]
async fn a_name_belongs_to_a_certificate_or_to_a_secret() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("plain", "1");
    assert_eq!(create(&emulator, "plain", json!({ "policy": policy("Self") })).await.error().1, "Conflict");
    assert_eq!(crate::get(&emulator, "/certificates/plain").await.error().1, "CertificateNotFound");
    created(&emulator, "tls", policy("Self")).await;
    let put = send(&emulator, "PUT", "/secrets/tls", json!({ "value": "mine" })).await;
    assert_eq!(put.error().2, "SecretManagedByKeyVault");
    assert_eq!(crate::get(&emulator, "/certificates").await.names(), ["tls"]);
    assert_eq!(crate::get(&emulator, "/secrets").await.names(), ["plain", "tls"]);
}

#[tokio::test]
async fn a_request_that_no_version_can_come_from_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    for body in [
        json!({}),
        json!({ "policy": { "issuer": { "name": "Self" } } }),
        json!({ "policy": policy("DigiCert") }),
        json!({ "policy": { "x509_props": 5 } }),
    ] {
        let response = create(&emulator, "tls", body.clone()).await;
        assert_eq!((response.status(), response.error().1), (400, "BadParameter".to_owned()), "{body}");
    }
    assert_eq!(crate::get(&emulator, "/certificates/tls").await.status(), 404, "nothing was stored");
}

/// The object identifier of a bag with an encrypted key, in DER.
const SHROUDED_KEY_BAG: [u8; 13] = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 2];
