//! Redirects on real connections, which an HTTP client would follow by default.

use std::sync::Arc;

use futures::TryStreamExt;
use keyvault::{ErrorKind, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

use super::hostile_vault::Moment;

#[tokio::test]
async fn no_redirect_is_followed_on_a_real_connection_at_any_moment() {
    let vault = Arc::new(Emulator::builder().accept_any_token().start().await.unwrap());
    let attacker = Emulator::builder().accept_any_token().start().await.unwrap();
    for emulator in [&*vault, &attacker] {
        emulator.set("a", "a value");
    }
    let credential = FakeCredential::fixed("a-token-that-stays");
    // Its certificate is trusted, so only the rules of the client protect the token.
    let client = client_of(&vault, &credential).certificate_authority(attacker.ca_pem()).build().unwrap();
    let believed = client.with_vault(attacker.vault_url()).unwrap();
    assert_eq!(believed.get("a").await.unwrap().expose_secret(), "a value");
    attacker.reset_requests();
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            client.get("a").await.unwrap();
        }
        for status in [301, 302, 303, 307, 308] {
            for origin in [attacker.vault_url(), attacker.http_url(), vault.vault_url(), vault.http_url(), ""] {
                let location = format!("{origin}/secrets/a?api-version=2025-07-01");
                vault.reset_requests();
                vault.fault(Fault::status(status).header("location", &location));
                assert_redirected(&client, status, &format!("{status} to {location}, {moment:?}")).await;
                vault.clear_faults();
                assert_eq!(vault.request_log().len(), 4, "one request each: {status} to {location}, {moment:?}");
                assert_eq!(attacker.request_log().len(), 0, "{status} to {location}, {moment:?}");
            }
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
        let error = outcome.expect_err(what);
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Unavailable, Some(status)), "{what}");
    }
}
