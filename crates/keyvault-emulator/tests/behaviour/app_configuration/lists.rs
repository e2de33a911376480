//! Lists: filters, pages, ETags of pages, keys, labels.

use keyvault_emulator::{Emulator, SetKeyValue};
use serde_json::{Value, json};

use super::{call, call_with, etag, get, items};
use crate::TestResponse;

async fn store() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    for (key, label) in
        [("b", ""), ("a:1", "prod"), ("a:1", ""), ("a:2", "dev"), ("a,2", ""), ("a*2", "pr,od"), ("A", "")]
    {
        store.set_key_value(key, SetKeyValue::new("v").label(label).tag("first", &key[..1]).tag("env", label));
    }
    emulator
}

fn ids(response: &TestResponse) -> Vec<String> {
    let (keys, labels) = (items(response, "key"), items(response, "label"));
    let id = |(key, label): (Value, Value)| format!("{}/{}", key.as_str().unwrap(), label.as_str().unwrap_or("-"));
    keys.into_iter().zip(labels).map(id).collect()
}

#[tokio::test]
async fn a_list_is_in_the_order_of_keys_and_labels_and_has_what_matches() {
    let emulator = store().await;
    for (query, expected) in [
        ("", &["A/-", "a*2/pr,od", "a,2/-", "a:1/-", "a:1/prod", "a:2/dev", "b/-"][..]),
        ("?key=*&label=*", &["A/-", "a*2/pr,od", "a,2/-", "a:1/-", "a:1/prod", "a:2/dev", "b/-"]),
        ("?key=a:*", &["a:1/-", "a:1/prod", "a:2/dev"]),
        ("?Key=a:*&LABEL=%00", &["a:1/-"]),
        ("?key=a:1,b", &["a:1/-", "a:1/prod", "b/-"]),
        ("?key=a%5C,2", &["a,2/-"]),
        ("?key=a%5C*2", &["a*2/pr,od"]),
        ("?key=a%5C**", &["a*2/pr,od"]),
        ("?label=pr*", &["a*2/pr,od", "a:1/prod"]),
        ("?label=prod,dev", &["a:1/prod", "a:2/dev"]),
        ("?label=%00,dev", &["A/-", "a,2/-", "a:1/-", "a:2/dev", "b/-"]),
        ("?label=pr%5C,od", &["a*2/pr,od"]),
        ("?tags=first%3Da&tags=env%3D", &["a,2/-", "a:1/-"]),
        ("?tags=env%3Dpr%5C,od", &["a*2/pr,od"]),
        ("?tags=&tags=first%3Db", &["b/-"]),
        ("?key=c*", &[]),
    ] {
        let list = get(&emulator, &format!("/kv{query}")).await;
        assert_eq!(ids(&list), expected, "{query}");
        assert_eq!(list.header("content-type"), Some("application/vnd.microsoft.appconfig.kvset+json; charset=utf-8"));
    }
    let ignored = get(&emulator, "/kv?tags=first%3Db&api-version=2023-10-01").await;
    assert_eq!(ids(&ignored).len(), 7, "tag filters exist since 2023-11-01");
}

#[tokio::test]
async fn an_invalid_filter_is_rejected_with_its_position() {
    let emulator = store().await;
    for (path, name, detail) in [
        ("/kv?key=a*b", "key", "key(1): Invalid character"),
        ("/kv?label=a,b*", "label", "label(3): Invalid character"),
        ("/kv?key=1,2,3,4,5,6", "key", "key: Too many values. Maximum supported is 5"),
        ("/keys?name=a*b", "name", "name(1): Invalid character"),
        ("/labels?name=a*b", "name", "name(1): Invalid character"),
        ("/revisions?key=a*b", "key", "key(1): Invalid character"),
        ("/snapshots?name=a*b", "name", "name(1): Invalid character"),
    ] {
        let response = get(&emulator, path).await;
        let expected = json!({
            "type": "https://azconfig.io/errors/invalid-argument", "title": format!("Invalid request parameter '{name}'"),
            "name": name, "detail": detail, "status": 400
        });
        assert_eq!((response.status(), response.json()), (400, expected), "{path}");
    }
}

/// Follows the links of a list, and returns the number of items and the ETag of each page.
async fn pages(emulator: &Emulator, path: &str) -> Vec<(usize, String)> {
    let (mut pages, mut path) = (Vec::new(), path.to_owned());
    loop {
        let page = get(emulator, &path).await;
        assert_eq!(page.status(), 200, "{path}");
        let body = page.json();
        pages.push((body["items"].as_array().unwrap().len(), body["etag"].as_str().unwrap().to_owned()));
        assert_eq!(page.header("etag").map(|etag| etag.trim_matches('"')), body["etag"].as_str());
        let Some(next) = body["@nextLink"].as_str() else { break };
        assert_eq!(page.header("link"), Some(format!("<{next}>; rel=\"next\"").as_str()));
        path = next.to_owned();
    }
    pages
}

