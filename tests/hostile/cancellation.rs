//! Cancel safety: a future may be dropped at any await point, and the next call works.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use futures::poll;
use keyvault::{Live, Resolver, SecretClient, SecretId};
use keyvault_emulator::Emulator;
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use serde::Deserialize;
use tokio::time::{advance, timeout};

#[derive(Deserialize)]
struct Settings {
    url: String,
}

/// Two references, and a setting by name.
const FILE: &str = r#"url = "@KeyVault(SecretName=user):@KeyVault(SecretName=password)""#;
const URL: &str = "ann:correct horse";

struct Scene {
    emulator: Arc<Emulator>,
    client: SecretClient,
}

impl Scene {
    async fn new() -> Self {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        let vault = emulator.vault("contoso");
        vault.set("user", "ann");
        vault.set("password", "correct horse");
        let client = transport_to(&emulator).client(&FakeCredential::fresh(&emulator)).build().unwrap();
        Self { emulator, client }
    }

    fn resolver(&self) -> Resolver {
        self.client.clone().into()
    }

    async fn start(&self) -> keyvault::Result<Live<Settings>> {
        let layers = || Figment::new().merge(Toml::string(FILE));
        keyvault_figment::layered(self.client.clone(), layers).refresh_every(Duration::from_secs(3_600)).start().await
    }
}

/// Polls `future` at most `polls` times while time and other tasks advance, then drops it. Returns whether it
/// completed.
async fn given_up_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll!(future.as_mut()).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
        advance(Duration::from_millis(1)).await;
    }
    false
}

/// More than the await points of each of these futures.
const MOST: usize = 10_000;

/// Ample virtual time: a caller that waits for a dropped one would wait forever.
async fn soon<T>(future: impl Future<Output = keyvault::Result<T>>) -> T {
    timeout(Duration::from_secs(600), future).await.expect("nothing is wedged").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_get_may_be_dropped_at_every_await_point() {
    for polls in 0..MOST {
        // A new client each time, so that the token request is dropped too.
        let scene = Scene::new().await;
        let ended = given_up_after(polls, scene.client.get("password")).await;
        assert_eq!(soon(scene.client.get("password")).await.expose_secret(), "correct horse", "after {polls}");
        if ended {
            assert!(polls > 3, "{polls} await points are too few to prove something");
            return;
        }
    }
    panic!("a get does not end");
}

#[tokio::test(start_paused = true)]
async fn a_resolution_may_be_dropped_at_every_await_point() {
    for polls in 0..MOST {
        let resolver = Scene::new().await.resolver();
        let text = "@KeyVault(SecretName=user):@KeyVault(SecretName=password)";
        let id = SecretId::parse(&format!("{CONTOSO}/secrets/user")).unwrap();
        // One caller gives up after another joined its request.
        let (ended, joined) = tokio::join!(given_up_after(polls, resolver.resolve(text)), soon(resolver.get(&id)));
        assert_eq!(joined.expose_secret(), "ann", "after {polls}");
        let resolved = soon(resolver.resolve(text)).await.unwrap();
        assert_eq!(resolved.expose_secret(), URL, "after {polls}");
        if ended {
            assert!(polls > 3);
            return;
        }
    }
    panic!("a resolution does not end");
}

#[tokio::test(start_paused = true)]
async fn a_start_may_be_dropped_at_every_await_point() {
    for polls in 0..MOST {
        let scene = Scene::new().await;
        let ended = given_up_after(polls, scene.start()).await;
        assert_eq!(soon(scene.start()).await.current().url, URL, "after {polls}");
        if ended {
            assert!(polls > 3);
            return;
        }
    }
    panic!("a start does not end");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_may_be_dropped_at_every_await_point() {
    let scene = Scene::new().await;
    let live = scene.start().await.unwrap();
    for polls in 0..MOST {
        let password = format!("password {polls}");
        scene.emulator.vault("contoso").set("password", password.as_str());
        let ended = given_up_after(polls, live.refresh_now()).await;
        soon(live.refresh_now()).await;
        assert_eq!(live.current().url, format!("ann:{password}"), "after {polls}");
        if ended {
            assert!(polls > 1);
            return;
        }
    }
    panic!("a refresh does not end");
}
