//! A thousand concurrent callers stay within the limit of a vault, whichever handle they use.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use keyvault::client::SecretClientBuilder;
use keyvault::{Resolver, SecretClient};
use keyvault_emulator::{Emulator, Fault, Throttle};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::{client_of, transport_to};
use tokio::time::{Instant, sleep, timeout};

/// Ten handles of one vault on a virtual clock: two of each of five resolvers, which share a client.
struct Herd {
    emulator: Arc<Emulator>,
    client: SecretClient,
    handles: Vec<Resolver>,
}

impl Herd {
    async fn before(limit: Throttle) -> Self {
        let begun = (Instant::now(), SystemTime::now());
        let clock = move || begun.1 + begun.0.elapsed();
        let emulator = Arc::new(Emulator::builder().clock(clock).throttle(limit).start().await.unwrap());
        for n in 0..SECRETS {
            emulator.vault("contoso").set(&format!("s{n}"), &format!("v{n}"));
        }
        emulator.set_latency(Duration::from_millis(20));
        let client = program(&emulator);
        let resolvers: Vec<Resolver> = (0..5).map(|_| client.clone().into()).collect();
        let handles = resolvers.iter().chain(&resolvers).cloned().collect();
        Self { emulator, client, handles }
    }

    /// Lets another, independent program use a part of the limit of the vault.
    async fn and_a_neighbour_who_takes(self, requests: usize) -> Self {
        let neighbour = program(&self.emulator);
        for secret in join_all((0..requests).map(|_| neighbour.get("s0"))).await {
            secret.unwrap();
        }
        self.emulator.reset_requests();
        self
    }

    /// Resolves a thousand texts of ten secrets concurrently, and returns the time that took.
    ///
    /// Each secret is in two texts of each resolver, one per handle.
    async fn ask(&self) -> Duration {
        let begun = Instant::now();
        let texts: Vec<String> = (0..1_000).map(|n| text(n / 10, |n| format!("@KeyVault(SecretName=s{n})"))).collect();
        let resolves = texts.iter().enumerate().map(|(n, text)| self.handles[n % 10].resolve(text));
        for (n, resolved) in join_all(resolves).await.into_iter().enumerate() {
            let resolved = resolved.unwrap_or_else(|error| panic!("{n}: {error:?}")).unwrap();
            assert_eq!(resolved.expose_secret(), text(n / 10, |n| format!("v{n}")));
        }
        begun.elapsed()
    }

    /// Asserts that each resolver received every secret once, and returns the number of refusals.
    fn refusals(&self) -> u64 {
        let requests = self.emulator.requests();
        assert_eq!(requests.total - requests.throttled, 5 * SECRETS as u64, "each once: {requests:?}");
        requests.throttled
    }
}

fn program(emulator: &Arc<Emulator>) -> SecretClient {
    transport_to(emulator).client(&FakeCredential::fixed(emulator.token())).build().unwrap()
}

fn text(n: usize, part: impl Fn(usize) -> String) -> String {
    (10 * n..10 * (n + 1)).map(|n| part(n % SECRETS)).collect::<Vec<_>>().join(",")
}

const SECRETS: usize = 1_000;

