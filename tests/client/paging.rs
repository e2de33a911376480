//! A list is complete, contains each secret once, and ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use keyvault::{ErrorKind, Result, SecretClient, SecretProperties, SecretStore};
use keyvault_emulator::{Emulator, Fault, SetSecret};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::Instant;

struct Scene {
    emulator: Arc<Emulator>,
    wire: Arc<FakeTransport>,
    client: SecretClient,
}

impl Scene {
    async fn with_secrets(count: usize) -> Self {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        for n in 0..count {
            emulator.vault("contoso").set(&format!("s{n}"), "x");
        }
        let credential = FakeCredential::fixed(emulator.token());
        let wire = transport_to(&emulator);
        let client = wire.client(&credential).build().unwrap();
        Self { emulator, wire, client }
    }

    async fn names(&self) -> Result<Vec<String>> {
        self.client.list().map_ok(|item| item.id().name().to_string()).try_collect().await
    }

    async fn assert_complete(&self, count: usize, what: &str) {
        let names = self.names().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let distinct: HashSet<_> = names.iter().cloned().collect();
        assert_eq!((names.len(), distinct), (count, (0..count).map(|n| format!("s{n}")).collect()), "{what}");
    }
}

#[tokio::test]
async fn a_list_contains_each_secret_once_in_the_fewest_pages() {
    for (count, pages) in [(0, 1), (1, 1), (25, 1), (26, 2), (60, 3)] {
        let scene = Scene::with_secrets(count).await;
        scene.assert_complete(count, &format!("{count} secrets")).await;
        assert_eq!(scene.emulator.requests().total, pages, "{count} secrets");
    }
}

#[tokio::test]
async fn collecting_a_list_prefetches_the_next_page() {
    let scene = Scene::with_secrets(60).await;
    scene.client.list().try_next().await.unwrap().unwrap();
    assert_eq!(scene.wire.sent().len(), 1, "a caller that may stop fetches a page on demand");
    let mut list = SecretStore::list(&scene.client);
    let first = list.try_next().await.unwrap().unwrap();
    assert_eq!(scene.wire.sent().len(), 3, "the second page is requested");
    let rest: Vec<SecretProperties> = list.try_collect().await.unwrap();
    let names: HashSet<_> = rest.iter().chain([&first]).map(|item| item.id().name().to_string()).collect();
    assert_eq!((rest.len(), names.len(), scene.wire.sent().len()), (59, 60, 4));
}

#[tokio::test]
async fn short_pages_are_followed_to_the_end() {
    for size in [1, 2, 7, 24] {
        let scene = Scene::with_secrets(26).await;
        scene.emulator.page_size(size);
        scene.assert_complete(26, &format!("pages of {size}")).await;
    }
}

