//! Lists: order, pages, and changes between pages.

use keyvault_emulator::{Emulator, SetSecret};
use serde_json::json;

use crate::{call, get};

#[tokio::test]
async fn pages_contain_25_secrets_in_the_order_of_upper_cased_names_and_the_last_link_is_null() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    let mut expected: Vec<String> = (0..60).map(|n| format!("{}-{n:02}", if n % 2 == 0 { "s" } else { "S" })).collect();
    for name in expected.iter().rev() {
        vault.set_secret(name, SetSecret::new("1").tag("k", "v"));
    }
    expected.sort_by_key(|name| name.to_uppercase());

    let mut names = Vec::new();
    let mut sizes = Vec::new();
    let mut page = get(&emulator, "/secrets").await;
    loop {
        sizes.push(page.names().len());
        names.extend(page.names());
        let Some(next) = page.next() else { break };
        assert!(next.starts_with("/secrets?api-version=2026-04-01&$skiptoken="), "{next}");
        page = call(&emulator, "GET", &next, "").await;
    }
    assert_eq!(sizes, [25, 25, 10]);
    assert_eq!(names, expected);
    assert!(page.text().ends_with(r#""nextLink":null}"#), "{}", page.text());
    let item = &page.json()["value"][0];
    assert_eq!(item.get("value"), None);
    assert_eq!(item["tags"], json!({"k": "v"}));
    assert_eq!(item["id"].as_str().unwrap().split('/').count(), 5, "no version in {item}");
}

#[tokio::test]
async fn a_change_between_two_pages_neither_hides_nor_repeats_another_secret() {
    let emulator = Emulator::start().await.unwrap();
    let vault = emulator.vault("contoso");
    for name in ["b", "d", "f", "h"] {
        vault.set(name, "1");
    }
    let first = get(&emulator, "/secrets?maxresults=2").await;
    assert_eq!(first.names(), ["b", "d"]);
    for name in ["a", "c", "e"] {
        vault.set(name, "1");
    }
    vault.delete("b");
    vault.delete("d");
    let next = first.next().unwrap();
    assert!(next.ends_with("&maxresults=2"), "{next}");
    let second = call(&emulator, "GET", &next, "").await;
    assert_eq!(second.names(), ["e", "f"]);
    let third = call(&emulator, "GET", &second.next().unwrap(), "").await;
    assert_eq!((third.names(), third.next()), (vec!["h".to_owned()], None));
}

#[tokio::test]
async fn a_full_last_page_has_no_link() {
    let emulator = Emulator::start().await.unwrap();
    for n in 0..25 {
        emulator.vault("contoso").set(&format!("s{n}"), "1");
    }
    let page = get(&emulator, "/secrets").await;
    assert_eq!((page.names().len(), page.next()), (25, None));
}

#[tokio::test]
async fn versions_are_listed_by_identifier_and_an_unknown_secret_has_an_empty_list() {
    let emulator = Emulator::start().await.unwrap();
    let mut expected: Vec<String> = (0..5).map(|n| emulator.vault("contoso").set("a", &n.to_string())).collect();
    emulator.vault("contoso").set("aa", "1");
    expected.sort();
    let mut versions = Vec::new();
    let mut path = "/secrets/A/versions?api-version=7.4&maxresults=2".to_owned();
    loop {
        let page = call(&emulator, "GET", &path, "").await;
        for item in page.json()["value"].as_array().unwrap() {
            versions.push(item["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
        }
        let Some(next) = page.next() else { break };
        path = next;
    }
    assert_eq!(versions, expected);
    let none = get(&emulator, "/secrets/none/versions").await;
    assert_eq!((none.status(), none.text()), (200, r#"{"value":[],"nextLink":null}"#));
}

#[tokio::test]
async fn the_page_size_can_be_set() {
    let emulator = Emulator::builder().page_size(3).start().await.unwrap();
    for n in 0..5 {
        emulator.vault("contoso").set(&format!("s{n}"), "1");
    }
    assert_eq!(get(&emulator, "/secrets").await.names().len(), 3);
    assert_eq!(get(&emulator, "/secrets?maxresults=25").await.names().len(), 3);
    emulator.page_size(1);
    assert_eq!(get(&emulator, "/secrets").await.names().len(), 1);
}
