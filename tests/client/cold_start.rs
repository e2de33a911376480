//! A client without a token serves many concurrent reads with one challenge and one token.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::ClientOptions;
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use futures::future::join_all;
use keyvault::SecretClient;
use keyvault_emulator::{Emulator, Fault, VaultHandle};
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::emulator::{client_of, tls_options, transport_to};
use keyvault_test_support::transport::FakeTransport;

/// Sets `count` secrets: `s0` is `v0` and so on.
fn fill(vault: &VaultHandle<'_>, count: usize) {
    for n in 0..count {
        vault.set(&format!("s{n}"), &format!("v{n}"));
    }
}

/// Reads `count` secrets concurrently, and panics on an error or a wrong value.
async fn read_all(client: &SecretClient, count: usize) {
    let read = |n: usize| async move { (n, client.get(&format!("s{n}")).await) };
    for (n, secret) in join_all((0..count).map(read)).await {
        let secret = secret.unwrap_or_else(|error| panic!("s{n}: {error:?}"));
        assert_eq!(secret.expose_secret(), format!("v{n}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_reads_cost_one_request_each_and_one_token() {
    let emulator = Emulator::start().await.unwrap();
    fill(&emulator.vault(DEFAULT), CALLERS);
    let credential = FakeCredential::fixed(emulator.token());
    read_all(&client_of(&emulator, &credential).build().unwrap(), CALLERS).await;
    let requests = emulator.requests();
    assert!(requests.total <= CALLERS as u64 + 1, "{requests:?}");
    assert_eq!(credential.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_requests_fetch_one_token() {
    let emulator = Emulator::start().await.unwrap();
    fill(&emulator.vault(DEFAULT), CALLERS);
    let credential = client_secret_credential(&emulator);
    read_all(&client_of(&emulator, &credential).build().unwrap(), CALLERS).await;
    let requests = emulator.requests();
    assert!(requests.total <= CALLERS as u64 + 1, "{requests:?}");
    assert_eq!(requests.token, 1, "{requests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cold_start_of_many_fails() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault("contoso"), 8);
    let wire = transport_to(&emulator);
    for _ in 0..COLD_STARTS {
        let credential = FakeCredential::fresh(&emulator);
        let client = wire.client(&credential).build().unwrap();
        let reads = (0..8).map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&format!("s{n}")).await })
        });
        for secret in join_all(reads).await {
            secret.unwrap().unwrap();
        }
        assert_eq!(credential.requests(), 1);
    }
    assert_eq!(emulator.requests().total, 8 * COLD_STARTS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cold_start_fails_if_the_vault_requires_another_token_than_the_first() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault(DEFAULT), 8);
    emulator.challenge_resource(NAMED);
    let wire = transport_to(&emulator);
    for _ in 0..COLD_STARTS {
        let credential = only_for_the_named_origin(&emulator);
        let client = client_of_the_named_origin(&wire, &credential);
        let reads = (0..8).map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&format!("s{n}")).await })
        });
        for secret in join_all(reads).await {
            secret.unwrap().unwrap();
        }
        assert!(credential.requests() <= 2, "{:?}", credential.scopes());
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_that_are_challenged_together_fetch_one_more_token() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault(DEFAULT), CALLERS);
    emulator.challenge_resource(NAMED);
    emulator.set_latency(Duration::from_millis(10));
    let credential = only_for_the_named_origin(&emulator);
    let client = client_of_the_named_origin(&transport_to(&emulator), &credential);
    read_all(&client, CALLERS).await;
    assert_eq!(credential.scopes(), ["https://vault.azure.net/.default", NAMED_SCOPE]);
    let requests = emulator.requests();
    assert_eq!((requests.unauthorized, requests.get), (CALLERS as u64, CALLERS as u64), "{requests:?}");

    emulator.reset_requests();
    read_all(&client, CALLERS).await;
    assert_eq!(emulator.requests().total, CALLERS as u64, "what the vault wants is remembered");
    assert_eq!(credential.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_to_every_first_request_is_answered_by_everyone() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault("contoso"), CALLERS);
    emulator.set_latency(Duration::from_millis(10));
    let seen: Mutex<HashSet<String>> = Mutex::default();
    let is_first = move |path: &str| seen.lock().unwrap().insert(path.to_owned());
    emulator.fault_matching(None, move |head| is_first(&head.path_and_query), Fault::Unauthorized);
    let credential = FakeCredential::fresh(&emulator);
    read_all(&transport_to(&emulator).client(&credential).build().unwrap(), CALLERS).await;
    let requests = emulator.requests();
    assert_eq!((requests.unauthorized, requests.get), (CALLERS as u64, CALLERS as u64), "{requests:?}");
    assert_eq!(credential.requests(), 2, "who was refused the old token finds the new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_replaced_once_for_all_callers() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault("contoso"), 32);
    let credential = FakeCredential::fresh(&emulator);
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    for round in 0..ROUNDS {
        let reads = (0..32).map(|n| {
            let (client, emulator) = (client.clone(), Arc::clone(&emulator));
            tokio::spawn(async move {
                // Revokes the token while the herd is reading.
                if n == 16 {
                    emulator.revoke_tokens();
                }
                client.get(&format!("s{n}")).await
            })
        });
        for secret in join_all(reads).await {
            secret.unwrap().unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        }
    }
    assert!(credential.requests() <= ROUNDS + 1, "one for each time it was revoked: {}", credential.requests());
}