#[tokio::test]
async fn empty_pages_are_followed_to_the_end() {
    let item = |n: usize| format!(r#"{{"id":"{CONTOSO}/secrets/s{n}","attributes":{{"enabled":true}}}}"#);
    let requests = AtomicUsize::new(0);
    // As recorded in June 2026: one item, five empty pages, the rest.
    let wire = FakeTransport::scripted(move |_| {
        let page = requests.fetch_add(1, Ordering::SeqCst);
        let items = match page {
            0 => item(0),
            6 => format!("{},{}", item(1), item(2)),
            _ => String::new(),
        };
        let next = format!(r#""{CONTOSO}:443/secrets?api-version=2026-04-01&$skiptoken=t{page}""#);
        let next = if page == 6 { "null".to_owned() } else { next };
        Ok(FakeResponse::new(200, format!(r#"{{"value":[{items}],"nextLink":{next}}}"#)))
    });
    let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
    let listed: Vec<_> = client.list().try_collect().await.unwrap();
    let names: Vec<_> = listed.iter().map(|item| item.id().name().as_str()).collect();
    assert_eq!(names, ["s0", "s1", "s2"]);
    assert_eq!(wire.sent().len(), 7);
}

#[tokio::test]
async fn every_form_of_a_last_page_ends_the_list() {
    for end in [r#","nextLink":null"#, r#","nextLink":"""#, ""] {
        for value in [r#""value":[]"#, r#""value":null"#] {
            let wire = FakeTransport::scripted(move |_| Ok(FakeResponse::new(200, format!("{{{value}{end}}}"))));
            let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
            let listed: Vec<_> = client.list().try_collect().await.unwrap();
            assert_eq!((listed.len(), wire.sent().len()), (0, 1), "{value}{end}");
        }
    }
}

#[tokio::test]
async fn a_page_that_links_to_itself_ends_the_list_with_an_error() {
    let scene = Scene::with_secrets(26).await;
    for link in ["/secrets?api-version=2026-04-01", ":443/secrets?api-version=2026-04-01"] {
        scene.emulator.reset_requests();
        scene.emulator.fault(Fault::NextLink(format!("{CONTOSO}{link}")));
        let error = scene.names().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{link}");
        assert!(scene.emulator.requests().total <= 2, "{link}");
    }
}

#[tokio::test]
async fn an_endless_list_is_cut_off() {
    for (items, most) in [(0, 4_000), (1_000, 101)] {
        let items = vec![format!(r#"{{"id":"{CONTOSO}/secrets/a"}}"#); items].join(",");
        let requests = AtomicUsize::new(0);
        let wire = FakeTransport::scripted(move |_| {
            let page = requests.fetch_add(1, Ordering::SeqCst);
            let next = format!("{CONTOSO}/secrets?$skiptoken=t{page}");
            Ok(FakeResponse::new(200, format!(r#"{{"value":[{items}],"nextLink":"{next}"}}"#)))
        });
        let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
        let error = client.list().try_for_each(|_| std::future::ready(Ok(()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        // A vault of 100,000 secrets could be listed.
        assert_eq!(wire.sent().len(), most);
    }
}

/// Creates a transport whose pages take `pause`. Each links to a next one, and those with a number in `with_items` have
/// an item.
fn slow_pages(pause: Duration, with_items: fn(usize) -> bool) -> Arc<FakeTransport> {
    let requests = AtomicUsize::new(0);
    FakeTransport::new(move |sent| {
        let page = requests.fetch_add(1, Ordering::SeqCst);
        let path = sent.url.path().to_owned();
        async move {
            tokio::time::sleep(pause).await;
            let item = format!(r#"{{"id":"{CONTOSO}/secrets/a/v{page}","recoveryId":"{CONTOSO}/deletedsecrets/a"}}"#);
            let items = if with_items(page) { item } else { String::new() };
            let next = format!("{CONTOSO}{path}?$skiptoken=t{page}");
            Ok(FakeResponse::new(200, format!(r#"{{"value":[{items}],"nextLink":"{next}"}}"#)).into())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn empty_pages_do_not_extend_the_time_between_two_items() {
    let seconds = Duration::from_secs;
    for (pause, timeout) in [(seconds(3), seconds(5)), (seconds(5), seconds(5)), (seconds(1), seconds(30))] {
        let wire = slow_pages(pause, |_| false);
        let client = wire.client(&FakeCredential::fixed("token")).timeout(timeout).build().unwrap();
        let lists = [
            client.list().map_ok(drop).boxed(),
            client.list_versions("a").map_ok(drop).boxed(),
            client.list_deleted().map_ok(drop).boxed(),
            client.list().pages().map_ok(drop).boxed(),
            SecretStore::list(&client).map_ok(drop).boxed(),
        ];
        for (n, list) in lists.into_iter().enumerate() {
            let begun = Instant::now();
            let error = list.try_for_each(|()| std::future::ready(Ok(()))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "list {n}: {error:?}");
            assert!(begun.elapsed() <= timeout + seconds(1), "list {n}: {:?}", begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_starts_the_time_for_the_next_one() {
    let wire = slow_pages(Duration::from_secs(2), |page| page < 20 && page % 2 == 1);
    let client = wire.client(&FakeCredential::fixed("token")).timeout(Duration::from_secs(5)).build().unwrap();
    let begun = Instant::now();
    let mut items = 0;
    let ended = client.list_versions("a").try_for_each(|_| {
        items += 1;
        std::future::ready(Ok(()))
    });
    ended.await.unwrap_err();
    assert_eq!(items, 10, "a slow program or vault loses none");
    assert_eq!(begun.elapsed().as_secs(), 45, "20 pages, and 5 seconds without an item");
}

#[test]
fn a_blocking_list_has_the_same_limit() {
    let wire = slow_pages(Duration::ZERO, |_| false);
    let client = wire.client(&FakeCredential::fixed("token")).timeout(Duration::from_millis(20));
    let client = client.build_blocking().unwrap();
    let last = client.list().last().unwrap();
    assert_eq!(last.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(wire.sent().len() < 4_000, "the time ends the list, and not the number of pages");
}

#[tokio::test]
async fn after_an_error_a_list_has_nothing_more() {
    let scene = Scene::with_secrets(60).await;
    scene.emulator.fault_matching(None, |head| head.path_and_query.contains("skiptoken"), Fault::status(403));
    let mut list = scene.client.list();
    let mut items = 0;
    let error = loop {
        match list.try_next().await {
            Ok(Some(_)) => items += 1,
            Ok(None) => panic!("a broken list must not look complete"),
            Err(error) => break error,
        }
    };
    assert_eq!((items, error.kind()), (25, ErrorKind::Denied));
    assert!(list.try_next().await.unwrap().is_none());
    assert_eq!(scene.emulator.requests().list, 2);
}

#[tokio::test]
async fn changes_between_pages_neither_hide_nor_repeat_other_items() {
    let scene = Scene::with_secrets(60).await;
    let mut list = scene.client.list();
    let first = list.try_next().await.unwrap().unwrap();
    scene.emulator.vault("contoso").delete(first.id().name().as_str());
    scene.emulator.vault("contoso").set("a-new-one", "x");
    let rest: Vec<SecretProperties> = list.try_collect().await.unwrap();
    let names: HashSet<_> = rest.iter().map(|item| item.id().name().to_string()).collect();
    assert_eq!((rest.len(), names.len()), (59, 59));
}

#[tokio::test]
async fn every_version_is_listed_once() {
    let scene = Scene::with_secrets(1).await;
    for n in 0..59 {
        scene.emulator.vault("contoso").set("s0", &format!("v{n}"));
    }
    let listed: Vec<_> = scene.client.list_versions("s0").try_collect().await.unwrap();
    let versions: HashSet<_> = listed.iter().map(|item| item.id().version().unwrap().to_string()).collect();
    assert_eq!((listed.len(), versions.len()), (60, 60));
    assert_eq!(scene.emulator.requests().list_versions, 3);
    assert!(listed.iter().all(|item| item.id().name().as_str() == "s0"));
    for version in versions.iter().take(2) {
        scene.client.get_version("s0", version).await.unwrap();
    }
    let none: Vec<_> = scene.client.list_versions("missing").try_collect().await.unwrap();
    assert_eq!(none.len(), 0);
}

#[tokio::test]
async fn a_disabled_secret_is_listed_as_disabled_and_cannot_be_read() {
    let scene = Scene::with_secrets(1).await;
    scene.emulator.vault("contoso").set_secret("off", SetSecret::new("x").enabled(false).tag("k", "v"));
    let listed: Vec<_> = scene.client.list().try_collect().await.unwrap();
    let enabled: Vec<_> = listed.iter().map(|item| (item.id().name().as_str(), item.enabled())).collect();
    assert_eq!(enabled.len(), 2);
    assert!(enabled.contains(&("off", false)) && enabled.contains(&("s0", true)), "{enabled:?}");
    assert_eq!(scene.client.get("off").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn every_request_names_the_version_of_the_api() {
    let scene = Scene::with_secrets(60).await;
    let version = scene.client.get("s0").await.unwrap().id().version().unwrap().to_string();
    scene.client.get_version("s0", &version).await.unwrap();
    scene.names().await.unwrap();
    scene.client.list_versions("s0").try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(scene.wire.sent().len(), 6);
    for sent in scene.wire.sent() {
        assert_eq!(sent.query("api-version").as_deref(), Some("2026-04-01"), "{sent:?}");
    }
    let client = scene.wire.client(&FakeCredential::fixed(scene.emulator.token()));
    client.api_version("7.4").build().unwrap().get("s0").await.unwrap();
    assert_eq!(scene.wire.sent().last().unwrap().query("api-version").as_deref(), Some("7.4"));
}
