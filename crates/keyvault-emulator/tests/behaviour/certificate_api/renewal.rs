//! Renewals by policy when the clock moves.

use std::time::Duration;

use keyvault_emulator::{Emulator, Seed};
use serde_json::{Value, json};

use super::{DAY, create, created, get, policy, send, version};

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

async fn versions(emulator: &Emulator) -> usize {
    get(emulator, "/certificates/tls/versions").await["value"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_version_is_renewed_when_the_clock_passes_the_point_of_its_policy() {
    for (trigger, point) in [(json!({ "lifetime_percentage": 50 }), 182), (json!({ "days_before_expiry": 30 }), 335)] {
        let emulator = Emulator::start().await.unwrap();
        emulator.freeze_clock();
        let mut policy = policy("Emulator");
        policy["lifetime_actions"] = json!([{ "trigger": trigger, "action": { "action_type": "AutoRenew" } }]);
        let first = created(&emulator, "tls", policy).await;
        emulator.advance_clock(days(point - 1));
        assert_eq!(versions(&emulator).await, 1, "{trigger}");
        emulator.advance_clock(days(2));
        let renewed = get(&emulator, "/certificates/tls").await;
        assert_eq!(versions(&emulator).await, 2, "{trigger}");
        assert_ne!(renewed["cer"], first["cer"]);
        let lifetime = |certificate: &Value| {
            certificate["attributes"]["exp"].as_u64().unwrap() - certificate["attributes"]["nbf"].as_u64().unwrap()
        };
        assert!(lifetime(&renewed).abs_diff(lifetime(&first)) <= DAY, "leap years aside");
        let secret = get(&emulator, "/secrets/tls").await;
        assert_eq!((version(&secret), &secret["previousVersion"]), (version(&renewed), &version(&first).into()));
        assert_eq!(versions(&emulator).await, 2, "one version for one renewal");
    }
}

#[tokio::test]
async fn only_a_request_that_can_show_a_certificate_renews_it() {
    for (path, renews) in [
        ("/secrets/plain", false),
        ("/certificates/other", false),
        ("/secrets/tls", true),
        ("/certificates/tls/versions", true),
        ("/secrets", true),
    ] {
        let emulator = Emulator::start().await.unwrap();
        emulator.freeze_clock();
        emulator.vault("contoso").set("plain", "1");
        created(&emulator, "tls", policy("Self")).await;
        emulator.advance_clock(days(300));
        let due = emulator.now();
        crate::get(&emulator, path).await;
        emulator.advance_clock(days(1));
        let renewed = get(&emulator, "/certificates/tls").await["attributes"]["created"].as_u64().unwrap();
        let due = due.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(renewed, if renews { due } else { due + DAY }, "{path}");
    }
}

#[tokio::test]
async fn only_a_policy_that_reuses_the_key_keeps_it() {
    for reuse in [true, false] {
        let emulator = Emulator::start().await.unwrap();
        let mut policy = policy("Self");
        policy["key_props"]["reuse_key"] = reuse.into();
        policy["secret_props"] = json!({ "contentType": "application/x-pem-file" });
        created(&emulator, "tls", policy.clone()).await;
        let key = async || {
            let value = get(&emulator, "/secrets/tls").await["value"].as_str().unwrap().to_owned();
            value.split("-----BEGIN CERTIFICATE").next().unwrap().to_owned()
        };
        let first = key().await;
        emulator.advance_clock(days(360));
        let renewed = key().await;
        assert_eq!(versions(&emulator).await, 2);
        assert_eq!(first == renewed, reuse);
        created(&emulator, "tls", policy).await;
        assert_eq!(versions(&emulator).await, 3);
        assert_eq!(key().await == renewed, reuse, "a creation of a client too");
    }
}

#[tokio::test]
async fn nothing_is_renewed_without_the_action_or_the_issuer_or_while_disabled() {
    let emulator = Emulator::start().await.unwrap();
    let mut email = policy("Self");
    email["lifetime_actions"] =
        json!([{ "trigger": { "lifetime_percentage": 80 }, "action": { "action_type": "EmailContacts" } }]);
    created(&emulator, "tls", email).await;
    emulator.advance_clock(days(400));
    assert_eq!(versions(&emulator).await, 1);

    let changed = json!({ "lifetime_actions": [{ "trigger": { "days_before_expiry": 5 }, "action": { "action_type": "AutoRenew" } }] });
    send(&emulator, "PATCH", "/certificates/tls", json!({ "attributes": { "enabled": false } })).await;
    let response = send(&emulator, "PATCH", "/certificates/tls/policy", changed).await;
    assert_eq!(response.status(), 200, "{}", response.text());
    assert_eq!(response.json()["x509_props"]["subject"], "CN=app.example", "the rest of the policy stays");
    assert_eq!(versions(&emulator).await, 1);
    send(&emulator, "PATCH", "/certificates/tls", json!({ "attributes": { "enabled": true } })).await;
    assert_eq!(versions(&emulator).await, 2, "a changed policy applies to the version that it finds");

    create(&emulator, "other", json!({ "policy": policy("Unknown") })).await;
    emulator.advance_clock(days(4_000));
    assert_eq!(get(&emulator, "/certificates/other/pending").await["status"], "inProgress");
    assert_eq!(versions(&emulator).await, 3, "one renewal, however far the clock moves");
}

#[tokio::test]
async fn a_creation_in_progress_keeps_its_issuer_when_the_policy_changes() {
    let emulator = Emulator::builder().deletion_time(days(1)).start().await.unwrap();
    emulator.freeze_clock();
    for (name, first, second) in
        [("unknown", "Unknown", "Self"), ("own", "Self", "Unknown"), ("own2", "Self", "Emulator")]
    {
        assert_eq!(create(&emulator, name, json!({ "policy": policy(first) })).await.status(), 202);
        let changed = json!({ "issuer": { "name": second } });
        let path = format!("/certificates/{name}/policy");
        assert_eq!(send(&emulator, "PATCH", &path, changed).await.status(), 200, "{name}");
    }
    emulator.advance_clock(days(2));
    for (name, issuer, status) in
        [("unknown", "Unknown", "inProgress"), ("own", "Self", "completed"), ("own2", "Self", "completed")]
    {
        let operation = get(&emulator, &format!("/certificates/{name}/pending")).await;
        assert_eq!((&operation["issuer"]["name"], &operation["status"]), (&issuer.into(), &status.into()), "{name}");
    }
    // The chain of a self-signed certificate is the certificate alone.
    let secret = get(&emulator, "/secrets/own2?outContentType=application/x-pem-file").await;
    assert_eq!(secret["value"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 1);
}

#[tokio::test]
async fn dates_at_the_ends_of_their_range_harm_no_other_request() {
    for (nbf, exp) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (i64::MIN, i64::MIN), (i64::MAX, i64::MAX)] {
        let emulator = Emulator::start().await.unwrap();
        created(&emulator, "tls", policy("Self")).await;
        emulator.vault("contoso").set("plain", "1");
        let dates = json!({ "attributes": { "nbf": nbf, "exp": exp } });
        let response = send(&emulator, "PATCH", "/secrets/tls", dates).await;
        assert_eq!(response.status(), 200, "{}", response.text());
        for path in ["/secrets/plain", "/secrets/tls", "/certificates/tls", "/certificates"] {
            assert_eq!(crate::get(&emulator, path).await.status(), 200, "{path} {nbf} {exp}");
        }
        assert!(emulator.vault("contoso").events().contains("NewVersionCreated"), "{nbf} {exp}");
    }
}

#[tokio::test]
async fn a_data_file_keeps_versions_policies_and_creations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault.json");
    let start = || Emulator::builder().data_file(&path).start();
    let emulator = start().await.unwrap();
    let first = created(&emulator, "tls", policy("Emulator")).await;
    let started = create(&emulator, "pending", json!({ "policy": policy("Unknown") })).await.json();
    emulator.stop().await;

    let emulator = start().await.unwrap();
    assert_eq!(get(&emulator, "/certificates/tls").await, first);
    assert_eq!(get(&emulator, "/certificates/pending/pending").await, started);
    emulator.advance_clock(days(360));
    let renewed = get(&emulator, "/certificates/tls").await;
    assert_ne!(version(&renewed), version(&first));
    emulator.save().unwrap();
    drop(emulator);

    let emulator = start().await.unwrap();
    assert_eq!(get(&emulator, "/certificates/tls").await, renewed, "the clock is not kept, and the version is");
}

#[tokio::test]
async fn a_seeded_certificate_is_renewed_by_the_policy_beside_it() {
    let renewal = r#"{"trigger":{"lifetime_percentage":50},"action":{"action_type":"AutoRenew"}}"#;
    let seed = format!(
        r#"{{"contoso/tls":{{"certificate":"app.example","policy":{{"issuer":{{"name":"Emulator"}},"lifetime_actions":[{renewal}]}}}},
            "contoso/kept":{{"certificate":"app.example"}}}}"#
    );
    let emulator = Emulator::builder().seed(Seed::from_json(&seed).unwrap()).start().await.unwrap();
    let first = get(&emulator, "/certificates/tls").await;
    assert_eq!(first["policy"]["x509_props"]["subject"], "CN=app.example");
    emulator.advance_clock(days(200));
    assert_eq!(versions(&emulator).await, 2);
    let renewed = get(&emulator, "/certificates/tls").await;
    assert_eq!(renewed["policy"]["x509_props"]["sans"]["dns_names"], json!(["app.example"]));
    assert_eq!(get(&emulator, "/certificates/kept/versions").await["value"].as_array().unwrap().len(), 1);
    let broken = seed.replace("Emulator", "DigiCert");
    let error = emulator.load(&Seed::from_json(&broken).unwrap()).unwrap_err().to_string();
    assert!(error.contains("The issuers of the emulator are Self, Emulator and Unknown."), "{error}");
}
