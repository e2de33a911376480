//! Pollers wait for deletions and recoveries to complete in the vault.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyvault::ErrorKind;
use keyvault_emulator::{Emulator, Fault, Operation};
use tokio::time::{Instant, timeout};

use super::recording::scene;

const SLOW: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_deletion_can_be_started_polled_and_awaited() {
    let (emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    let deletion = client.begin_delete("a").await.unwrap();
    assert!(deletion.started().scheduled_purge.is_some());
    assert_eq!(deletion.poll().await.unwrap(), None);
    for error in [
        client.purge("a").await.unwrap_err(),
        client.set("a", "y").await.unwrap_err(),
        client.begin_recover("a").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.inner_code()), (ErrorKind::Conflict, Some("ObjectIsBeingDeleted")));
        assert!(error.is_transient(), "{error:?}");
    }
    let (begun, looks) = (Instant::now(), emulator.requests().get_deleted);
    let deleted = deletion.await.unwrap();
    assert_eq!(deleted.id().name().as_str(), "a");
    assert_eq!(
        (begun.elapsed().as_secs(), emulator.requests().get_deleted - looks),
        (6, 4),
        "at 0, 2, 4 and 6 seconds"
    );
    client.purge("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn delete_and_recover_end_when_the_vault_has_finished() {
    let (_emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    client.delete("a").await.unwrap();
    let recovery = client.begin_recover("a").await.unwrap();
    assert_eq!(recovery.poll().await.unwrap(), None);
    assert_eq!(client.get("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    let conflict = client.set("a", "y").await.unwrap_err();
    assert_eq!((conflict.inner_code(), conflict.is_transient()), (Some("ObjectIsBeingRecovered"), true));
    let begun = Instant::now();
    let recovered = recovery.interval(Duration::from_millis(500)).await.unwrap();
    assert!(recovered.id().version().is_some());
    assert!((Duration::from_millis(4_900)..=Duration::from_millis(5_500)).contains(&begun.elapsed()));
    assert_eq!(client.get("a").await.unwrap().expose_secret(), "x");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_deadline_and_the_deletion_continues() {
    let (_emulator, client) = scene(Emulator::builder().deletion_time(SLOW * 60)).await;
    client.set("a", "x").await.unwrap();
    let begun = Instant::now();
    let late = client.begin_delete("a").await.unwrap().deadline(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((late.kind(), late.is_transient()), (ErrorKind::Unavailable, true));
    assert_eq!(begun.elapsed().as_secs(), 3, "{late:?}");
    assert_eq!(late.secret().unwrap().name().as_str(), "a");
    tokio::time::advance(SLOW * 60).await;
    assert!(client.get_deleted("a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_read_permission_the_poller_reports_completion() {
    let (emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    emulator.fault_matching(None, |head| head.operation == Operation::GetDeleted, Fault::status(403));
    let deletion = client.begin_delete("a").await.unwrap();
    let deleted = deletion.started().clone();
    assert_eq!(deletion.await.unwrap(), deleted);
}

#[tokio::test(start_paused = true)]
async fn a_poller_waits_out_an_outage_and_reports_a_permanent_failure() {
    let (emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    let deletion = client.begin_delete("a").await.unwrap();
    emulator.fault_next(7, Fault::status(500));
    assert!(deletion.await.is_ok());

    client.set("b", "x").await.unwrap();
    let deletion = client.begin_delete("b").await.unwrap();
    emulator.fault(Fault::status(400));
    assert_eq!(deletion.await.unwrap_err().kind(), ErrorKind::Invalid);

    emulator.clear_faults();
    client.set("c", "x").await.unwrap();
    let deletion = client.begin_delete("c").await.unwrap().deadline(Duration::from_secs(20));
    emulator.fault(Fault::status(500));
    let late = deletion.await.unwrap_err();
    assert!(late.report().contains("at the last look: vault failed"), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn polls_have_a_pause_even_without_an_interval() {
    let (emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    let deletion = client.begin_delete("a").await.unwrap();
    // Without a pause the paused clock might stand still, so a fault ends the wait.
    let polls = AtomicU32::new(0);
    emulator.fault_matching(None, move |_| polls.fetch_add(1, Ordering::Relaxed) > 1_000, Fault::status(400));
    deletion.interval(Duration::ZERO).await.unwrap();
    assert_eq!(emulator.requests().get_deleted, 501, "every 10 milliseconds for 5 seconds");
}

#[tokio::test(start_paused = true)]
async fn giving_up_the_wait_undoes_nothing() {
    let (_emulator, client) = scene(Emulator::builder().deletion_time(SLOW)).await;
    client.set("a", "x").await.unwrap();
    assert!(timeout(Duration::from_secs(1), client.delete("a")).await.is_err());
    tokio::time::advance(SLOW).await;
    assert!(client.get_deleted("a").await.is_ok());
}
