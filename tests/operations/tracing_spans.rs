//! Spans describe each operation, and contain no value.

use futures::TryStreamExt;
use keyvault::client::VersionProperties;
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::log::Log;

use super::recording::scene;

#[tokio::test(start_paused = true)]
async fn every_operation_has_a_span_with_its_outcome_and_no_value() {
    let log = Log::begin();
    let (emulator, client) = scene(Emulator::builder()).await;
    emulator.fault_next(1, Fault::status(503));
    let properties = VersionProperties::new().content_type("canary-type").tag("canary-tag", "canary-tag");
    client.set_with("watched", "canary-value", properties).await.unwrap();
    client.get("watched").await.unwrap();
    client.update("watched", VersionProperties::new().content_type("canary-type")).await.unwrap();
    let backup = client.backup("watched").await.unwrap();
    client.list().try_collect::<Vec<_>>().await.unwrap();
    client.list_versions("watched").try_collect::<Vec<_>>().await.unwrap();
    client.delete("watched").await.unwrap();
    client.list_deleted().try_collect::<Vec<_>>().await.unwrap();
    client.recover("watched").await.unwrap();
    client.delete("watched").await.unwrap();
    client.purge("watched").await.unwrap();
    client.restore(&backup).await.unwrap();
    client.get("missing").await.unwrap_err();
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("asked the vault")).collect();
    for operation in [
        "set",
        "get",
        "update",
        "backup",
        "list",
        "list_versions",
        "delete",
        "get_deleted",
        "list_deleted",
        "recover",
        "purge",
        "restore",
    ] {
        let line = lines.iter().find(|line| line.contains(&format!("operation=\"{operation}\"")));
        let line = line.unwrap_or_else(|| panic!("{operation}: {text}"));
        for field in ["vault=contoso", "status=20", "attempts=", "duration=", "request_id="] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
    assert!(lines[0].contains("attempts=2") && lines[0].contains("DEBUG"), "{}", lines[0]);
    assert!(lines.last().unwrap().contains("status=404"), "{lines:?}");
    assert_free_of(&text, &["canary", &emulator.token()[..20]]);
    let backup = String::from_utf8_lossy(backup.expose_secret()).into_owned();
    let beginning: String = backup.chars().take(20).collect();
    assert_free_of(&text, &[&beginning]);
    let ours = text.lines().filter(|line| line.contains("keyvault{") && line.contains("watched"));
    for line in ours {
        assert!(line.contains("DEBUG") || line.contains("TRACE"), "a name above debug: {line}");
    }
}
