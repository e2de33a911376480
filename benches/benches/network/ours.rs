//! This library, as a program would use it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use figment::Figment;
use futures::future::try_join_all;
use keyvault::{NameMap, Resolver, SecretClient, SecretId};
use keyvault_benches::{FixedToken, name};

use super::{Measured, Task, ordered, print, ready};

pub(super) async fn run(task: &Task) {
    if task.mode == "refresh" {
        return refresh(task).await;
    }
    let names: Vec<String> = (0..task.count).map(name).collect();
    let begun = Instant::now();
    let client = client(task);
    let resolver = Resolver::from(client.clone());
    let measured: Measured = match task.mode.as_str() {
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

fn client(task: &Task) -> SecretClient {
    let builder =
        SecretClient::builder(&task.url).credential(Arc::new(FixedToken)).certificate_authority(&task.authority);
    let builder = if task.http1 { builder.http1_only() } else { builder };
    builder.build().unwrap()
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
