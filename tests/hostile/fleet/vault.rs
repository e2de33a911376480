//! A vault that counts requests over time and throttles as the service does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::error::ErrorKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::Headers;
use azure_core::time::to_rfc7231;
use bytes::Bytes;
use keyvault_test_support::CONTOSO;
use keyvault_test_support::transport::{FakeTransport, SentRequest};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::traffic::Traffic;

/// The vault of a fleet, behind the transport of every instance.
///
/// It counts as the service documents it: a limit within any ten seconds, in which refused requests do not count. Like
/// the service, its 429 has no `Retry-After`.
pub(super) struct FleetVault {
    limit: usize,
    state: Mutex<State>,
}

struct State {
    begun: Instant,
    is_down: bool,
    /// The times of the requests that still count, the earliest first.
    counted: VecDeque<Instant>,
    traffic: Traffic,
    /// The number of rotations of the first secret, and the time of the last.
    rotation: (u32, u64),
    /// The list, page by page.
    pages: Vec<Bytes>,
}

impl FleetVault {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let mut state = State {
            begun: Instant::now(),
            is_down: false,
            counted: VecDeque::new(),
            traffic: Traffic::default(),
            rotation: (0, LONG_AGO),
            pages: Vec::new(),
        };
        state.write_pages();
        Arc::new(Self { limit, state: Mutex::new(state) })
    }

    pub(super) fn go_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// Sets a new version of the first secret, and returns its identifier.
    pub(super) fn rotate(&self) -> String {
        let mut state = self.lock();
        let time = state.time();
        state.rotation = (state.rotation.0 + 1, time.duration_since(UNIX_EPOCH).unwrap().as_secs());
        state.write_pages();
        state.id(0)
    }

    /// Returns the wall clock of the vault, which follows the virtual clock.
    pub(super) fn time(&self) -> SystemTime {
        self.lock().time()
    }

    /// Returns the traffic since the last call.
    pub(super) fn take_traffic(&self) -> Traffic {
        std::mem::take(&mut self.lock().traffic)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns the transport of one instance. Each direction takes 5 to 15 ms.
    pub(super) fn transport(self: &Arc<Self>) -> Arc<FakeTransport> {
        let vault = Arc::clone(self);
        FakeTransport::unlogged(move |request| {
            let vault = Arc::clone(&vault);
            async move {
                let delay = || Duration::from_micros(fastrand::u64(5_000..15_000));
                sleep(delay()).await;
                let response = vault.respond(&request);
                sleep(delay()).await;
                response
                    .ok_or_else(|| azure_core::Error::with_message(ErrorKind::Connection, "tcp connect error: refused"))
            }
        })
    }

    /// Responds to a request, or returns `None` while the vault is down.
    fn respond(&self, request: &SentRequest) -> Option<AsyncRawResponse> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.is_down {
            state.traffic.broken(now);
            return None;
        }
        while state.counted.front().is_some_and(|served| *served + WINDOW <= now) {
            state.counted.pop_front();
        }
        let is_refused = state.counted.len() >= self.limit;
        let mut headers = Headers::new();
        headers.insert("date", to_rfc7231(&state.time().into()));
        if is_refused {
            state.traffic.refused(now);
            return Some(AsyncRawResponse::from_bytes(429.into(), headers, r#"{"error":{"code":"Throttled"}}"#));
        }
        state.counted.push_back(now);
        state.traffic.served(now);
        Some(AsyncRawResponse::from_bytes(200.into(), headers, state.body(request)))
    }
}

impl State {
    fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOON) + self.begun.elapsed()
    }

    fn id(&self, n: usize) -> String {
        let version = if n == 0 { self.rotation.0 } else { 0 };
        format!("{CONTOSO}/secrets/{}/{version:032x}", name(n))
    }

    fn attributes(&self, n: usize) -> Value {
        let updated = if n == 0 { self.rotation.1 } else { LONG_AGO };
        json!({"enabled": true, "created": updated, "updated": updated, "recoveryLevel": "Recoverable"})
    }

    fn write_pages(&mut self) {
        let item = |n| json!({"id": format!("{CONTOSO}/secrets/{}", name(n)), "attributes": self.attributes(n)});
        let page = |page: usize| {
            let next = format!("{CONTOSO}:443/secrets?api-version=2026-04-01&$skiptoken={}", page + 1);
            let next = (PAGE * (page + 1) < SECRETS).then_some(next);
            let items: Vec<Value> = (0..SECRETS).skip(PAGE * page).take(PAGE).map(item).collect();
            json!({"value": items, "nextLink": next}).to_string().into()
        };
        self.pages = (0..SECRETS.div_ceil(PAGE)).map(page).collect();
    }

    /// Returns a page of the list, or one secret.
    fn body(&self, request: &SentRequest) -> Bytes {
        let url = &request.url;
        assert_eq!(url.origin().ascii_serialization(), CONTOSO);
        let Some(asked) = url.path_segments().and_then(|mut path| path.nth(1)) else {
            let page = url.query_pairs().find(|(key, _)| key == "$skiptoken");
            return self.pages[page.map_or(0, |(_, page)| page.parse().unwrap())].clone();
        };
        let n = asked[1..].parse().unwrap();
        let value = if n == 0 { self.rotation.0.to_string() } else { "0".to_owned() };
        json!({"value": value, "id": self.id(n), "attributes": self.attributes(n)}).to_string().into()
    }
}

fn name(n: usize) -> String {
    format!("s{n:02}")
}

const SECRETS: usize = 50;
const PAGE: usize = 25;
const WINDOW: Duration = Duration::from_secs(10);

/// In 2026 and 2024.
const NOON: u64 = 1_780_000_000;
const LONG_AGO: u64 = 1_710_000_000;
