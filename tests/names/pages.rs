//! A list comes in pages, one after the other, and nothing shall hold it up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use keyvault::{
    InMemory, NameMap, Resolver, Result, Secret, SecretId, SecretName, SecretProperties, SecretStore, Vault,
};
use tokio::time::{Instant, sleep};

const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A vault that takes its time, 25 secrets a page, and the times when it was asked for secrets.
#[derive(Clone, Debug)]
struct Slow {
    inner: InMemory,
    began: Instant,
    asked: Arc<Mutex<Vec<Duration>>>,
}

#[async_trait::async_trait]
impl SecretStore for Slow {
    fn vault(&self) -> &Vault {
        self.inner.vault()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        self.asked.lock().unwrap().push(self.began.elapsed());
        sleep(ROUND_TRIP).await;
        self.inner.get(id).await
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        let pages = self.inner.list().chunks(25).then(async |page| {
            sleep(ROUND_TRIP).await;
            stream::iter(page)
        });
        pages.flatten().boxed()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        self.inner.versions(name)
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_ahead_of_the_secrets_of_this_one_and_the_last_secrets_wait_for_nothing() {
    let inner = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    (0..60).for_each(|n| _ = inner.set(&format!("s{n}"), "v").unwrap());
    let slow = Slow { inner, began: Instant::now(), asked: Arc::default() };
    let named = Resolver::from(slow.clone()).named(&NameMap::new()).await.unwrap();
    assert_eq!((named.iter().count(), slow.began.elapsed()), (60, 4 * ROUND_TRIP), "pages and one more round trip");
    let asked = slow.asked.lock().unwrap().clone();
    for (page, secrets) in asked.chunks(25).enumerate() {
        let listed = ROUND_TRIP * (u32::try_from(page).unwrap() + 1);
        let wait = if page == 2 { 0..=0 } else { 1..=3 };
        for asked in secrets {
            let waited = asked.saturating_sub(listed).as_millis();
            assert!(wait.contains(&waited), "page {page} came after {listed:?}, and was asked about after {asked:?}");
        }
    }
}
