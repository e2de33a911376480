//! `current` never waits and never allocates.

use figment::Figment;
use keyvault::InMemory;
use serde::Deserialize;

#[derive(Deserialize)]
struct Settings {
    password: String,
}

#[tokio::test(start_paused = true)]
async fn current_returns_the_last_publication_without_an_allocation() {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    vault.set("Password", "first").unwrap();
    let live = keyvault_figment::layered(vault.clone(), Figment::new).start::<Settings>().await.unwrap();
    assert_eq!(live.current().password, "first");
    let reads = allocation_counter::measure(|| {
        for _ in 0..100 {
            assert_eq!(live.current().password, "first");
        }
    });
    assert_eq!((reads.count_total, reads.bytes_total), (0, 0));

    vault.set("Password", "second").unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().password, "second");
    assert_eq!(live.published().generation(), 2);
    let another = live.clone();
    live.shutdown().await;
    assert_eq!(another.current().password, "second", "it outlives the refresh");
}