#[tokio::test(start_paused = true)]
async fn a_thousand_resolves_by_ten_handles_stay_within_the_limit_of_the_service() {
    let herd = Herd::before(Throttle::service()).await;
    let took = herd.ask().await;
    // 5,000 requests. The vault counts those of the last ten seconds, which the client learns only from a refusal: this
    // costs the requests in flight. The rest wait until the ten seconds are over, without a request in between.
    assert!((1..=101).contains(&herd.refusals()), "{}", herd.refusals());
    assert!((Duration::from_secs(10)..Duration::from_secs(13)).contains(&took), "{took:?}");
    herd.emulator.reset_requests();
    sleep(Duration::from_secs(11)).await;
    // By now the limit is known.
    let strangers: Vec<Resolver> = (0..5).map(|_| herd.client.clone().into()).collect();
    let herd = Herd { handles: strangers.iter().chain(&strangers).cloned().collect(), ..herd };
    herd.ask().await;
    assert_eq!(herd.refusals(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_costs_the_requests_in_flight_and_a_few_probes() {
    // Without `Retry-After` the pauses double. With it they are as long as the vault demands.
    for (limit, again, longest) in [
        (Throttle::service(), 5, Duration::from_secs(40)),
        (Throttle::service().retry_after(Duration::from_secs(3)), 8, Duration::from_secs(30)),
    ] {
        let herd = Herd::before(limit).await.and_a_neighbour_who_takes(1_500).await;
        let took = herd.ask().await;
        let refusals = herd.refusals();
        assert!((1..=100 + again).contains(&refusals), "{limit:?}: {refusals}");
        assert!(took < longest, "{limit:?}: {took:?}");
    }
}

/// Clients with separate connections, tokens and settings. They share only the address of the vault.
fn strangers(emulator: &Emulator, settings: impl Fn(SecretClientBuilder) -> SecretClientBuilder) -> Vec<Resolver> {
    let credential = || FakeCredential::fixed(emulator.token());
    (0..10).map(|_| settings(client_of(emulator, &credential())).build().unwrap().into()).collect()
}

/// Resolves `secrets` different secrets over sockets, by one handle after the other.
async fn ask(emulator: &Emulator, handles: &[Resolver], secrets: usize) -> Duration {
    let begun = std::time::Instant::now();
    let texts: Vec<String> = (0..secrets).map(|n| format!("@KeyVault(SecretName=s{n})")).collect();
    let resolves = texts.iter().enumerate().map(|(n, text)| handles[n % handles.len()].resolve(text));
    let all = timeout(Duration::from_secs(60), join_all(resolves)).await.expect("no caller waits forever");
    for (n, resolved) in all.into_iter().enumerate() {
        assert_eq!(resolved.unwrap().unwrap().expose_secret(), format!("v{n}"));
    }
    let requests = emulator.requests();
    assert_eq!(requests.total - requests.throttled, secrets as u64, "each once: {requests:?}");
    begun.elapsed()
}

async fn vault(secrets: usize) -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    (0..secrets).for_each(|n| _ = emulator.set(&format!("s{n}"), &format!("v{n}")));
    emulator
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_separate_clients_share_one_token_bucket() {
    let emulator = vault(150).await;
    let took = ask(&emulator, &strangers(&emulator, |client| client.requests_per_second(10)), 150).await;
    // The first hundred at once, the others at ten per second. With separate buckets each client would need fifteen
    // tokens.
    assert!(took >= Duration::from_millis(4_900), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_separate_clients_do_not_flood_a_throttling_vault() {
    // Few enough that even a slow machine reaches the limit within the window.
    let emulator = vault(400).await;
    emulator.throttle(Throttle::service().others(200).window(Duration::from_secs(6)));
    ask(&emulator, &strangers(&emulator, |client| client), 400).await;
    let throttled = emulator.requests().throttled;
    // The requests in flight when the limit was reached, and a few probes.
    assert!((1..=150).contains(&throttled), "{throttled}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_client_pauses_all_other_clients_of_the_vault() {
    let emulator = vault(10).await;
    let throttled = client_of(&emulator, &FakeCredential::fixed(emulator.token())).build().unwrap();
    let handles = strangers(&emulator, |client| client);
    emulator.fault_next(1, Fault::status(429).retry_after("2"));
    let first = async { assert_eq!(throttled.get("s0").await.unwrap().expose_secret(), "v0") };
    let others = async {
        // No request may follow the refusal.
        while throttled.stats().refusals == 0 {
            tokio::task::yield_now().await;
        }
        let resolves = handles.iter().map(|handle| handle.resolve("@KeyVault(SecretName=s1)"));
        let mut resolves = pin!(join_all(resolves));
        let early = timeout(Duration::from_secs(1), &mut resolves).await;
        assert!(early.is_err() && emulator.requests().total == 1, "{:?}", emulator.requests());
        resolves.await.into_iter().for_each(|text| assert_eq!(text.unwrap().unwrap().expose_secret(), "v1"));
    };
    tokio::join!(first, others);
}
