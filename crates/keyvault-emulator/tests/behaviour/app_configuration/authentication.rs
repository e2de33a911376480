//! Signatures and tokens.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use keyvault_emulator::Emulator;
use ring::{digest, hmac};

use crate::TestResponse;

/// The parts of a connection string.
pub(super) struct ConnectionString {
    pub(super) endpoint: String,
    id: String,
    secret: Vec<u8>,
}

impl ConnectionString {
    pub(super) fn parse(text: &str) -> Self {
        let part = |name: &str| {
            let part = text.split(';').find_map(|part| part.strip_prefix(name));
            part.unwrap_or_else(|| panic!("no {name} in the connection string")).to_owned()
        };
        let secret = STANDARD.decode(part("Secret=")).unwrap();
        Self { endpoint: part("Endpoint="), id: part("Id="), secret }
    }

    /// Returns the headers of a signed request.
    pub(super) fn sign(&self, method: &str, host: &str, target: &str, date: &str, body: &str) -> [(String, String); 3] {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, body.as_bytes()));
        let text = format!("{method}\n{target}\n{date};{host};{hash}");
        let signature = STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret), text.as_bytes()));
        let authorization = format!(
            "HMAC-SHA256 Credential={}&SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
            self.id
        );
        [("x-ms-date", date.to_owned()), ("x-ms-content-sha256", hash), ("authorization", authorization)]
            .map(|(name, value)| (name.to_owned(), value))
    }
}

/// Returns the time of the emulator as ISO 8601, which the service accepts too.
pub(super) fn now(emulator: &Emulator) -> String {
    let seconds = emulator.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let date = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
    date.format(&time::format_description::well_known::Rfc3339).unwrap()
}