#[tokio::test]
async fn a_dropped_token_fetch_is_taken_over() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    fill(&emulator.vault("contoso"), 1);
    let issuer = Arc::clone(&emulator);
    let fetches = Arc::new(AtomicUsize::new(0));
    let credential = FakeCredential::new(move |_| {
        let (token, first) = (issuer.token(), fetches.fetch_add(1, Ordering::SeqCst) == 0);
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(valid_for(HOUR, token))
        }
    });
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    let mut first = Box::pin(client.get("s0"));
    let mut second = Box::pin(client.get("s0"));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(credential.requests(), 1);
    drop(first);
    assert_eq!(second.await.unwrap().expose_secret(), "v0");
    assert_eq!(credential.requests(), 2);
}

/// Returns a credential whose token for the cloud is invalid here, so that the client must follow the challenge.
fn only_for_the_named_origin(emulator: &Arc<Emulator>) -> Arc<FakeCredential> {
    let emulator = Arc::clone(emulator);
    FakeCredential::new(move |scope| {
        let token = if scope == NAMED_SCOPE { emulator.token_for(NAMED) } else { "of-no-use-here".to_owned() };
        async move {
            tokio::task::yield_now().await;
            Ok(valid_for(HOUR, token))
        }
    })
}

fn client_of_the_named_origin(wire: &Arc<FakeTransport>, credential: &Arc<FakeCredential>) -> SecretClient {
    let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
    SecretClient::builder(NAMED).credential(credential).client_options(wire.options()).build().unwrap()
}

/// Returns a credential of the SDK whose transport trusts the token endpoint of the emulator.
fn client_secret_credential(emulator: &Emulator) -> Arc<ClientSecretCredential> {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = emulator.authority_url().to_owned();
    let client_options = ClientOptions { cloud: Some(Arc::new(cloud.into())), ..tls_options(emulator) };
    ClientSecretCredential::new(
        emulator.tenant_id(),
        emulator.client_id().to_owned(),
        Secret::new(emulator.client_secret().to_owned()),
        Some(ClientSecretCredentialOptions { client_options }),
    )
    .unwrap()
}

/// The emulator's name of the vault behind every other host name.
const DEFAULT: &str = "";
/// The number of concurrent reads.
const CALLERS: usize = 500;
/// The number of clients, one after the other.
const COLD_STARTS: usize = 500;
/// The number of herds during which the token is revoked.
const ROUNDS: usize = 50;
/// An origin outside every Key Vault domain, whose vault requires tokens for its own host.
const NAMED: &str = "https://vault.contoso.example:8443";
const NAMED_SCOPE: &str = "https://vault.contoso.example:8443/.default";
