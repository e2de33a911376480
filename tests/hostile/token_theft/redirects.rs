//! Redirects on real connections, which an HTTP client would follow by default.

use futures::{StreamExt, TryStreamExt};
use keyvault::push::StorageQueue;
use keyvault::{Error, ErrorKind, SecretClient};
use keyvault_appconfig::client::AppConfigurationClientBuilder;
use keyvault_appconfig::{AppConfigurationClient, NO_LABEL, Selector};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

use super::hostile_vault::Moment;

/// Starts the service of a test and an attacker, each with the same content. The clients trust both certificates, so
/// only the rules of the client protect the token.
async fn service_and_attacker() -> [Emulator; 2] {
    let [service, attacker] = [(); 2].map(|()| Emulator::builder().accept_any_token().start());
    let emulators = [service.await.unwrap(), attacker.await.unwrap()];
    for emulator in &emulators {
        emulator.set("a", "a value");
        emulator.app_configuration("").set("a", "a value");
    }
    emulators
}

/// Returns each status of a redirect with each place that it leads to: the attacker, the service itself, or a path.
fn redirects(service: &Emulator, attacker: &Emulator, path: &str) -> Vec<(u16, String)> {
    let origins = [attacker.vault_url(), attacker.http_url(), service.vault_url(), service.http_url(), ""];
    let statuses = [301, 302, 303, 307, 308];
    statuses.iter().flat_map(|status| origins.map(|origin| (*status, format!("{origin}{path}")))).collect()
}

#[tokio::test]
async fn no_redirect_is_followed_on_a_real_connection_at_any_moment() {
    let [vault, attacker] = service_and_attacker().await;
    let credential = FakeCredential::fixed("a-token-that-stays");
    let client = client_of(&vault, &credential).certificate_authority(attacker.ca_pem()).build().unwrap();
    let believed = client.with_vault(attacker.vault_url()).unwrap();
    assert_eq!(believed.get("a").await.unwrap().expose_secret(), "a value");
    attacker.reset_requests();
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            client.get("a").await.unwrap();
        }
        for (status, location) in redirects(&vault, &attacker, "/secrets/a?api-version=2025-07-01") {
            let what = format!("{status} to {location}, {moment:?}");
            vault.reset_requests();
            vault.fault(Fault::status(status).header("location", &location));
            assert_redirected(&client, status, &what).await;
            vault.clear_faults();
            assert_eq!(vault.request_log().len(), 4, "one request each: {what}");
            assert_eq!(attacker.request_log().len(), 0, "{what}");
        }
    }
    client.get("a").await.unwrap();
}

/// Reads, lists, sets and deletes: with and without a body.
async fn assert_redirected(client: &SecretClient, status: u16, what: &str) {
    for outcome in [
        client.get("a").await.map(|_| ()),
        client.list().try_collect::<Vec<_>>().await.map(|_| ()),
        client.set("a", "a secret").await.map(|_| ()),
        client.begin_delete("a").await.map(|_| ()),
    ] {
        assert_is_redirect(&outcome.expect_err(what), status, what);
    }
}

fn assert_is_redirect(error: &Error, status: u16, what: &str) {
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Unavailable, Some(status)), "{what}");
}

#[tokio::test]
async fn no_redirect_of_a_store_is_followed_on_a_real_connection() {
    let [service, attacker] = service_and_attacker().await;
    let store = service.app_configuration("");
    let build = |builder: AppConfigurationClientBuilder| {
        builder.certificate_authority(service.ca_pem()).certificate_authority(attacker.ca_pem()).build().unwrap()
    };
    let credential = FakeCredential::fixed("a-token-that-stays");
    let with_token = build(AppConfigurationClient::builder(store.endpoint()).credential(credential));
    let with_key = build(AppConfigurationClient::from_connection_string(&store.connection_string()));
    let believed = with_token.with_endpoint(attacker.vault_url()).unwrap();
    assert_eq!(believed.get("a", None).await.unwrap().value(), Some("a value"));
    attacker.reset_requests();
    for client in [with_token, with_key] {
        assert_eq!(client.get("a", None).await.unwrap().value(), Some("a value"));
        for (status, location) in redirects(&service, &attacker, "/kv/a?api-version=2026-04-01") {
            let what = format!("{status} to {location}");
            service.reset_requests();
            store.fault(Fault::status(status).header("location", &location));
            assert_store_redirected(&client, status, &what).await;
            service.clear_faults();
            assert_eq!(service.request_log().len(), 4, "one request each: {what}");
            assert_eq!(attacker.request_log().len(), 0, "{what}");
        }
    }
}

/// Reads, lists, sets and deletes: with and without a body.
async fn assert_store_redirected(client: &AppConfigurationClient, status: u16, what: &str) {
    for outcome in [
        client.get("a", None).await.map(|_| ()),
        client.list(&Selector::new("*", NO_LABEL)).try_collect::<Vec<_>>().await.map(|_| ()),
        client.set("a", None, "a value").await.map(|_| ()),
        client.delete("a", None).await.map(|_| ()),
    ] {
        assert_is_redirect(&outcome.expect_err(what), status, what);
    }
}

#[tokio::test]
async fn no_redirect_of_a_queue_is_followed_on_a_real_connection() {
    let [service, attacker] = service_and_attacker().await;
    let queue = |origin: &str| {
        let queue = StorageQueue::builder(format!("{origin}/shop"));
        let queue = queue.credential(FakeCredential::fixed("a-token-that-stays"));
        queue.certificate_authority(service.ca_pem()).certificate_authority(attacker.ca_pem()).build().unwrap()
    };
    // An emulator has no queue, but it logs the requests for one.
    assert_eq!(queue(attacker.vault_url()).create().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(attacker.request_log().len(), 1);
    attacker.reset_requests();
    for (status, location) in redirects(&service, &attacker, "/shop/messages") {
        let what = format!("{status} to {location}");
        service.reset_requests();
        service.fault(Fault::status(status).header("location", &location));
        let queue = queue(service.vault_url());
        assert_is_redirect(&queue.create().await.expect_err(&what), status, &what);
        assert_is_redirect(&error_of_first_poll(&queue).await, status, &what);
        service.clear_faults();
        assert_eq!(service.request_log().len(), 2, "one request each: {what}");
        assert_eq!(attacker.request_log().len(), 0, "{what}");
    }
}

/// Polls the queue once, and returns the error of its request for messages.
async fn error_of_first_poll(queue: &StorageQueue) -> Error {
    let mut events = queue.events();
    let failed = async {
        loop {
            if let Some(error) = queue.health().last_failure {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        event = events.next() => panic!("{event:?} came"),
        error = failed => error,
    }
}