async fn send(
    emulator: &Emulator,
    method: &str,
    target: &str,
    headers: &[(String, String)],
    body: &str,
) -> TestResponse {
    let mut request = Request::builder().method(method).uri(format!("https://contoso.azconfig.io{target}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    TestResponse(emulator.handle(request.body(Bytes::from(body.to_owned())).unwrap()).await)
}

#[tokio::test]
async fn a_signed_request_reads_and_writes_and_a_read_only_key_reads() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("k", "1");
    let read_write = ConnectionString::parse(&store.connection_string());
    let read_only = ConnectionString::parse(&store.read_only_connection_string());
    for (key, method, target, body, status) in [
        (&read_write, "GET", "/kv/k?api-version=1.0", "", 200),
        (&read_write, "PUT", "/kv/a%2Fb?api-version=1.0", r#"{"value":"2"}"#, 200),
        (&read_write, "DELETE", "/kv/a%2Fb?api-version=1.0", "", 200),
        (&read_only, "GET", "/kv/k?api-version=1.0", "", 200),
        (&read_only, "GET", "/kv?key=*&api-version=1.0", "", 200),
        (&read_only, "PUT", "/kv/k?api-version=1.0", r#"{"value":"2"}"#, 403),
        (&read_only, "DELETE", "/kv/k?api-version=1.0", "", 403),
        (&read_only, "PUT", "/locks/k?api-version=1.0", "", 403),
        (&read_only, "PUT", "/snapshots/s?api-version=2023-11-01", r#"{"filters":[{"key":"*"}]}"#, 403),
        (&read_only, "PATCH", "/snapshots/s?api-version=2023-11-01", r#"{"status":"ready"}"#, 403),
    ] {
        let headers = key.sign(method, "contoso.azconfig.io", target, &now(&emulator), body);
        let response = send(&emulator, method, target, &headers, body).await;
        assert_eq!(response.status(), status, "{method} {target}");
        assert!(status != 403 || response.text().is_empty());
    }
    assert_eq!(emulator.request_log().iter().filter(|request| request.authorized).count(), 10);
}

#[tokio::test]
async fn a_wrong_signature_is_a_401_that_names_the_reason() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    let key = ConnectionString::parse(&store.connection_string());
    let target = "/kv?api-version=1.0";
    let signed = |date: &str| key.sign("GET", "contoso.azconfig.io", target, date, "");
    let wrong_secret =
        ConnectionString { secret: b"wrong".to_vec(), ..ConnectionString::parse(&store.connection_string()) };
    let now = now(&emulator);
    for (headers, body, description) in [
        (vec![], "", ""),
        (vec![("authorization".to_owned(), "Basic abc".to_owned())], "", ""),
        (wrong_secret.sign("GET", "contoso.azconfig.io", target, &now, "").to_vec(), "", "Invalid Signature"),
        (key.sign("GET", "other.azconfig.io", target, &now, "").to_vec(), "", "Invalid Signature"),
        (signed(&now).to_vec(), "body", "Invalid request content hash"),
        (signed("2020-01-01T00:00:00Z").to_vec(), "", "The access token has expired"),
        (signed("yesterday").to_vec(), "", "Invalid access token date"),
    ] {
        let response = send(&emulator, "GET", target, &headers, body).await;
        assert_eq!((response.status(), response.text()), (401, ""), "{description}");
        let expected = match description {
            "" => "HMAC-SHA256, Bearer".to_owned(),
            text => format!("HMAC-SHA256 error=\"invalid_token\" error_description=\"{text}\", Bearer"),
        };
        assert_eq!(response.header("www-authenticate"), Some(expected.as_str()));
        assert_eq!(response.header("sync-token"), None);
    }
    let counters = emulator.requests().app_configuration;
    assert_eq!((counters.total, counters.unauthorized, counters.list), (7, 7, 0));
}

#[tokio::test]
async fn the_age_of_a_signature_follows_the_emulators_clock() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let key = ConnectionString::parse(&emulator.app_configuration("").connection_string());
    let headers = key.sign("GET", "contoso.azconfig.io", "/kv?api-version=1.0", &now(&emulator), "");
    for (advance, status) in [(0, 200), (899, 200), (2, 401)] {
        emulator.advance_clock(Duration::from_secs(advance));
        let response = send(&emulator, "GET", "/kv?api-version=1.0", &headers, "").await;
        assert_eq!(response.status(), status, "{advance}");
    }
}

#[tokio::test]
async fn a_token_must_be_issued_for_app_configuration() {
    let emulator = Emulator::start().await.unwrap();
    emulator.app_configuration("contoso").set("k", "1");
    let token = |audience: &str| emulator.token_for(audience);
    let revoked = token("https://azconfig.io");
    emulator.revoke_tokens();
    for (token, status) in [
        (token("https://appconfig.azure.com"), 200),
        (token("https://azconfig.io/"), 200),
        (token("https://contoso.azconfig.io"), 200),
        (token("https://azconfig.azure.us"), 200),
        (token("https://other.azconfig.io"), 401),
        (token("https://vault.azure.net"), 401),
        (token("https://management.azure.com"), 401),
        ("abc.def.ghi".to_owned(), 401),
        (revoked, 401),
    ] {
        let header = ("authorization".to_owned(), format!("Bearer {token}"));
        let response = send(&emulator, "GET", "/kv/k?api-version=1.0", &[header], "").await;
        assert_eq!(response.status(), status, "{token}");
        let challenge = "HMAC-SHA256, Bearer error=\"invalid_token\", error_description=\"Authorization token failed \
                         validation\"";
        assert_eq!(response.header("www-authenticate"), (status == 401).then_some(challenge));
    }
    let request = Request::get("https://contoso.vault.azure.net/secrets?api-version=7.4")
        .header("authorization", format!("Bearer {}", emulator.app_configuration("").token()))
        .body(Bytes::new())
        .unwrap();
    assert_eq!(emulator.handle(request).await.status(), 401, "a vault accepts no token of a store");
}

#[tokio::test]
async fn a_token_of_another_tenant_names_the_wrong_issuer() {
    let emulator = Emulator::start().await.unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://azconfig.io/.default",
        emulator.client_id(),
        emulator.client_secret()
    );
    let request = Request::post("https://localhost/other/oauth2/v2.0/token").body(Bytes::from(form)).unwrap();
    let token = TestResponse(emulator.handle(request).await).json()["access_token"].as_str().unwrap().to_owned();
    let header = ("authorization".to_owned(), format!("Bearer {token}"));
    let response = send(&emulator, "GET", "/kv?api-version=1.0", &[header], "").await;
    assert_eq!(response.status(), 401);
    assert!(response.header("www-authenticate").unwrap().contains("wrong issuer"));
}
