//! Nothing delays the pages of a list.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{self, StreamExt};
use keyvault::{InMemory, NameMap, Resolver, SecretStore};
use keyvault_test_support::store::FakeStore;
use tokio::time::{Instant, sleep};

const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A request that reached the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StoreRequest {
    Page,
    Get,
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_requested_before_the_secrets_of_this_page() {
    let inner = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    (0..60).for_each(|n| _ = inner.set(&format!("s{n}"), "v").unwrap());
    let (began, requests) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let gets = Arc::clone(&requests);
    inner.on_get(move |_| {
        gets.lock().unwrap().push(StoreRequest::Get);
        sleep(ROUND_TRIP).map(Ok)
    });
    let pages = Arc::clone(&requests);
    let slow = FakeStore::new(&inner).list(move |vault| {
        let requests = Arc::clone(&pages);
        let pages = vault.list().chunks(25).then(move |page| {
            requests.lock().unwrap().push(StoreRequest::Page);
            sleep(ROUND_TRIP).map(|()| stream::iter(page))
        });
        pages.flatten().boxed()
    });
    let mapped = Resolver::from(slow).mapped(&NameMap::new()).await.unwrap();
    assert_eq!((mapped.iter().count(), began.elapsed()), (60, 4 * ROUND_TRIP), "pages and one more round trip");
    let expected = [vec![StoreRequest::Page; 2], vec![StoreRequest::Get; 25], vec![StoreRequest::Page]].concat();
    let requests = requests.lock().unwrap();
    assert_eq!(requests[..28], expected);
    assert_eq!(requests[28..], [StoreRequest::Get; 35]);
}
