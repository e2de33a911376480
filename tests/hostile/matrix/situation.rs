//! When it goes wrong, and what must hold then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::Headers;
use figment::Figment;
use figment::providers::{Format, Toml};
use futures::TryStreamExt;
use futures::future::{LocalBoxFuture, ready};
use keyvault::{Error, ErrorKind, Live, Notice, SecretClient, SecretEvent, SecretEventKind, SecretId};
use keyvault_emulator::{Emulator, Fault as Strike};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::emulator::send;
use keyvault_test_support::transport::FakeTransport;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::fault::{Fault, Road, Tokens};

/// Something that a service does, while a fault lasts.
pub(super) struct Situation {
    pub(super) name: &'static str,
    deadline: Duration,
    most_requests: usize,
    /// Lists that may be read to the last page that is asked for, should none be the last.
    most_lists: usize,
    act: fn(Arc<Scene>) -> LocalBoxFuture<'static, Result<(), Error>>,
}

pub(super) const SITUATIONS: &[Situation] = &[
    Situation {
        name: "client operation",
        deadline: Duration::from_secs(30),
        most_requests: 10,
        most_lists: 0,
        act: |scene| Box::pin(async move { scene.client.get("password").await.map(|_| ()) }),
    },
    Situation {
        name: "client list",
        // One page, each with a timeout of its own; of more, whatever the pace of 4,000 takes.
        deadline: Duration::from_secs(30),
        most_requests: 10,
        most_lists: 1,
        act: |scene| Box::pin(async move { scene.client.list().try_for_each(|_| ready(Ok(()))).await }),
    },
    Situation {
        name: "cold start",
        deadline: Duration::from_secs(106),
        // Three calls of five attempts each, in as many rounds as 100 seconds have.
        most_requests: 150,
        most_lists: 9,
        act: |scene| Box::pin(async move { scene.start().await.map(|_| ()) }),
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
        act: |scene| Box::pin(async move { scene.hear_of_it().await }),
    },
    Situation {
        name: "`rejected`",
        deadline: Duration::from_secs(101),
        most_requests: 20,
        most_lists: 0,
        act: |scene| Box::pin(async move { scene.live().rejected("url").await.map(|_| ()) }),
    },
];

/// How it ended.
pub(super) struct Cell {
    pub(super) outcome: String,
    pub(super) requests: usize,
    pub(super) took: Duration,
}

impl Situation {
    /// Lives through `fault`, and checks everything that must hold whatever it is.
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
                // Past the seconds in which a list proves nothing, and the interval still far away.
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
            let pages = if scene.road() == Road::NoEnd { 4_000 * self.most_lists } else { 0 };
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
        ErrorKind::Rejected => "Rejected",
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

/// A service, its vault, and the road between them.
pub(super) struct Scene {
    pub(super) emulator: Arc<Emulator>,
    client: SecretClient,
    live: Mutex<Option<Live<Settings>>>,
    road: Arc<Mutex<Road>>,
    tokens: Arc<Mutex<Tokens>>,
    requests: Arc<Mutex<usize>>,
    /// The version that the secret has since it rotated.
    version: Mutex<String>,
}

impl Scene {
    async fn new() -> Self {
        let emulator = Arc::new(Emulator::builder().accept_any_token().start().await.unwrap());
        let vault = emulator.vault("contoso");
        vault.set("password", OLD);
        vault.set("other", "1");
        let (road, tokens, requests) = (Arc::default(), Arc::<Mutex<Tokens>>::default(), Arc::default());
        let client = counting(&emulator, &road, &requests).client(&credential(&tokens)).build().unwrap();
        Self { emulator, client, live: Mutex::default(), road, tokens, requests, version: Mutex::default() }
    }

    /// Everything by name, and one reference.
    async fn start(&self) -> Result<Live<Settings>, Error> {
        let layers = || Figment::new().merge(Toml::string(r#"url = "db:@KeyVault(SecretName=password)""#));
        keyvault_figment::layered(self.client.clone(), layers)
            .refresh_every(HOUR)
            .event_spread(Duration::ZERO)
            .start()
            .await
    }

    fn live(&self) -> Live<Settings> {
        self.live.lock().unwrap().clone().unwrap()
    }

    pub(super) fn rotate(&self) {
        *self.version.lock().unwrap() = self.emulator.vault("contoso").set("password", NEW);
    }

    pub(super) fn strike(&self, strike: Strike) {
        self.emulator.fault(strike);
    }

    pub(super) fn strike_once(&self, strike: Strike) {
        self.emulator.fault_next(1, strike);
    }

    pub(super) fn disable(&self) {
        self.emulator.vault("contoso").set_enabled("password", None, false);
    }

    pub(super) fn delete(&self) {
        self.emulator.vault("contoso").delete("password");
    }

    pub(super) fn set_road(&self, road: Road) {
        *self.road.lock().unwrap() = road;
    }

    fn road(&self) -> Road {
        *self.road.lock().unwrap()
    }

    pub(super) fn set_tokens(&self, tokens: Tokens) {
        *self.tokens.lock().unwrap() = tokens;
    }

    /// Tells the engine of the new version, as Event Grid would, and waits for what comes of it.
    async fn hear_of_it(&self) -> Result<(), Error> {
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

    /// The settings are the old ones or the new ones, whole; and a failure is seen.
    fn assert_nothing_is_lost(&self, outcome: &Result<(), Error>, what: &str) {
        let live = self.live();
        let url = live.current().url.clone();
        match outcome {
            Ok(()) => assert!(url == format!("db:{NEW}") || url == format!("db:{OLD}"), "{what}"),
            Err(_) => {
                assert_eq!(url, format!("db:{OLD}"), "{what}: the last good settings stay");
                let health = live.health();
                assert!(health.last_error.is_some() && health.consecutive_failures > 0, "{what}: {health:?}");
            }
        }
    }

    async fn assert_it_works_when_the_fault_is_gone(&self, what: &str) {
        self.set_road(Road::Open);
        self.set_tokens(Tokens::Good);
        self.emulator.clear_faults();
        self.emulator.clear_denials();
        // Deletions and recoveries take their time by the vault's clock.
        self.emulator.advance_clock(2 * HOUR);
        // What was not deleted cannot be recovered.
        _ = self.client.recover("password").await;
        self.emulator.advance_clock(HOUR);
        self.emulator.vault("contoso").set_enabled("password", None, true);
        // Whatever pause a vault may have asked for is over then.
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

/// Returns a transport that counts requests and fails them as `road` says.
fn counting(emulator: &Arc<Emulator>, road: &Arc<Mutex<Road>>, requests: &Arc<Mutex<usize>>) -> Arc<FakeTransport> {
    let (emulator, road, requests) = (Arc::clone(emulator), Arc::clone(road), Arc::clone(requests));
    FakeTransport::unlogged(move |request| {
        let count = {
            let mut requests = requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        assert_eq!(request.origin(), CONTOSO, "a token left the vault");
        let (emulator, road) = (Arc::clone(&emulator), *road.lock().unwrap());
        async move {
            let broken = |text: &'static str| Err(azure_core::Error::with_message(SdkKind::Connection, text));
            match road {
                Road::NoEnd if request.url.path() == "/secrets" => Ok(leading_to(count)),
                Road::Open | Road::NoEnd => send(emulator, request).await,
                Road::NoName => broken("dns error: failed to lookup address information"),
                Road::NoPort => broken("tcp connect error: Connection refused"),
                Road::NoTrust => broken("invalid peer certificate: UnknownIssuer"),
            }
        }
    })
}

/// A page without items, and the link to another.
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
