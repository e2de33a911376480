//! The blocking client.

use std::thread;
use std::time::Duration;

use keyvault::client::VersionProperties;
use keyvault::{ErrorKind, blocking};
use keyvault_emulator::Emulator;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;
use tokio::runtime::Runtime;

fn client(emulator: &Emulator) -> blocking::SecretClient {
    client_of(emulator, &FakeCredential::fixed(emulator.token())).build_blocking().unwrap()
}

/// Only the emulator has a runtime. The client runs outside of it.
fn scene() -> (Runtime, Emulator) {
    let runtime = Runtime::new().unwrap();
    let emulator = runtime.block_on(Emulator::builder().deletion_time(Duration::from_millis(20)).start()).unwrap();
    (runtime, emulator)
}

#[test]
fn every_operation_can_block() {
    let (_runtime, emulator) = scene();
    let client = client(&emulator);
    let first = client.set("a", "first").unwrap();
    client.set_with("a", "second", VersionProperties::new().tag("k", "v")).unwrap();
    assert_eq!(client.get("a").unwrap().expose_secret(), "second");
    let version = first.id().version().unwrap().to_string();
    assert_eq!(client.get_version("a", &version).unwrap().expose_secret(), "first");
    assert_eq!(client.get_pem("a").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(client.update("a", VersionProperties::new().content_type("t")).unwrap().content_type(), Some("t"));
    assert_eq!(client.list_versions("a").collect::<Result<Vec<_>, _>>().unwrap().len(), 2);
    let backup = client.backup("a").unwrap();
    let soon = Duration::from_millis(10);
    let deletion = client.begin_delete("a").unwrap().interval(soon);
    assert!(deletion.started().scheduled_purge.is_some());
    assert!(deletion.poll().is_ok());
    deletion.wait().unwrap();
    assert_eq!(client.list_deleted().count(), 1);
    client.begin_recover("a").unwrap().interval(soon).wait().unwrap();
    client.begin_delete("a").unwrap().interval(soon).wait().unwrap();
    assert!(client.get_deleted("a").unwrap().recovery_id.is_some());
    client.purge("a").unwrap();
    // A name is free after the purge completes.
    emulator.advance_clock(Duration::from_secs(1));
    client.restore(&backup).unwrap();
    assert_eq!(client.with_vault(emulator.vault_url()).unwrap().get("a").unwrap().expose_secret(), "second");
}

#[test]
fn lists_are_iterators_with_pages() {
    let (_runtime, emulator) = scene();
    for n in 0..60 {
        emulator.set(&format!("s{n}"), "x");
    }
    let client = client(&emulator);
    assert_eq!(client.list().filter_map(Result::ok).count(), 60);
    let first = client.list().page_size(20).pages().next().unwrap().unwrap();
    assert_eq!((first.items.len(), client.list().resume(first.next.as_ref().unwrap()).count()), (20, 40));
    let mut wrong = client.list().page_size(0);
    assert!(wrong.next().unwrap().is_err() && wrong.next().is_none());
}

#[test]
fn clones_are_shared_among_threads() {
    let (_runtime, emulator) = scene();
    emulator.set("a", "x");
    let client = client(&emulator);
    let threads: Vec<_> = (0..8).map(|_| client.clone()).map(|client| thread::spawn(move || client.get("a"))).collect();
    drop(client);
    for thread in threads {
        assert_eq!(thread.join().unwrap().unwrap().expose_secret(), "x");
    }
    assert_eq!(emulator.requests().get, 8);
}

#[test]
fn clients_and_their_futures_can_move_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send>(_: impl FnOnce(&'static keyvault::SecretClient) -> T) {}
    shared::<keyvault::SecretClient>();
    shared::<blocking::SecretClient>();
    sent(|client| client.set("a", "x"));
    sent(|client| client.list());
    sent(|client| client.list_deleted().pages());
    sent(|client| client.delete("a"));
    sent(|client| client.recover("a"));
    sent(|client| async { client.begin_delete("a").await?.await });
}

#[test]
fn a_blocking_client_works_inside_any_runtime() {
    let (_runtime, emulator) = scene();
    emulator.set("a", "x");
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [single, several] {
        runtime.block_on(async {
            let client = client(&emulator);
            assert_eq!(client.get("a").unwrap().expose_secret(), "x");
            assert_eq!(client.list().count(), 1);
        });
    }
}
