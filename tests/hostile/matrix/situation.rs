//! The situations in which a fault begins, and the invariants that must hold afterwards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::Headers;
use figment::Figment;
use figment::providers::{Format, Toml};
use futures::TryStreamExt;
use futures::future::{LocalBoxFuture, ready};
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, Notice, SecretClient, SecretId};
use keyvault_emulator::{Emulator, Fault as EmulatorFault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::emulator::send;
use keyvault_test_support::transport::FakeTransport;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::fault::{Fault, Network, Tokens};

/// An action of the service while a fault lasts.
pub(super) struct Situation {
    pub(super) name: &'static str,
    deadline: Duration,
    most_requests: usize,
    /// The number of lists that may be read to the page cap if a list never ends.
    most_lists: usize,
    act: fn(Arc<Scene>) -> LocalBoxFuture<'static, Result<(), Error>>,
}

pub(super) const SITUATIONS: &[Situation] = &[
    Situation {
        name: "client operation",
        deadline: Duration::from_secs(30),
        most_requests: 10,
        most_lists: 0,
        act: |scene| Box::pin(async move { scene.get_new_secret().await }),
    },
    Situation {
        name: "client list",
        // One page, each with its own timeout. For an endless list, the time that 4,000 pages take at the rate limit.
        deadline: Duration::from_secs(30),
        most_requests: 10,
        most_lists: 1,
        act: |scene| Box::pin(async move { scene.client.list().try_for_each(|_| ready(Ok(()))).await }),
    },
    Situation {
        name: "cold start",
        deadline: Duration::from_secs(106),
        // Three requests of five attempts each, in as many rounds as fit into 100 seconds.
        most_requests: 150,
        most_lists: 14,
        act: |scene| Box::pin(async move { scene.start_with_new_secret().await }),
    },
    Situation {
        name: "refresh",
        deadline: Duration::from_secs(101),
        most_requests: 40,
        most_lists: 1,
        act: |scene| Box::pin(async move { scene.live().refresh_now().await.map(|_| ()) }),
    },
    Situation {
        name: "event",
        deadline: Duration::from_secs(101),
        most_requests: 20,
        most_lists: 1,
        act: |scene| Box::pin(async move { scene.push_event().await }),
    },
    Situation {
        name: "`report_rejected`",
        deadline: Duration::from_secs(101),
        most_requests: 20,
        most_lists: 0,
        act: |scene| Box::pin(async move { scene.live().report_rejected("url").await.map(|_| ()) }),
    },
];

/// The outcome of a situation.
pub(super) struct Cell {
    pub(super) outcome: String,
    pub(super) requests: usize,
    pub(super) took: Duration,
}

impl Situation {
    /// Runs the situation with `fault`, and asserts every invariant.
    pub(super) fn live_through(&self, fault: &Fault) -> Cell {
        let what = format!("{} in {}", fault.name, self.name);
        fastrand::seed(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let scene = Arc::new(Scene::new().await);
            let had_settings = !matches!(self.name, "client operation" | "client list" | "cold start");
            if had_settings {
                let live = scene.start().await.unwrap();
                *scene.live.lock().unwrap() = Some(live);
                // Long enough that equal dates in a list prove an unchanged secret, and long before the interval ends.
                scene.emulator.advance_clock(Duration::from_secs(10));
            }
            scene.rotate();
            *scene.requests.lock().unwrap() = 0;
            (fault.begin)(&scene);
            let begun = Instant::now();
            let outcome = timeout(2 * self.deadline, (self.act)(Arc::clone(&scene))).await;
            let took = begun.elapsed();
            let outcome = outcome.unwrap_or_else(|_| panic!("{what}: hangs"));
            let requests = *scene.requests.lock().unwrap();
            assert!(took <= self.deadline, "{what}: took {took:?}");
            let pages = if scene.network() == Network::EndlessList { 4_000 * self.most_lists } else { 0 };
            assert!(requests <= self.most_requests + pages, "{what}: {requests} requests");
            if let Err(error) = &outcome {
                assert_value_free(error, &[OLD, NEW, TOKEN, "evil.example"]);
            }
            if had_settings {
                scene.assert_nothing_is_lost(&outcome, &what);
            }
            scene.assert_it_works_when_the_fault_is_gone(&what).await;
            Cell { outcome: outcome.map_or_else(|error| word(&error).to_owned(), |()| "ok".to_owned()), requests, took }
        })
    }
}

