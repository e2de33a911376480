//! The events about secrets and certificates.

use std::time::Duration;

use keyvault_emulator::{Emulator, SetSecret};
use serde_json::{Value, json};

use super::{DAY, created, policy, version};

fn events(emulator: &Emulator) -> Vec<Value> {
    serde_json::from_str(&emulator.vault("contoso").events()).unwrap()
}

fn types(emulator: &Emulator) -> Vec<String> {
    let kind = |event: &Value| event["eventType"].as_str().unwrap().replace("Microsoft.KeyVault.", "");
    events(emulator).iter().map(kind).collect()
}

#[tokio::test]
async fn a_version_is_created_nears_its_expiry_and_expires() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let mut policy = policy("Self");
    policy["lifetime_actions"] =
        json!([{ "trigger": { "lifetime_percentage": 99 }, "action": { "action_type": "EmailContacts" } }]);
    let certificate = created(&emulator, "tls", policy).await;
    assert_eq!(types(&emulator), ["CertificateNewVersionCreated", "SecretNewVersionCreated"]);
    let event = &events(&emulator)[0];
    assert_eq!((event["subject"].as_str(), event["data"]["ObjectType"].as_str()), (Some("tls"), Some("Certificate")));
    assert_eq!(event["data"]["Version"], version(&certificate));
    assert_eq!(event["data"]["EXP"], certificate["attributes"]["exp"]);
    assert_eq!(event["data"]["VaultName"], "contoso");
    assert!(event["data"]["Id"].as_str().unwrap().contains("/certificates/tls/"), "{event}");
    assert_eq!(events(&emulator)[0], *event, "the same identifier again");

    emulator.advance_clock(Duration::from_secs(336 * DAY));
    assert_eq!(types(&emulator)[2..], ["CertificateNearExpiry", "SecretNearExpiry"]);
    emulator.advance_clock(Duration::from_secs(30 * DAY));
    assert_eq!(types(&emulator)[4..], ["CertificateExpired", "SecretExpired"]);
    assert!(events(&emulator).is_sorted_by_key(|event| event["eventTime"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn a_renewed_version_has_no_expiry_and_a_renewal_is_a_new_version() {
    let emulator = Emulator::start().await.unwrap();
    created(&emulator, "tls", policy("Emulator")).await;
    emulator.advance_clock(Duration::from_secs(300 * DAY));
    assert_eq!(types(&emulator).iter().filter(|kind| *kind == "CertificateNewVersionCreated").count(), 2);
    emulator.advance_clock(Duration::from_secs(60 * DAY));
    assert!(!types(&emulator).iter().any(|kind| kind.contains("Expir")), "{:?}", types(&emulator));
}

#[tokio::test]
async fn a_plain_secret_has_events_of_secrets_and_the_control_endpoint_returns_them() {
    let emulator = Emulator::start().await.unwrap();
    let now = emulator.now();
    let secret = SetSecret::new("hunter2").expires(now + Duration::from_secs(5 * DAY));
    emulator.vault("contoso").set_secret("a", secret);
    assert_eq!(types(&emulator), ["SecretNewVersionCreated", "SecretNearExpiry"]);
    let url = format!("{}/events?vault=contoso", emulator.control_url());
    let text = crate::client(&emulator).get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, emulator.vault("contoso").events());
    assert!(!text.contains("hunter2"));
    emulator.vault("contoso").delete("a");
    emulator.advance_clock(Duration::from_secs(6 * DAY));
    assert_eq!(types(&emulator).len(), 2, "a deleted secret does not expire");
}
