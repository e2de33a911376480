//! The fetch of a secret that concurrent callers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyvault_model::resolver::Resolver;
use keyvault_model::secret::SecretId;
use keyvault_model::store::InMemory;
use keyvault_model::{Error, ErrorKind};
use shuttle::future::{spawn, yield_now};

use crate::transport::InFlight;
use crate::{check, poll_once};

/// A caller that is dropped may be the one that runs the fetch. Then one of the others takes over.
#[test]
fn concurrent_callers_share_one_fetch_and_survive_a_dropped_one() {
    check(async || {
        let vault = CountedVault::new(0);
        let callers = [(); 3].map(|()| {
            let resolver = vault.resolver.clone();
            spawn(async move { resolver.get(&id()).await })
        });
        let dropped = spawn({
            let resolver = vault.resolver.clone();
            async move { _ = poll_once(resolver.get(&id())).await }
        });
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        dropped.await.unwrap();
        let fetches = vault.fetches();
        assert!((1..=2).contains(&fetches), "{fetches}");
    });
}

#[test]
fn concurrent_callers_share_a_failure_that_no_later_caller_gets() {
    check(async || {
        let vault = CountedVault::new(1);
        let callers = [(); 3].map(|()| {
            let resolver = vault.resolver.clone();
            spawn(async move {
                if resolver.get(&id()).await.is_err() {
                    resolver.get(&id()).await.unwrap();
                }
            })
        });
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(vault.fetches(), 2);
    });
}

/// A resolver of a vault with one secret, which counts the fetches. The first `failures` of them fail.
struct CountedVault {
    resolver: Resolver,
    fetches: Arc<AtomicUsize>,
}

impl CountedVault {
    fn new(failures: usize) -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("a", "v").unwrap();
        let (fetches, in_flight) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&fetches);
        vault.on_get(move |_| {
            let (counter, in_flight) = (Arc::clone(&counter), Arc::clone(&in_flight));
            async move {
                let in_flight = InFlight::enter(&in_flight);
                assert_eq!(in_flight.count, 1, "one fetch at a time");
                let number = counter.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                if number < failures { Err(Error::new(ErrorKind::Unavailable, "down")) } else { Ok(()) }
            }
        });
        Self { resolver: Resolver::from(vault), fetches }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn id() -> SecretId {
    SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap()
}
