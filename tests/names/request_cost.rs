//! The number of requests that each name map costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyvault::{ErrorKind, NameMap, Resolver};
use keyvault_emulator::{Certificate, Denial, Emulator, Operation, SetSecret};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use serde::Deserialize;

use super::service::{LIVE, Service};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the requests are of interest")]
struct Settings {
    s0: String,
    s1: String,
    off: Option<String>,
    missing: Option<String>,
    certificate: Option<String>,
}

/// Creates a vault of 60 secrets: 10 have a prefix, among them a disabled one and a certificate.
async fn scene() -> (Arc<Emulator>, Resolver) {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let vault = emulator.vault("contoso");
    (0..50).for_each(|n| _ = vault.set(&format!("s{n}"), "v"));
    (0..8).for_each(|n| _ = vault.set(&format!("Shop--s{n}"), "v"));
    vault.set_secret("off", SetSecret::new("canary").enabled(false));
    vault.set_secret("certificate", SetSecret::certificate(Certificate::self_signed("certificate").unwrap()));
    let client = transport_to(&emulator).client(&FakeCredential::fixed(emulator.token())).build().unwrap();
    (emulator, client.into())
}

#[tokio::test]
async fn known_keys_are_fetched_without_a_list_permission() {
    for map in [
        NameMap::new().only_keys_of::<Settings>(),
        NameMap::new().only(["s0", "s1"]).unwrap().optionally(["off", "missing", "x"]).unwrap(),
    ] {
        for way in LIVE {
            let (emulator, resolver) = scene().await;
            emulator.deny(Denial::Rbac, &[Operation::List]);
            let service = Service::new(map.clone()).resolver(resolver);
            let live = service.start::<Settings>(way).await.unwrap();
            assert_eq!((emulator.requests().list, emulator.requests().get), (0, 5), "{way:?}");
            assert!(live.current().off.is_none() && live.current().certificate.is_none(), "{way:?}");
            emulator.reset_requests();
            assert!(live.refresh_now().await.unwrap().is_none(), "{way:?}");
            assert_eq!((emulator.requests().total, emulator.requests().get), (5, 5), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_denied_list_explains_how_to_avoid_it() {
    for way in LIVE {
        let (emulator, resolver) = scene().await;
        emulator.deny(Denial::Rbac, &[Operation::List]);
        let error = Service::new(NameMap::new()).resolver(resolver).start::<Settings>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{way:?}");
        assert!(error.advice().unwrap().contains("NameMap::only_keys_of"), "{way:?} {error:?}");
    }
}

#[tokio::test]
async fn a_list_costs_its_pages_and_the_mapped_secrets() {
    for way in LIVE {
        let (emulator, resolver) = scene().await;
        let service = Service::new(NameMap::new().prefix("Shop--").snake_case()).resolver(resolver);
        let live = service.start::<BTreeMap<String, String>>(way).await.unwrap();
        assert_eq!(live.current().len(), 8, "{way:?}");
        assert_eq!((emulator.requests().list, emulator.requests().get), (3, 8), "{way:?}");
        emulator.reset_requests();
        live.refresh_now().await.unwrap();
        assert_eq!(emulator.requests().list, 3, "{way:?}");
    }
}

#[tokio::test]
async fn a_mapped_secret_that_is_also_referenced_is_fetched_once() {
    for way in LIVE {
        let (emulator, resolver) = scene().await;
        let map = NameMap::new().only(["s0"]).unwrap();
        let service = Service::new(map).resolver(resolver).file("again = '@KeyVault(SecretName=S0)'");
        let live = service.start::<BTreeMap<String, String>>(way).await.unwrap();
        assert_eq!((&*live.current()["s0"], &*live.current()["again"]), ("v", "v"), "{way:?}");
        assert_eq!(emulator.requests().total, 1, "{way:?}");
    }
}
