//! This library, as a program uses it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use figment::Figment;
use futures::future::try_join_all;
use futures::stream;
use keyvault::{NameMap, Resolver, SecretClient, SecretId, push};
use keyvault_benches::{FixedToken, name};
use serde_json::json;

use super::{Measurement, Task, print, read_command, ready};

pub(super) async fn run(task: &Task) {
    match task.mode.as_str() {
        "refresh" => return refresh(task).await,
        "event" => return event(task).await,
        _ => {}
    }
    let names: Vec<String> = (0..task.count).map(name).collect();
    let started = Instant::now();
    let client = client(task);
    let resolver = Resolver::from(client.clone());
    let measured: Measurement = match task.mode.as_str() {
        "list" => {
            let secrets = resolver.mapped(&NameMap::new()).await.unwrap();
            (millis(started), secrets.iter().count())
        }
        "names" => {
            let id = |name: &String| SecretId::new(client.vault().clone(), name.parse().unwrap());
            let ids: Vec<SecretId> = names.iter().map(id).collect();
            let secrets = try_join_all(ids.iter().map(|id| resolver.get(id))).await.unwrap();
            (millis(started), secrets.len())
        }
        _ => {
            let texts: Vec<String> = names.iter().map(|name| format!("@KeyVault(SecretName={name})")).collect();
            let secrets = try_join_all(texts.iter().map(|text| resolver.resolve(text))).await.unwrap();
            (millis(started), secrets.len())
        }
    };
    print(measured);
}

async fn refresh(task: &Task) {
    let layered = keyvault_figment::layered(client(task), Figment::new).refresh_every(Duration::from_secs(86_400));
    let live = layered.start::<BTreeMap<String, String>>().await.unwrap();
    ready();
    while read_command().is_some() {
        let started = Instant::now();
        live.refresh_now().await.unwrap();
        print((millis(started), live.current().len()));
    }
}

/// Measures the time from the delivery of an event to a webhook until a watcher has the change.
async fn event(task: &Task) {
    let (webhook, events) = push::webhook();
    let live = keyvault_figment::layered(client(task), Figment::new)
        .refresh_every(Duration::from_secs(86_400))
        .events(events)
        // The default delays each refresh by up to half a minute, which is not measured here.
        .event_spread(Duration::ZERO)
        .start::<BTreeMap<String, String>>()
        .await
        .unwrap();
    let mut watcher = live.watch();
    ready();
    while let Some(version) = read_command() {
        let body = json!([{
            "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
            "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
            "data": { "Id": format!("{}/secrets/{version}", task.url.trim_end_matches('/')) }
        }]);
        let body = body.to_string();
        let started = Instant::now();
        let response = webhook.answer("POST", |_| None, stream::iter([Ok::<_, Infallible>(&body)])).await;
        let change = watcher.changed().await.unwrap();
        let wall = millis(started);
        assert_eq!((response.status(), change.keys.len()), (200, 1));
        print((wall, live.current().len()));
    }
}

fn client(task: &Task) -> SecretClient {
    let builder =
        SecretClient::builder(&task.url).credential(Arc::new(FixedToken)).certificate_authority(&task.authority);
    let builder = if task.http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

fn millis(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