fn word(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Conflict => "Conflict",
        ErrorKind::Denied => "Denied",
        ErrorKind::Invalid => "Invalid",
        ErrorKind::NotFound => "NotFound",
        ErrorKind::InvalidSettings => "InvalidSettings",
        ErrorKind::Throttled { .. } => "Throttled",
        ErrorKind::Unavailable => "Unavailable",
        _ => "another kind",
    }
}

const OLD: &str = "c4nary-old";
const NEW: &str = "c4nary-new";
const TOKEN: &str = "c4nary-token";

#[derive(Debug, Deserialize)]
struct Settings {
    url: String,
}

/// A service, its vault, and the network between them.
pub(super) struct Scene {
    pub(super) emulator: Arc<Emulator>,
    client: SecretClient,
    live: Mutex<Option<Live<Settings>>>,
    network: Arc<Mutex<Network>>,
    tokens: Arc<Mutex<Tokens>>,
    requests: Arc<Mutex<usize>>,
    /// The version of the secret since its rotation.
    version: Mutex<String>,
}

impl Scene {
    async fn new() -> Self {
        let emulator = Arc::new(Emulator::builder().accept_any_token().start().await.unwrap());
        let vault = emulator.vault("contoso");
        vault.set("password", OLD);
        vault.set("other", "1");
        let (network, tokens, requests) = (Arc::default(), Arc::<Mutex<Tokens>>::default(), Arc::default());
        let client = counting(&emulator, &network, &requests).client(&credential(&tokens)).build().unwrap();
        Self { emulator, client, live: Mutex::default(), network, tokens, requests, version: Mutex::default() }
    }

