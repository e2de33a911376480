//! Snapshots are created, read, archived and recovered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use keyvault::{ErrorKind, ReferenceStatus};
use keyvault_appconfig::Selector;
use keyvault_appconfig::client::{NewSnapshot, SnapshotComposition, SnapshotStatus};
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::{client, store};

#[tokio::test]
async fn a_snapshot_keeps_key_values_as_they_were() {
    let (_emulator, _, client) = store().await;
    client.set("a", None, "1").await.unwrap();
    client.set("a", Some("prod"), "2").await.unwrap();
    let content = NewSnapshot::of("*", None).and("*", Some("prod")).retention(Duration::from_secs(3_600));
    let creation = client.begin_create_snapshot("release/7", content.clone()).await.unwrap();
    let created = creation.interval(Duration::ZERO).await.unwrap();
    assert_eq!((created.status(), created.items_count()), (SnapshotStatus::Ready, 1));
    assert_eq!(created.composition(), SnapshotComposition::Key);
    client.set("a", Some("prod"), "3").await.unwrap();
    let items: Vec<_> = client.list(&Selector::snapshot("release/7")).try_collect().await.unwrap();
    assert_eq!(items.iter().map(|found| found.value()).collect::<Vec<_>>(), [Some("2")]);
    let again = client.begin_create_snapshot("release/7", content).await.unwrap_err();
    assert_eq!((again.kind(), again.code()), (ErrorKind::Conflict, Some("AlreadyExists")));
    let archived = client.archive_snapshot("release/7").await.unwrap();
    assert_eq!((archived.status(), archived.expires().is_some()), (SnapshotStatus::Archived, true));
    assert_eq!(client.recover_snapshot("release/7").await.unwrap().status(), SnapshotStatus::Ready);
    let found: Vec<_> = client.list_snapshots("release*").try_collect().await.unwrap();
    assert_eq!(found, [client.get_snapshot("release/7").await.unwrap()]);
    let missing = client.get_snapshot("b").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().starts_with("snapshot b from App Configuration "), "{missing}");
    assert!(missing.to_string().ends_with("snapshot not found"), "{missing}");
}

/// Answers with a snapshot in the states `states`, one after the other; the last one stays.
fn creating(states: &'static [&'static str]) -> std::sync::Arc<FakeTransport> {
    let polls = AtomicUsize::new(0);
    FakeTransport::scripted(move |request| {
        if request.url.path() == "/operations" {
            let failure = r#"{"id":"x","status":"Failed","error":{"code":"QuotaExceeded","message":"canary"}}"#;
            return Ok(FakeResponse::new(200, failure));
        }
        let state = states[polls.fetch_add(1, Ordering::Relaxed).min(states.len() - 1)];
        Ok(FakeResponse::new(200, format!(r#"{{"name":"a","status":"{state}"}}"#)))
    })
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_polled_until_it_ends() {
    let wire = creating(&["provisioning", "provisioning", "ready"]);
    let started = tokio::time::Instant::now();
    client(&wire).create_snapshot("a", NewSnapshot::of("*", None)).await.unwrap();
    assert_eq!((wire.sent().len(), started.elapsed()), (3, Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_failed_or_endless_creation_is_an_error() {
    let failed = client(&creating(&["provisioning", "failed"])).create_snapshot("a", NewSnapshot::of("*", None)).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Invalid);
    assert!(failed.report().contains("the store answered QuotaExceeded") && !failed.report().contains("canary"));
    let endless = client(&creating(&["provisioning"])).create_snapshot("a", NewSnapshot::of("*", None)).await;
    let endless = endless.unwrap_err();
    assert!(endless.to_string().contains("store did not finish in time"));
    assert_eq!(endless.status(), ReferenceStatus::FetchTimedOut);
}

#[tokio::test(start_paused = true)]
async fn polls_of_a_creation_have_a_pause_even_without_an_interval() {
    let wire = creating(&["provisioning", "provisioning", "ready"]);
    let creation = client(&wire).begin_create_snapshot("a", NewSnapshot::of("*", None)).await.unwrap();
    let started = tokio::time::Instant::now();
    creation.interval(Duration::ZERO).await.unwrap();
    assert_eq!((wire.sent().len(), started.elapsed()), (3, Duration::from_millis(10)));
}

#[test]
fn a_creation_that_is_awaited_without_a_runtime_is_an_error() {
    let wire = creating(&["provisioning"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = runtime.block_on(client(&wire).begin_create_snapshot("a", NewSnapshot::of("*", None))).unwrap();
    let error = futures::executor::block_on(begun.into_future()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
