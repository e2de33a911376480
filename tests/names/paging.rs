//! Nothing delays the pages of a list.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use keyvault::{InMemory, NameMap, Resolver, SecretStore};
use keyvault_test_support::store::FakeStore;
use tokio::time::{Instant, sleep};

const ROUND_TRIP: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn the_next_page_is_requested_before_the_secrets_of_this_page() {
    let inner = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    (0..60).for_each(|n| _ = inner.set(&format!("s{n}"), "v").unwrap());
    let (began, asked) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&asked);
    inner.on_get(move |_| {
        log.lock().unwrap().push(began.elapsed());
        sleep(ROUND_TRIP).map(Ok)
    });
    let slow = FakeStore::new(&inner).list(|vault| {
        let pages = vault.list().chunks(25).then(async |page| {
            sleep(ROUND_TRIP).await;
            stream::iter(page)
        });
        pages.flatten().boxed()
    });
    let named = Resolver::from(slow).mapped(&NameMap::new()).await.unwrap();
    assert_eq!((named.iter().count(), began.elapsed()), (60, 4 * ROUND_TRIP), "pages and one more round trip");
    let asked = asked.lock().unwrap().clone();
    for (page, secrets) in asked.chunks(25).enumerate() {
        let listed = ROUND_TRIP * (u32::try_from(page).unwrap() + 1);
        let wait = if page == 2 { 0..=0 } else { 1..=3 };
        for asked in secrets {
            let waited = asked.saturating_sub(listed).as_millis();
            assert!(wait.contains(&waited), "page {page} came after {listed:?}, and was requested after {asked:?}");
        }
    }
}