    /// Starts settings with mapped secrets and one reference.
    async fn start(&self) -> Result<Live<Settings>, Error> {
        let layers = || Figment::new().merge(Toml::string(r#"url = "db:@KeyVault(SecretName=password)""#));
        keyvault_figment::layered(self.client.clone(), layers)
            .refresh_every(HOUR)
            .event_spread(Duration::ZERO)
            .start()
            .await
    }

    async fn start_with_new_secret(&self) -> Result<(), Error> {
        let live = self.start().await?;
        assert_eq!(live.current().url, format!("db:{NEW}"));
        Ok(())
    }

    async fn get_new_secret(&self) -> Result<(), Error> {
        let secret = self.client.get("password").await?;
        assert_eq!(secret.expose_secret(), NEW);
        Ok(())
    }

    fn live(&self) -> Live<Settings> {
        self.live.lock().unwrap().clone().unwrap()
    }

    pub(super) fn rotate(&self) {
        *self.version.lock().unwrap() = self.emulator.vault("contoso").set("password", NEW);
    }

    pub(super) fn inject(&self, inject: EmulatorFault) {
        self.emulator.fault(inject);
    }

    pub(super) fn inject_once(&self, inject: EmulatorFault) {
        self.emulator.fault_next(1, inject);
    }

    pub(super) fn disable(&self) {
        self.emulator.vault("contoso").set_enabled("password", None, false);
    }

    pub(super) fn delete(&self) {
        self.emulator.vault("contoso").delete("password");
    }

    pub(super) fn set_network(&self, network: Network) {
        *self.network.lock().unwrap() = network;
    }

    fn network(&self) -> Network {
        *self.network.lock().unwrap()
    }

    pub(super) fn set_tokens(&self, tokens: Tokens) {
        *self.tokens.lock().unwrap() = tokens;
    }

    /// Pushes the event of the new version, like Event Grid, and waits for its outcome.
    async fn push_event(&self) -> Result<(), Error> {
        let live = self.live();
        let mut watcher = live.watch();
        let version = self.version.lock().unwrap().clone();
        let id = SecretId::parse(&format!("{CONTOSO}/secrets/password/{version}")).unwrap();
        live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
        match watcher.next().await.unwrap() {
            Notice::Changed(_) => Ok(()),
            Notice::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that the settings are the new ones, or that they are the old ones and the failure is visible.
    fn assert_nothing_is_lost(&self, outcome: &Result<(), Error>, what: &str) {
        let live = self.live();
        let url = live.current().url.clone();
        match outcome {
            Ok(()) => assert_eq!(url, format!("db:{NEW}"), "{what}"),
            Err(_) => {
                assert_eq!(url, format!("db:{OLD}"), "{what}: the last good settings stay");
                let health = live.health();
                assert!(health.last_error.is_some() && health.consecutive_failures > 0, "{what}: {health:?}");
            }
        }
    }

    async fn assert_it_works_when_the_fault_is_gone(&self, what: &str) {
        self.set_network(Network::Open);
        self.set_tokens(Tokens::Good);
        self.emulator.clear_faults();
        self.emulator.clear_denials();
        // Deletions and recoveries complete by the clock of the vault.
        self.emulator.advance_clock(2 * HOUR);
        // Recovery fails if the secret is not deleted.
        _ = self.client.recover("password").await;
        self.emulator.advance_clock(HOUR);
        self.emulator.vault("contoso").set_enabled("password", None, true);
        // Longer than any pause that the vault demanded.
        sleep(Duration::from_secs(120)).await;
        let secret = self.client.get("password").await.unwrap_or_else(|error| panic!("{what}, after: {error:?}"));
        assert_eq!(secret.expose_secret(), NEW, "{what}");
        let live = self.live.lock().unwrap().clone();
        if let Some(live) = live {
            live.refresh_now().await.unwrap_or_else(|error| panic!("{what}, after: {error:?}"));
            assert_eq!(live.current().url, format!("db:{NEW}"), "{what}");
            assert_eq!(live.health().consecutive_failures, 0, "{what}");
        }
    }
}

/// Returns a transport that counts requests and fails them according to `network`.
fn counting(
    emulator: &Arc<Emulator>,
    network: &Arc<Mutex<Network>>,
    requests: &Arc<Mutex<usize>>,
) -> Arc<FakeTransport> {
    let (emulator, network, requests) = (Arc::clone(emulator), Arc::clone(network), Arc::clone(requests));
    FakeTransport::unlogged(move |request| {
        let count = {
            let mut requests = requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        assert_eq!(request.origin(), CONTOSO, "a token left the vault");
        let (emulator, network) = (Arc::clone(&emulator), *network.lock().unwrap());
        async move {
            let broken = |text: &'static str| Err(azure_core::Error::with_message(SdkKind::Connection, text));
            match network {
                Network::EndlessList if request.url.path() == "/secrets" => Ok(leading_to(count)),
                Network::Open | Network::EndlessList => send(emulator, request).await,
                Network::UnknownHost => broken("dns error: failed to lookup address information"),
                Network::PortRefused => broken("tcp connect error: Connection refused"),
                Network::UntrustedCertificate => broken("invalid peer certificate: UnknownIssuer"),
            }
        }
    })
}

/// Returns an empty page with a link to the next.
fn leading_to(page: usize) -> AsyncRawResponse {
    let link = format!("{CONTOSO}/secrets?api-version=2026-04-01&$skiptoken={page}");
    let body = format!(r#"{{"value":[],"nextLink":"{link}"}}"#);
    AsyncRawResponse::from_bytes(200.into(), Headers::new(), body)
}

/// Returns a credential whose tokens have expired already, so that each operation requests one.
fn credential(tokens: &Arc<Mutex<Tokens>>) -> Arc<FakeCredential> {
    let tokens = Arc::clone(tokens);
    FakeCredential::new(move |_| {
        let tokens = *tokens.lock().unwrap();
        async move {
            match tokens {
                Tokens::Good => {}
                Tokens::Down => {
                    let text = "token endpoint cannot be reached";
                    return Err(azure_core::Error::with_message(SdkKind::Connection, text));
                }
                Tokens::Slow => sleep(Duration::from_secs(8)).await,
            }
            Ok(valid_for(Duration::ZERO, TOKEN))
        }
    })
}
