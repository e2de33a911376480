//! A server renews its certificates 50 times under load without a failed handshake.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use figment::Figment;
use futures::future::join_all;
use keyvault::certificate::{Certificate, ServerCertificates};
use keyvault::{InMemory, Live};
use keyvault_test_support::CONTOSO;
use rustls::{ClientConfig, ServerConfig};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::authority::Authority;
use super::connection::{Connection, begin, leaf, of_client, of_server, round, send};

#[derive(Deserialize)]
struct Settings {
    shop: Certificate,
    admin: Certificate,
    client: Certificate,
}

const SECRETS: [&str; 3] = ["shop", "admin", "client"];
const SERVERS: [&str; 2] = ["shop.example", "admin.example"];
const RENEWALS: usize = 50;
const INTERVAL: Duration = Duration::from_secs(60);
/// The interval with its jitter.
const LONGEST: Duration = Duration::from_secs(66);

/// When each certificate was replaced in the vault.
#[derive(Default)]
struct Replaced(Mutex<HashMap<Vec<u8>, Instant>>);

impl Replaced {
    /// Puts new certificates into the vault, in the forms of a vault in turn.
    fn renew(&self, vault: &InMemory, authority: &Authority, last: &mut [Certificate], renewal: usize) {
        for (name, last) in SECRETS.into_iter().zip(last) {
            let pem = authority.pem(&[&format!("{name}.example")]);
            let new = Certificate::from_bytes(&pem).unwrap();
            vault
                .set(name, if renewal.is_multiple_of(2) { pem } else { azure_core::base64::encode(new.pfx()) })
                .unwrap();
            let old = std::mem::replace(last, new);
            self.0.lock().unwrap().insert(leaf(&old).to_vec(), Instant::now());
        }
    }

    /// Asserts that a certificate that was presented at `time` had not been replaced for longer than an interval.
    fn assert_fresh(&self, presented: &[u8], time: Instant) {
        let replaced = self.0.lock().unwrap().get(presented).copied();
        let age = replaced.map(|replaced| time.saturating_duration_since(replaced)).unwrap_or_default();
        assert!(age <= LONGEST, "a certificate was presented {age:?} after its renewal");
    }
}

/// Connects at the pace of a network, so that renewals also happen during handshakes. A handshake that fails panics.
async fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
    replaced: &Replaced,
) -> Connection {
    let begun = Instant::now();
    let mut connection = begin(client, server, name).unwrap();
    while round(&mut connection).unwrap() {
        sleep(Duration::from_millis(fastrand::u64(1..2_000))).await;
    }
    send(&mut connection);
    replaced.assert_fresh(of_server(&connection), begun);
    // The client presents its certificate in its second flight.
    replaced.assert_fresh(of_client(&connection), begun);
    connection
}

#[tokio::test(start_paused = true)]
async fn no_handshake_fails_and_no_certificate_is_presented_longer_than_an_interval() {
    let (authority, replaced) = (Authority::new(), Replaced::default());
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    let mut last = SECRETS.map(|name| authority.certificate(&[&format!("{name}.example")]));
    for (name, certificate) in SECRETS.into_iter().zip(&last) {
        vault.set(name, certificate.pem().as_str()).unwrap();
    }
    let layers = keyvault_figment::layered(vault.clone(), Figment::new);
    let live: Live<Settings> = layers.refresh_every(INTERVAL).start().await.unwrap();
    let build = async |it: Arc<Settings>| Ok(ServerCertificates::new([it.shop.clone(), it.admin.clone()])?);
    let certificates = live.derive(["shop", "admin"], build).await.unwrap();
    let certificate = live.derive(["client"], async |it: Arc<Settings>| Ok(it.client.clone())).await.unwrap();
    let server = &authority.server_with_client_authentication(certificates.clone());
    let (client, replaced) = (&authority.client(Some(certificate.clone())), &replaced);

    let (handshakes, presented) = (&RefCell::new(0), &RefCell::new(HashSet::new()));
    let load = join_all((0..4).map(|n| async move {
        loop {
            let connection = connect(client, server, SERVERS[n % 2], replaced).await;
            presented.borrow_mut().insert(of_server(&connection).to_vec());
            *handshakes.borrow_mut() += 1;
            sleep(Duration::from_millis(fastrand::u64(1..10_000))).await;
        }
    }));
    let renewals = async {
        let mut open = Vec::new();
        for renewal in 0..RENEWALS {
            for name in SERVERS {
                let connection = connect(client, server, name, replaced).await;
                let ends = (of_server(&connection).to_vec(), of_client(&connection).to_vec());
                open.push((connection, ends));
            }
            replaced.renew(&vault, &authority, &mut last, renewal);
            sleep(INTERVAL.mul_f64(0.2 + 2.0 * fastrand::f64())).await;
            for (connection, ends) in &mut open {
                send(connection);
                assert_eq!((of_server(connection), of_client(connection)), (&*ends.0, &*ends.1), "{renewal}");
            }
        }
        sleep(LONGEST).await;
    };
    tokio::select! {
        () = renewals => {}
        _ = load => panic!("the load ended"),
    }
    let (handshakes, presented) = (*handshakes.borrow(), presented.borrow().len());
    assert!(handshakes > 10 * RENEWALS && presented > RENEWALS, "{handshakes} handshakes, {presented} certificates");
    assert!(certificates.current().certificates().iter().map(leaf).eq(last[..2].iter().map(leaf)), "the last renewal");
    let health = [certificates.health(), certificate.health()];
    assert!(health.iter().all(|health| health.last_error.is_none() && health.consecutive_failures == 0));
    assert!(live.health().last_error.is_none());
}
