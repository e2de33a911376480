//! A list can be read page by page, and continued with a token.

use futures::TryStreamExt;
use keyvault::ErrorKind;
use keyvault::client::{PageToken, SecretPage};
use keyvault_emulator::{Emulator, Fault};

use super::recording::scene;

fn names(page: &SecretPage) -> Vec<String> {
    page.items.iter().map(|item| item.id().name().as_str().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_continues_from_its_page_token() {
    let (emulator, client) = scene(Emulator::builder()).await;
    for n in 10..17 {
        emulator.vault("contoso").set(&format!("s{n}"), "x");
    }
    let first = client.list().page_size(3).pages().try_next().await.unwrap().unwrap();
    assert_eq!(names(&first), ["s10", "s11", "s12"]);
    // Stored as text, for another run of the program. A secret set before the token's position is not seen, and no item
    // repeats.
    let kept = first.next.as_ref().unwrap().as_str().to_owned();
    emulator.vault("contoso").set("s00", "x");
    let rest: Vec<_> = client.list().resume(&PageToken::new(&*kept)).try_collect().await.unwrap();
    assert_eq!(rest.len(), 4);
    let pages: Vec<_> = client.list().resume(&PageToken::new(&*kept)).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [3, 1]);
    assert!(pages[1].next.is_none());
    let all: Vec<_> = client.list().try_collect().await.unwrap();
    assert_eq!(all.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn deleted_secrets_and_versions_have_pages_too() {
    let (emulator, client) = scene(Emulator::builder().page_size(2)).await;
    for n in 0..5 {
        client.set("a", format!("{n}")).await.unwrap();
        emulator.vault("contoso").set(&format!("gone{n}"), "x");
        client.delete(&format!("gone{n}")).await.unwrap();
    }
    let versions: Vec<_> = client.list_versions("a").pages().try_collect().await.unwrap();
    assert_eq!(versions.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [2, 2, 1]);
    let first = client.list_deleted().pages().try_next().await.unwrap().unwrap();
    let rest: Vec<_> = client.list_deleted().resume(first.next.as_ref().unwrap()).try_collect().await.unwrap();
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|deleted| deleted.scheduled_purge.is_some() && deleted.recovery_id.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_checked_like_every_link() {
    let (emulator, client) = scene(Emulator::builder()).await;
    for link in [
        "https://evil.example/secrets?api-version=7.4&$skiptoken=x",
        "https://contoso.vault.azure.net.evil.example/secrets?$skiptoken=x",
        "https://contoso.vault.azure.net@evil.example/secrets?$skiptoken=x",
        "https://fabrikam.vault.azure.net/secrets?$skiptoken=x",
        "http://contoso.vault.azure.net/secrets?$skiptoken=x",
        "https://contoso.vault.azure.net/deletedsecrets?$skiptoken=x",
        "https://contoso.vault.azure.net/secrets/a/versions?$skiptoken=x",
        "canary",
        "",
    ] {
        let error = client.list().resume(&PageToken::new(link)).try_next().await.expect_err(link);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{link}");
        assert!(!format!("{error:?}").contains("canary"), "{link}");
    }
    assert_eq!(emulator.requests().total, 0);
    let token = PageToken::new("canary");
    assert!(!format!("{token:?}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_a_page() {
    let (emulator, client) = scene(Emulator::builder().page_size(1)).await;
    for name in ["a", "b"] {
        emulator.vault("contoso").set(name, "x");
    }
    let mut pages = client.list().pages();
    pages.try_next().await.unwrap();
    emulator.fault_next(1, Fault::NextLink("https://evil.example/".to_owned()));
    let page = pages.try_next().await.unwrap().unwrap();
    assert!(page.next.is_none(), "an unfollowed link yields no token");
    assert_eq!(pages.try_next().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(pages.try_next().await.unwrap().is_none(), "after an error a list ends");
}
