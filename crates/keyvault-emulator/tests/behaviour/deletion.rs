//! Soft delete, recovery, purge, backup and restore.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyvault_emulator::Emulator;

use crate::{call, get, with_version};

async fn send(emulator: &Emulator, method: &str, path: &str) -> crate::TestResponse {
    call(emulator, method, &with_version(path), "").await
}

#[tokio::test]
async fn a_deleted_secret_is_absent_until_a_recovery_restores_all_versions() {
    let emulator = Emulator::start().await.unwrap();
    let old = emulator.vault("contoso").set("Name", "1");
    let new = emulator.vault("contoso").set("name", "2");

    let deleted = send(&emulator, "DELETE", "/secrets/NAME").await;
    let start = r#"{"recoveryId":"https://contoso.vault.azure.net/deletedsecrets/Name","deletedDate":"#;
    assert!(deleted.text().starts_with(start), "{}", deleted.text());
    let body = deleted.json();
    assert_eq!(body.get("value"), None);
    assert_eq!(body["id"], format!("https://contoso.vault.azure.net/secrets/Name/{new}"));
    let days = body["scheduledPurgeDate"].as_u64().unwrap() - body["deletedDate"].as_u64().unwrap();
    assert_eq!(days, 90 * 86_400);

    assert_eq!(get(&emulator, "/secrets/name").await.status(), 404);
    assert_eq!(get(&emulator, "/secrets").await.text(), r#"{"value":[],"nextLink":null}"#);
    assert_eq!(get(&emulator, "/deletedsecrets/name").await.json(), body);
    let listed = get(&emulator, "/deletedsecrets").await.json();
    assert_eq!(listed["value"][0]["id"], "https://contoso.vault.azure.net/secrets/Name");

    let recovered = send(&emulator, "POST", "/deletedsecrets/name/recover").await.json();
    assert_eq!(recovered.get("value"), None);
    assert_eq!(get(&emulator, &format!("/secrets/name/{old}")).await.json()["value"], "1");
    assert_eq!(get(&emulator, "/secrets/name").await.json()["value"], "2");
}

#[tokio::test]
async fn a_purge_frees_the_name() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    send(&emulator, "DELETE", "/secrets/a").await;
    let purged = send(&emulator, "DELETE", "/deletedsecrets/a").await;
    assert_eq!((purged.status(), purged.text(), purged.header("content-type")), (204, "", None));
    assert_eq!(get(&emulator, "/deletedsecrets/a").await.status(), 404);
    assert_eq!(call(&emulator, "PUT", &with_version("/secrets/a"), r#"{"value":"2"}"#).await.status(), 200);
}

#[tokio::test]
async fn the_recovery_level_shows_purge_protection_and_retention() {
    let emulator = Emulator::builder().purge_protection().retention_days(7).start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    let attributes = get(&emulator, "/secrets/a").await.json()["attributes"].clone();
    assert_eq!(attributes["recoveryLevel"], "CustomizedRecoverable");
    assert_eq!(attributes["recoverableDays"], 7);
    send(&emulator, "DELETE", "/secrets/a").await;
    assert_eq!(send(&emulator, "DELETE", "/deletedsecrets/a").await.status(), 403);
}

#[tokio::test]
async fn a_slow_deletion_is_visible_after_its_duration() {
    let seconds = Arc::new(AtomicU64::new(1_800_000_000));
    let clock = Arc::clone(&seconds);
    let emulator = Emulator::builder()
        .deletion_time(Duration::from_secs(3))
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)))
        .start()
        .await
        .unwrap();
    emulator.vault("contoso").set("a", "1");
    assert_eq!(send(&emulator, "DELETE", "/secrets/a").await.status(), 200);
    assert_eq!(get(&emulator, "/deletedsecrets/a").await.status(), 404);
    let purge = send(&emulator, "DELETE", "/deletedsecrets/a").await.error();
    assert_eq!(purge, (409, "Conflict".to_owned(), "ObjectIsBeingDeleted".to_owned()));
    seconds.fetch_add(3, Ordering::Relaxed);
    assert_eq!(get(&emulator, "/deletedsecrets/a").await.status(), 200);
}

#[tokio::test]
async fn a_backup_restores_all_versions_unless_the_name_is_in_use() {
    let emulator = Emulator::start().await.unwrap();
    let old = emulator.vault("contoso").set("a", "1");
    emulator.vault("contoso").set("a", "2");
    let backup = send(&emulator, "POST", "/secrets/a/backup").await.text().to_owned();

    let restore = with_version("/secrets/restore");
    assert_eq!(call(&emulator, "POST", &restore, &backup).await.error(), (409, "Conflict".to_owned(), String::new()));
    send(&emulator, "DELETE", "/secrets/a").await;
    assert_eq!(call(&emulator, "POST", &restore, &backup).await.status(), 409, "a deleted secret still uses its name");

    let other = Emulator::start().await.unwrap();
    let restored = call(&other, "POST", &restore, &backup).await;
    assert_eq!((restored.status(), restored.json().get("value")), (200, None));
    assert_eq!(get(&other, "/secrets/a").await.json()["value"], "2");
    assert_eq!(get(&other, &format!("/secrets/a/{old}")).await.json()["value"], "1");
}

#[tokio::test]
async fn a_backup_is_opaque_and_restores_after_a_restart_with_or_without_the_same_data() {
    let directory = tempfile::tempdir().unwrap();
    let builder = || Emulator::builder().data_file(directory.path().join("vault.json"));
    let emulator = builder().start().await.unwrap();
    emulator.vault("contoso").set("a", "hunter2");
    let backup = send(&emulator, "POST", "/secrets/a/backup").await.text().to_owned();
    let blob = serde_json::from_str::<serde_json::Value>(&backup).unwrap()["value"].as_str().unwrap().to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(blob).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"hunter2"));
    send(&emulator, "DELETE", "/secrets/a").await;
    send(&emulator, "DELETE", "/deletedsecrets/a").await;
    emulator.stop().await;

    for emulator in [builder().start().await.unwrap(), Emulator::start().await.unwrap()] {
        let restored = call(&emulator, "POST", &with_version("/secrets/restore"), &backup).await;
        assert_eq!(restored.status(), 200, "{}", restored.text());
        assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "hunter2");
    }
}

#[tokio::test]
async fn a_backup_with_one_changed_byte_is_rejected_as_corrupt() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "hunter2");
    let backup = send(&emulator, "POST", "/secrets/a/backup").await.json()["value"].as_str().unwrap().to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&backup).unwrap();
    let plain = r#"{"name":"b","versions":[{"id":"0123456789abcdef0123456789abcdef","value":"1","enabled":true}]}"#;
    let changed = (0..bytes.len()).step_by(7).map(|at| {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        URL_SAFE_NO_PAD.encode(changed)
    });
    for corrupt in changed.chain([String::new(), "rubbish".to_owned(), URL_SAFE_NO_PAD.encode(plain)]) {
        let body = serde_json::json!({ "value": corrupt }).to_string();
        let response = call(&emulator, "POST", &with_version("/secrets/restore"), &body).await;
        assert_eq!(
            (response.status(), response.text()),
            (400, r#"{"error":{"code":"Malformed backup blob","message":"Backup blob is corrupt."}}"#)
        );
    }
}
