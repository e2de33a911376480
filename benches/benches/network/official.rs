//! The official client, `azure_security_keyvault_secrets`, with 32 concurrent requests that start while the list
//! continues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use azure_core::http::{ClientOptions, Transport};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use futures::{StreamExt, TryStreamExt, stream};
use keyvault_benches::{FixedToken, name};

use super::{Task, print, read_command, ready};

pub(super) async fn run(task: &Task) {
    let names: Vec<String> = (0..task.count).map(name).collect();
    let started = Instant::now();
    let client = client(task);
    if task.mode == "refresh" {
        list(&client).await;
        ready();
        while read_command().is_some() {
            let started = Instant::now();
            let secrets = list(&client).await;
            print((started.elapsed().as_secs_f64() * 1e3, secrets.len()));
        }
        return;
    }
    let secrets = match task.mode.as_str() {
        "list" => list(&client).await,
        _ => all(&client, stream::iter(names.into_iter().map(azure_core::Result::Ok))).await,
    };
    print((started.elapsed().as_secs_f64() * 1e3, secrets.len()));
}

async fn list(client: &SecretClient) -> HashMap<String, String> {
    let properties = client.list_secret_properties(None).unwrap();
    all(client, properties.map(|item| Ok(item?.resource_id()?.name))).await
}

async fn all(
    client: &SecretClient,
    names: impl futures::Stream<Item = azure_core::Result<String>>,
) -> HashMap<String, String> {
    let get = |name: String| async move {
        let secret = client.get_secret(&name, None).await?.into_model()?;
        azure_core::Result::Ok((name, secret.value.unwrap_or_default()))
    };
    names.map_ok(get).try_buffer_unordered(32).try_collect().await.unwrap()
}

fn client(task: &Task) -> SecretClient {
    let authority = reqwest::Certificate::from_pem(task.authority.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]);
    let builder = if task.http1 { builder.http1_only() } else { builder };
    let transport = Some(Transport::new(Arc::new(builder.build().unwrap())));
    let client_options = ClientOptions { transport, ..ClientOptions::default() };
    let options = SecretClientOptions { client_options, verify_challenge_resource: Some(false), ..Default::default() };
    SecretClient::new(&task.url, Arc::new(FixedToken), Some(options)).unwrap()
}
