//! App Configuration: its client, and a store as a layer of settings.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use config::Config;
use figment::Figment;
use futures::TryStreamExt;
use keyvault::{InMemory, Live};
use keyvault_appconfig::client::AppConfigurationClientBuilder;
use keyvault_appconfig::{AccessKey, AppConfiguration, AppConfigurationClient, ConnectionString, NO_LABEL, Selector};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use serde_json::json;

use super::scan::Scan;
use super::settings::One;

/// A store whose key-values `value` and `other` have canaries as content, with this content type and status.
fn store(scan: &Scan, content_type: &str, status: u16) -> Arc<FakeTransport> {
    let (secret, word, content_type) =
        (scan.secret.text().to_owned(), scan.word.text().to_owned(), content_type.to_owned());
    FakeTransport::scripted(move |request| {
        let item = |key: &str| json!({ "key": key, "value": secret, "content_type": content_type, "etag": "e" });
        let body = match (status, request.url.path()) {
            (200, "/kv") => json!({ "items": [item("value")], "note": word }),
            (200, _) => item("value"),
            _ => json!({ "type": format!("https://azconfig.io/errors/{word}"), "title": secret, "detail": secret }),
        };
        let challenge = format!("HMAC-SHA256 error=\"invalid_token\" error_description=\"{secret}\", Bearer");
        Ok(FakeResponse::new(status, body.to_string()).header("www-authenticate", challenge))
    })
}

/// Uses a client for everything, and then the layers of settings above it. `text` is the connection string.
async fn ask_for_everything(scan: &mut Scan, builder: AppConfigurationClientBuilder, text: &str) {
    scan.shows("builder", &builder);
    let client = builder.build().unwrap();
    scan.shows("client", &client);
    scan.outcome("get", &client.get("value", None).await);
    scan.outcome("set", &client.set("value", None, scan.secret.text()).await);
    let list: Result<Vec<_>, _> = client.list(&Selector::new("*", NO_LABEL)).try_collect().await;
    scan.outcome("list", &list);
    // A connection string in the place of an endpoint.
    let mistaken = AppConfiguration::builder(client.clone()).replica(text);
    scan.shows("layer", &mistaken);
    scan.outcome("layer", &mistaken.build());
    for layer in [AppConfiguration::builder(client.clone()), AppConfiguration::builder(client).sentinel("value", "x")] {
        scan.shows("layer", &layer);
        let layer = layer.build().unwrap();
        scan.shows("layer", &layer);
        scan.outcome("read", &keyvault::SettingStore::read(&layer).await);
        let vault = || InMemory::new(CONTOSO.parse().unwrap());
        let live: Result<Live<One<u8>>, _> =
            keyvault_figment::layered(vault(), Figment::new).with_layer(layer.clone()).start().await;
        scan.fails("figment", &live.err().unwrap());
        let live: Result<Live<One<u8>>, _> =
            keyvault_config::layered(vault(), Config::builder).with_layer(layer).start().await;
        scan.fails("config", &live.err().unwrap());
    }
}

/// Returns how the first request to `wire` was authorised: the scheme, and the signature or the token.
fn authorization(wire: &FakeTransport) -> (String, String) {
    let sent = wire.take_sent();
    let header = sent[0].header("authorization").unwrap();
    let (scheme, rest) = header.split_once(' ').unwrap();
    let credential = rest.split_once("Signature=").map_or(rest, |(_, signature)| signature);
    (scheme.to_owned(), credential.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_store_shows_no_value_no_token_and_no_signature() {
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json";
    const SNAPSHOT: &str = "application/json; profile=\"https://azconfig.io/mime-profiles/snapshot-ref\"";
    let mut scan = Scan::begin();
    let access_key = azure_core::base64::encode(scan.token.text());
    scan.look_for(access_key.clone());
    let text = format!("Endpoint=https://contoso.azconfig.io;Id=id;Secret={access_key}");
    for (content_type, status) in [
        ("", 200),
        ("application/json", 200),
        (REFERENCE, 200),
        (SNAPSHOT, 200),
        ("", 400),
        ("", 401),
        ("", 403),
        ("", 404),
        ("", 409),
        ("", 412),
        ("", 429),
        ("", 500),
    ] {
        let wire = store(&scan, content_type, status);
        let with_key = AppConfigurationClient::from_connection_string(&text).client_options(wire.options());
        ask_for_everything(&mut scan, with_key, &text).await;
        let (scheme, signature) = authorization(&wire);
        assert_eq!(scheme, "HMAC-SHA256");
        scan.look_for(signature);
        let credential = FakeCredential::fixed(scan.token.text()) as Arc<dyn TokenCredential>;
        let with_token = AppConfigurationClient::builder("https://contoso.azconfig.io").credential(credential);
        ask_for_everything(&mut scan, with_token.client_options(wire.options()), &text).await;
        assert_eq!(authorization(&wire), ("Bearer".to_owned(), scan.token.text().to_owned()));
    }
    for text in [scan.secret.text().to_owned(), format!("{text};{}=1", scan.word.text()), text.replace("Id=", "ID=")] {
        scan.outcome("connection string", &ConnectionString::parse(&text).map_err(keyvault::Error::from));
        scan.outcome("client", &AppConfigurationClient::from_connection_string(&text).build());
    }
    scan.outcome("access key", &AccessKey::new("id", scan.secret.text()).map_err(keyvault::Error::from));
    scan.outcome("access key", &AccessKey::new("id", &access_key).map_err(keyvault::Error::from));
    tracing::trace!("all was sent");
    scan.end();
}