#[tokio::test]
async fn a_page_has_100_items_and_a_full_last_page_is_followed_by_an_empty_one() {
    let emulator = Emulator::start().await.unwrap();
    for n in 0..250 {
        emulator.app_configuration("contoso").set(&format!("k{n:03}"), "v");
    }
    let sizes = |pages: &[(usize, String)]| pages.iter().map(|(size, _)| *size).collect::<Vec<_>>();
    assert_eq!(sizes(&pages(&emulator, "/kv?key=k*&label=*").await), [100, 100, 50]);
    assert_eq!(sizes(&pages(&emulator, "/kv?key=k0*").await), [100, 0]);
    emulator.app_configuration("").page_size(125);
    assert_eq!(sizes(&pages(&emulator, "/kv").await), [125, 125, 0]);
    let link = get(&emulator, "/kv?key=k*&$select=key").await.json()["@nextLink"].as_str().unwrap().to_owned();
    assert!(link.starts_with("/kv?key=k*&$select=key&api-version=2026-04-01&after="), "{link}");
    let invalid = get(&emulator, "/kv?after=%25%25").await;
    assert_eq!(items(&invalid, "key")[0], "k000", "an invalid position does not count");
}

#[tokio::test]
async fn the_etag_of_a_page_changes_with_its_items_and_no_others() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.page_size(2);
    for key in ["a", "b", "c", "d", "e"] {
        store.set(key, "1");
    }
    let before = pages(&emulator, "/kv").await;
    assert_eq!(pages(&emulator, "/kv").await, before);
    store.set("c", "2");
    let after = pages(&emulator, "/kv").await;
    let changed: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(changed, [false, true, false]);
    store.set("f", "1");
    let grown = pages(&emulator, "/kv").await;
    assert_eq!(grown[..2], after[..2]);
    assert_ne!(grown[2], after[2]);
    store.delete("f", None);
    assert_eq!(pages(&emulator, "/kv").await, after, "the same items have the same ETags again");
    let old = get(&emulator, "/kv?api-version=1.0").await;
    assert_eq!((old.header("etag"), old.json().get("etag")), (None, None), "pages have ETags since 2023-10-01");
}

#[tokio::test]
async fn an_unchanged_page_is_a_304_that_still_has_the_link() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.page_size(2);
    for key in ["a", "b", "c"] {
        store.set(key, "1");
    }
    let page = get(&emulator, "/kv?key=*").await;
    let current = format!("\"{}\"", etag(&page));
    for method in ["GET", "HEAD"] {
        let same = call_with(&emulator, method, "/kv?key=*", &[("if-none-match", &current)], "").await;
        assert_eq!((same.status(), same.text()), (304, ""));
        assert_eq!((same.header("link"), same.header("etag")), (page.header("link"), Some(current.as_str())));
        assert!(same.header("sync-token").is_some());
    }
    let matching = call_with(&emulator, "GET", "/kv?key=*", &[("if-match", &current)], "").await;
    assert_eq!(matching.status(), 200);
    store.set("b", "2");
    for (header, status) in [("if-none-match", 200), ("if-match", 412)] {
        assert_eq!(call_with(&emulator, "GET", "/kv?key=*", &[(header, &current)], "").await.status(), status);
    }
    let counters = emulator.requests().app_configuration;
    assert_eq!((counters.list, counters.not_modified, counters.total), (6, 2, 6));
}

#[tokio::test]
async fn a_list_of_an_empty_store_has_an_etag() {
    let emulator = Emulator::start().await.unwrap();
    let empty = get(&emulator, "/kv").await;
    let current = format!("\"{}\"", etag(&empty));
    assert_eq!(empty.json()["items"], json!([]));
    assert_eq!(call_with(&emulator, "GET", "/kv", &[("if-none-match", &current)], "").await.status(), 304);
    emulator.app_configuration("contoso").set("a", "1");
    assert_eq!(call_with(&emulator, "GET", "/kv", &[("if-none-match", &current)], "").await.status(), 200);
}

#[tokio::test]
async fn keys_and_labels_are_listed_once_and_in_pages() {
    let emulator = store().await;
    let keys = get(&emulator, "/keys").await;
    assert_eq!(items(&keys, "name"), ["A", "a*2", "a,2", "a:1", "a:2", "b"]);
    assert_eq!(keys.header("content-type"), Some("application/vnd.microsoft.appconfig.keyset+json; charset=utf-8"));
    assert_eq!(items(&get(&emulator, "/keys?name=a:*").await, "name"), ["a:1", "a:2"]);
    let labels = get(&emulator, "/labels").await;
    assert_eq!(items(&labels, "name"), [json!(null), json!("dev"), json!("pr,od"), json!("prod")]);
    assert_eq!(labels.header("content-type"), Some("application/vnd.microsoft.appconfig.labelset+json; charset=utf-8"));
    assert_eq!(items(&get(&emulator, "/labels?name=%00,dev").await, "name"), [json!(null), json!("dev")]);
    assert_eq!(get(&emulator, "/labels?$select=none").await.json()["items"][0], json!({}));

    emulator.app_configuration("").page_size(1);
    for (path, expected) in [("/labels", 4), ("/keys", 6)] {
        let (mut names, mut path) = (Vec::new(), path.to_owned());
        loop {
            let page = get(&emulator, &path).await;
            names.extend(items(&page, "name"));
            let Some(next) = page.json()["@nextLink"].as_str().map(str::to_owned) else { break };
            path = next;
        }
        assert_eq!(names.len(), expected, "{names:?}");
    }
    for method in ["PUT", "DELETE"] {
        assert_eq!(call(&emulator, method, "/labels", "").await.status(), 405);
    }
}
