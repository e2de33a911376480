//! A store of the emulator, over a transport in this process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::ETAG;
use keyvault_appconfig::{AppConfigurationClient, ConnectionString};
use keyvault_emulator::{AppConfigurationHandle, Emulator, SetKeyValue};
use keyvault_test_support::emulator::send;
use keyvault_test_support::transport::{FakeResponse, FakeTransport, SentRequest};

/// The stores `contoso` and `contoso-west` of an emulator, with pages of three key-values.
pub(super) struct Store {
    emulator: Arc<Emulator>,
    transport: Arc<FakeTransport>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// What happens to each request whose [note](note) contains a text.
#[derive(Clone)]
pub(super) struct Fault {
    requests: &'static str,
    outcome: Outcome,
}

#[derive(Clone)]
enum Outcome {
    Fails(u16),
    Hangs,
    /// A page that always has a next one.
    NeverEnds,
    /// A 304 comes without headers, as through a proxy that removes what it does not know.
    LosesHeaders,
    /// ETags are weak, as after a proxy that compresses.
    WeakensEtags,
}

impl Store {
    pub(super) async fn new() -> Self {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        emulator.app_configuration("contoso").page_size(3);
        let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
        let transport = {
            let (emulator, fault) = (Arc::clone(&emulator), Arc::clone(&fault));
            FakeTransport::new(move |request| {
                let (emulator, fault) = (Arc::clone(&emulator), fault.lock().unwrap().clone());
                async move { respond(emulator, request, fault).await }
            })
        };
        Self { emulator, transport, fault }
    }

    pub(super) fn client(&self) -> AppConfigurationClient {
        let text = self.handle("contoso").connection_string();
        let access_key = ConnectionString::parse(&text).unwrap().access_key().clone();
        let client = AppConfigurationClient::builder("https://contoso.azconfig.io").access_key(access_key);
        client.client_options(self.transport.options()).build().unwrap()
    }

    pub(super) fn handle(&self, name: &str) -> AppConfigurationHandle<'_> {
        self.emulator.app_configuration(name)
    }

    /// Sets `key` or `key@label`.
    pub(super) fn set(&self, key: &str, value: &str) {
        self.set_as(key, value, "");
    }

    pub(super) fn set_as(&self, key: &str, value: &str, content_type: &str) {
        let (key, label) = key.split_once('@').map_or((key, None), |(key, label)| (key, Some(label)));
        let set = SetKeyValue::new(value).content_type(content_type);
        let set = label.into_iter().fold(set, |set, label| set.label(label));
        self.handle("contoso").set_key_value(key, set);
    }

    /// Creates a snapshot in the place of another one of this name, whose retention has ended.
    pub(super) fn recreate_snapshot(&self, name: &str) {
        self.emulator.rewind_clock(Duration::from_secs(366 * 24 * 3_600));
        assert!(self.handle("contoso").set_archived(name, true));
        self.emulator.reset_clock();
        // Dates are in whole seconds, and the first snapshot was created in this one.
        self.emulator.rewind_clock(Duration::from_secs(3_600));
        self.handle("contoso").create_snapshot(name, &[("*", None)]);
        self.emulator.reset_clock();
    }

    pub(super) fn delete(&self, key: &str) {
        self.handle("contoso").delete(key, None);
    }

    pub(super) fn fail(&self, requests: &'static str, status: u16) {
        *self.fault.lock().unwrap() = Some(Fault { requests, outcome: Outcome::Fails(status) });
    }

    pub(super) fn hang(&self, requests: &'static str) {
        *self.fault.lock().unwrap() = Some(Fault { requests, outcome: Outcome::Hangs });
    }

    pub(super) fn never_end_lists(&self) {
        *self.fault.lock().unwrap() = Some(Fault { requests: "list", outcome: Outcome::NeverEnds });
    }

    pub(super) fn lose_headers(&self) {
        *self.fault.lock().unwrap() = Some(Fault { requests: "", outcome: Outcome::LosesHeaders });
    }

    pub(super) fn weaken_etags(&self) {
        *self.fault.lock().unwrap() = Some(Fault { requests: "", outcome: Outcome::WeakensEtags });
    }

    pub(super) fn recover(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// Returns the requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        self.transport.take_sent().iter().map(note).collect()
    }

    /// Returns the origins of the requests since the last call.
    pub(super) fn origins(&self) -> Vec<String> {
        self.transport.take_sent().iter().map(|request| request.url.origin().ascii_serialization()).collect()
    }

    /// Returns the sync tokens of the requests since the last call.
    pub(super) fn sync_tokens(&self) -> Vec<Option<String>> {
        let sent = self.transport.take_sent();
        sent.iter().map(|request| request.header("sync-token").map(str::to_owned)).collect()
    }
}

async fn respond(
    emulator: Arc<Emulator>,
    request: SentRequest,
    fault: Option<Fault>,
) -> azure_core::Result<AsyncRawResponse> {
    match fault.filter(|fault| note(&request).contains(fault.requests)).map(|fault| fault.outcome) {
        None => send(emulator, request).await,
        Some(Outcome::LosesHeaders) => {
            let response = send(emulator, request).await?;
            if u16::from(response.status()) == 304 { Ok(FakeResponse::new(304, "").into()) } else { Ok(response) }
        }
        Some(Outcome::WeakensEtags) => {
            let (status, mut headers, body) = send(emulator, request).await?.deconstruct();
            let etag = headers.get_optional_str(&ETAG).map(|etag| format!("W/{etag}"));
            etag.into_iter().for_each(|etag| headers.insert(ETAG, etag));
            Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
        }
        Some(Outcome::Fails(status)) => Ok(FakeResponse::new(status, "{}").into()),
        Some(Outcome::Hangs) => std::future::pending().await,
        Some(Outcome::NeverEnds) => {
            let next = request.query("after").map_or(0, |after| after.parse().unwrap()) + 1;
            let items: Vec<String> = (0..5_000).map(|i| format!(r#"{{"key":"k{next}-{i}","value":"1"}}"#)).collect();
            let body = format!(r#"{{"items":[{}],"@nextLink":"/kv?after={next}"}}"#, items.join(","));
            Ok(FakeResponse::new(200, body).into())
        }
    }
}

/// Returns a request in short: `contoso list * next if changed`, `contoso get version`, `contoso snapshot release-7`.
fn note(request: &SentRequest) -> String {
    let host = request.url.host_str().unwrap().split('.').next().unwrap();
    let path: Vec<&str> = request.url.path_segments().unwrap().collect();
    let what = match (path.as_slice(), request.query("snapshot")) {
        (["kv"], Some(snapshot)) => format!("list {snapshot}"),
        (["kv"], None) => format!("list {}", request.query("key").unwrap_or_default()),
        (["kv", key], _) => format!("get {key}"),
        (rest, _) => rest.join(" "),
    };
    let next = if request.query("after").is_some() { " next" } else { "" };
    let condition = if request.header("if-none-match").is_some() { " if changed" } else { "" };
    format!("{host} {what}{next}{condition}")
}
