//! Without a runtime, or with half of one, calls fail with an error that names it.

use std::sync::Arc;

use futures::StreamExt;
use futures::executor::block_on;
use keyvault::push::webhook;
use keyvault::{Error, ErrorKind, Live, SecretClient, ValidationError};
use keyvault_test_support::credential::FakeCredential;
use tokio::runtime::Builder;

use super::service::{Service, Settings};

fn assert_names_the_runtime(error: &Error, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    assert!(
        error.to_string().contains("tokio runtime") && error.report().contains("start_blocking"),
        "{what}: {error}"
    );
}

async fn build(_: Arc<Settings>) -> Result<(), ValidationError> {
    Ok(())
}

fn client() -> SecretClient {
    // Nothing listens there.
    SecretClient::builder("https://127.0.0.1:1").credential(FakeCredential::fixed("token")).build().unwrap()
}

#[test]
fn a_start_a_derived_resource_and_a_client_require_a_runtime() {
    let service = Service::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let live: Live<Settings> = runtime.block_on(service.layered().start()).unwrap();
    let no_timers = Builder::new_current_thread().build().unwrap();
    assert_names_the_runtime(&block_on(service.layered().start::<Settings>()).unwrap_err(), "start");
    assert_names_the_runtime(&no_timers.block_on(service.layered().start::<Settings>()).unwrap_err(), "start");
    for derived in [
        block_on(live.derive(["password"], build).into_future()),
        no_timers.block_on(live.derive(["password"], build).into_future()),
    ] {
        assert_names_the_runtime(&derived.unwrap_err(), "derive");
    }
    let client = client();
    for result in [block_on(client.get("a")), no_timers.block_on(client.get("a"))] {
        assert_names_the_runtime(&result.unwrap_err(), "get");
    }
    assert_names_the_runtime(&block_on(client.list().next()).unwrap().unwrap_err(), "list");
    assert_names_the_runtime(&block_on(client.delete("a")).unwrap_err(), "delete");
    assert_names_the_runtime(&block_on(client.set("a", "b")).unwrap_err(), "set");
}

#[test]
fn a_client_in_a_runtime_without_connections_fails() {
    let no_connections = Builder::new_current_thread().enable_time().build().unwrap();
    let error = no_connections.block_on(client().get("a")).unwrap_err();
    assert!(error.report().contains("enable_all"), "{}", error.report());
}

#[test]
fn a_webhook_without_a_runtime_asks_for_another_delivery() {
    let (webhook, _events) = webhook();
    let body = futures::stream::iter([Ok::<_, ()>("[]")]);
    let answer = block_on(webhook.answer("POST", |_| None, body));
    assert_eq!(answer.status(), 503);
}

#[test]
fn handles_need_no_runtime() {
    let service = Service::new();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let live: Live<Settings> = runtime.block_on(service.layered().start()).unwrap();
    service.rotate("second");
    let mut watcher = live.watch();
    assert!(block_on(live.refresh_now()).unwrap().is_some());
    assert!(block_on(watcher.changed()).is_some());
    assert!(live.health().is_healthy());
    block_on(live.shutdown());
}
