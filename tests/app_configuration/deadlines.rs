//! Every call ends within its deadline: silence, a body or a token that never comes, slow pages without end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::Headers;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use keyvault::{ErrorKind, SettingStore};
use keyvault_appconfig::{AppConfiguration, AppConfigurationClient, NO_LABEL, Selector};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::{Instant, sleep};

use super::ENDPOINT;

const TIMEOUT: Duration = Duration::from_secs(3);

fn client(wire: &Arc<FakeTransport>, credential: Arc<FakeCredential>) -> AppConfigurationClient {
    let builder = AppConfigurationClient::builder(ENDPOINT).credential(credential).timeout(TIMEOUT);
    builder.client_options(wire.options()).build().unwrap()
}

fn token() -> Arc<FakeCredential> {
    FakeCredential::fixed("token-0123456789")
}

/// A store whose responses stop in the middle of their bodies.
fn stalling() -> Arc<FakeTransport> {
    FakeTransport::new(|_| async {
        let body = stream::iter([Ok(Bytes::from_static(b"{"))]).chain(stream::pending());
        Ok(AsyncRawResponse::new(200.into(), Headers::new(), body.boxed()))
    })
}

/// A store whose lists have no last page. Each page takes a second and has `items`.
fn slow_pages(items: &'static str) -> Arc<FakeTransport> {
    FakeTransport::new(move |request| async move {
        sleep(Duration::from_secs(1)).await;
        let number = request.query("after").map_or(0, |after| after.parse::<u32>().unwrap());
        let body = format!(r#"{{"items":[{items}],"@nextLink":"/kv?after={}"}}"#, number + 1);
        Ok(FakeResponse::new(200, body).into())
    })
}

#[tokio::test(start_paused = true)]
async fn every_operation_ends_within_the_timeout_of_the_client() {
    for (what, wire, credential) in [
        ("silence", FakeTransport::new(|_| pending()), token()),
        ("a body that stalls", stalling(), token()),
        ("a token that never comes", FakeTransport::new(|_| pending()), FakeCredential::hanging()),
    ] {
        let client = client(&wire, credential);
        for operation in [
            client.get("a", None).map(|outcome| outcome.map(drop)).boxed(),
            client.list(&Selector::new("*", NO_LABEL)).try_collect::<Vec<_>>().map(|outcome| outcome.map(drop)).boxed(),
            client.set("a", None, "1").map(|outcome| outcome.map(drop)).boxed(),
            client.delete("a", None).map(|outcome| outcome.map(drop)).boxed(),
        ] {
            let started = Instant::now();
            let error = operation.await.unwrap_err();
            assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Unavailable, TIMEOUT), "{what}");
            assert!(error.to_string().ends_with("store did not answer in time"), "{what}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_pages_without_items_end_a_list_at_the_timeout_of_the_client() {
    let wire = slow_pages("");
    let list = client(&wire, token()).list(&Selector::new("*", NO_LABEL));
    let started = Instant::now();
    let error = list.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Unavailable, TIMEOUT), "{error}");
    assert_eq!(wire.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_layer_ends_at_its_deadline() {
    const DEADLINE: Duration = Duration::from_secs(2);
    for (what, wire, credential) in [
        ("a body that stalls", stalling(), token()),
        ("a token that never comes", slow_pages(""), FakeCredential::hanging()),
        ("pages without items", slow_pages(""), token()),
        ("pages with items", slow_pages(r#"{"key":"a","etag":"e"}"#), token()),
    ] {
        let layer = AppConfiguration::builder(client(&wire, credential)).timeout(DEADLINE).build().unwrap();
        let started = Instant::now();
        let error = layer.read().await.unwrap_err();
        assert_eq!((error.kind(), started.elapsed()), (ErrorKind::Unavailable, DEADLINE), "{what}: {error}");
    }
}
