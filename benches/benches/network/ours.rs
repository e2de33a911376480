//! This library, as a program would use it.

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

use super::{Answered, Task, ordered, print, ready};

pub(super) async fn run(task: &Task) {
    match task.mode.as_str() {
        "refresh" => return refresh(task).await,
        "event" => return event(task).await,
        _ => {}
    }
    let names: Vec<String> = (0..task.count).map(name).collect();
    let begun = Instant::now();
    let client = client(task);
    let resolver = Resolver::from(client.clone());
    let measured: Answered = match task.mode.as_str() {
        "list" => {
            let secrets = resolver.named(&NameMap::new()).await.unwrap();
            (millis(begun), secrets.iter().count())
        }
        "names" => {
            let id = |name: &String| SecretId::new(client.vault().clone(), name.parse().unwrap());
            let ids: Vec<SecretId> = names.iter().map(id).collect();
            let secrets = try_join_all(ids.iter().map(|id| resolver.get(id))).await.unwrap();
            (millis(begun), secrets.len())
        }
        _ => {
            let texts: Vec<String> = names.iter().map(|name| format!("@KeyVault(SecretName={name})")).collect();
            let secrets = try_join_all(texts.iter().map(|text| resolver.resolve(text))).await.unwrap();
            (millis(begun), secrets.len())
        }
    };
    print(measured);
}

async fn refresh(task: &Task) {
    let layered = keyvault_figment::layered(client(task), Figment::new).refresh_every(Duration::from_secs(86_400));
    let live = layered.start::<BTreeMap<String, String>>().await.unwrap();
    ready();
    while ordered().is_some() {
        let begun = Instant::now();
        live.refresh_now().await.unwrap();
        print((millis(begun), live.current().len()));
    }
}

/// Hears of rotations by webhook, and tells how long it takes until somebody who waits for a change has it.
async fn event(task: &Task) {
    let (webhook, events) = push::webhook();
    let live = keyvault_figment::layered(client(task), Figment::new)
        .refresh_every(Duration::from_secs(86_400))
        .events(events)
        // The default spreads a fleet over half a minute; here it is the way that is measured, and not the draw.
        .event_spread(Duration::ZERO)
        .start::<BTreeMap<String, String>>()
        .await
        .unwrap();
    let mut watcher = live.watch();
    ready();
    while let Some(version) = ordered() {
        let body = json!([{
            "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
            "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
            "data": { "Id": format!("{}/secrets/{version}", task.url.trim_end_matches('/')) }
        }]);
        let body = body.to_string();
        let begun = Instant::now();
        let answer = webhook.answer("POST", |_| None, stream::iter([Ok::<_, Infallible>(&body)])).await;
        let change = watcher.changed().await.unwrap();
        let wall = millis(begun);
        assert_eq!((answer.status(), change.keys.len()), (200, 1));
        print((wall, live.current().len()));
    }
}

fn client(task: &Task) -> SecretClient {
    let builder =
        SecretClient::builder(&task.url).credential(Arc::new(FixedToken)).certificate_authority(&task.authority);
    let builder = if task.http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
