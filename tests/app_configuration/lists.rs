//! Lists: filters, fields, pages and their ETags, keys, labels, revisions.

use std::time::{Duration, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt};
use keyvault::{ErrorKind, SettingStore};
use keyvault_appconfig::client::{Field, KeyValueProperties, PageToken};
use keyvault_appconfig::{AppConfiguration, AppConfigurationClient, NO_LABEL, Selector};
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use serde_json::json;

use super::{client, store};

async fn keys(client: &AppConfigurationClient, selector: &Selector) -> Vec<String> {
    client.list(selector).map_ok(|found| found.key().to_owned()).try_collect().await.unwrap()
}

#[tokio::test]
async fn a_list_has_what_the_filters_choose() {
    let (_emulator, _, client) = store().await;
    let tagged = || KeyValueProperties::new().tag("team", "a=b,c");
    client.set("shop:b", Some("prod"), "1").await.unwrap();
    client.set_with("shop:a", Some("prod"), "2", tagged()).await.unwrap();
    client.set("shop:a", None, "3").await.unwrap();
    client.set("a*b,c", None, "4").await.unwrap();
    for (selector, expected) in [
        (Selector::new("*", "*"), &["a*b,c", "shop:a", "shop:a", "shop:b"][..]),
        (Selector::new("*", NO_LABEL), &["a*b,c", "shop:a"]),
        (Selector::new("shop:*", "prod"), &["shop:a", "shop:b"]),
        (Selector::new("shop:a,shop:b", "prod"), &["shop:a", "shop:b"]),
        (Selector::new(keyvault_appconfig::escaped("a*b,c"), NO_LABEL), &["a*b,c"]),
        (Selector::new("*", "*").tag("team", "a=b,c"), &["shop:a"]),
        (Selector::new("*", "test"), &[]),
    ] {
        assert_eq!(keys(&client, &selector).await, expected, "{selector}");
    }
    let invalid = client.list(&Selector::new("a*b", "*")).next().await.unwrap().unwrap_err();
    assert_eq!(invalid.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_list_has_only_the_fields_that_were_asked_for() {
    let (_emulator, _, client) = store().await;
    client.set_with("a", Some("l"), "1", KeyValueProperties::new().content_type("text/plain")).await.unwrap();
    let list = client.list(&Selector::new("*", "*")).fields(&[Field::ContentType, Field::Etag]);
    let found = list.try_collect::<Vec<_>>().await.unwrap().remove(0);
    assert_eq!((found.key(), found.label(), found.content_type()), ("a", Some("l"), Some("text/plain")));
    assert_eq!((found.value(), found.etag().is_some(), found.last_modified()), (None, true, None));
}

#[tokio::test]
async fn a_list_continues_over_pages_and_between_runs() {
    let (emulator, wire, client) = store().await;
    emulator.app_configuration("").page_size(2);
    for key in ["a", "b", "c", "d"] {
        client.set(key, None, key).await.unwrap();
    }
    wire.take_sent();
    let all = Selector::new("*", NO_LABEL);
    assert_eq!(keys(&client, &all).await, ["a", "b", "c", "d"]);
    // The last page is empty: a store continues after a full page.
    assert_eq!(wire.take_sent().len(), 3);
    let first = client.list(&all).pages().next().await.unwrap().unwrap();
    assert_eq!(first.items.as_ref().map(Vec::len), Some(2));
    let stored = PageToken::new(first.next.unwrap().as_str());
    let rest: Vec<_> = client.list(&all).resume(&stored).try_collect().await.unwrap();
    assert_eq!(rest.iter().map(|found| found.key()).collect::<Vec<_>>(), ["c", "d"]);
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_transferred() {
    let (emulator, wire, client) = store().await;
    emulator.app_configuration("").page_size(2);
    for key in ["a", "b", "c"] {
        client.set(key, None, key).await.unwrap();
    }
    let all = Selector::new("*", NO_LABEL);
    let first = client.fetch_page(&all, None, None).await.unwrap();
    let second = client.fetch_page(&all, first.next.as_ref(), None).await.unwrap();
    assert_eq!([&first, &second].map(|page| page.items.as_ref().map(Vec::len)), [Some(2), Some(1)]);
    assert_eq!(second.next, None);
    wire.take_sent();
    let again = client.fetch_page(&all, None, first.etag.as_deref()).await.unwrap();
    assert!(again.items.is_none() && again.etag == first.etag && again.next == first.next, "{again:?}");
    client.set("c", None, "new").await.unwrap();
    let changed = client.fetch_page(&all, again.next.as_ref(), second.etag.as_deref()).await.unwrap();
    assert_eq!(changed.items.unwrap()[0].value(), Some("new"));
    assert_ne!(changed.etag, second.etag);
}

#[tokio::test]
async fn keys_labels_and_revisions_are_listed() {
    let (_emulator, _, client) = store().await;
    for (key, label, value) in [("a", None, "1"), ("a", None, "2"), ("a", Some("prod"), "3"), ("b", None, "4")] {
        client.set(key, label, value).await.unwrap();
    }
    let mut keys: Vec<String> = client.list_keys("*").try_collect().await.unwrap();
    keys.dedup();
    assert_eq!(keys, ["a", "b"]);
    let mut labels: Vec<Option<String>> = client.list_labels("*").try_collect().await.unwrap();
    labels.sort();
    labels.dedup();
    assert_eq!(labels, [None, Some("prod".to_owned())]);
    let revisions: Vec<_> = client.list_revisions(&Selector::new("a", NO_LABEL)).try_collect().await.unwrap();
    assert_eq!(revisions.iter().map(|found| found.value()).collect::<Vec<_>>(), [Some("2"), Some("1")]);
}

#[tokio::test]
async fn a_list_shows_the_store_as_it_was() {
    let (emulator, _, client) = store().await;
    client.set("a", None, "old").await.unwrap();
    let before = std::time::SystemTime::now();
    emulator.advance_clock(Duration::from_secs(600));
    client.set("a", None, "new").await.unwrap();
    let list = client.list(&Selector::new("*", NO_LABEL)).as_of(before + Duration::from_secs(60));
    let found: Vec<_> = list.try_collect().await.unwrap();
    assert_eq!(found[0].value(), Some("old"));
}

#[tokio::test(start_paused = true)]
async fn a_list_does_not_end_at_a_link_that_cannot_be_read() {
    let long = format!("/kv?after={}", "a".repeat(33 << 10));
    let (in_body, in_header, unchanged) = ((200, true), (200, false), (304, false));
    let everywhere = &[in_body, in_header, unchanged][..];
    for (link, responses, is_readable) in [
        ("/kv?key=*", everywhere, false),
        ("/kv?after=", everywhere, false),
        ("/kv", everywhere, false),
        // The pipeline removes a header as long as this.
        (&*long, &[in_body], false),
        ("/kv?after=a", everywhere, true),
    ] {
        for (status, in_body) in responses.iter().copied() {
            let text = link.to_owned();
            let wire = FakeTransport::scripted(move |_| {
                let body = json!({ "items": [], "@nextLink": if in_body { &text } else { "" } }).to_string();
                let header = if in_body { String::new() } else { format!("<{text}>; rel=\"next\"") };
                Ok(FakeResponse::new(status, if status == 304 { String::new() } else { body }).header("link", header))
            });
            let page = client(&wire).fetch_page(&Selector::new("*", "*"), None, Some("e")).await;
            let case = format!("{status} {in_body} {}", &link[..link.len().min(20)]);
            match page {
                Ok(page) => assert!(is_readable && page.next.is_some(), "{case} {page:?}"),
                Err(error) => {
                    assert!(!is_readable && error.is_transient(), "{case} {error}");
                    assert!(error.to_string().ends_with("store's response cannot be parsed"), "{case} {error}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_ends_is_an_error() {
    let same = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, r#"{"items":[],"@nextLink":"/kv?after=a"}"#)));
    let error = client(&same).list(&Selector::new("*", "*")).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("store's list does not end"), "{error}");
    assert_eq!(same.take_sent().len(), 2);
    let error = AppConfiguration::new(client(&same)).read().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("store's list does not end"), "{error}");
    assert_eq!(same.sent().len(), 2, "a layer has the limits of a list");
    let full = r#"{"items":[{"key":"a"}],"@nextLink":"/kv?after=NUMBER"}"#;
    let growing = FakeTransport::scripted(move |request| {
        let number = request.query("after").and_then(|after| after.parse().ok()).unwrap_or(0);
        Ok(FakeResponse::new(200, full.replace("NUMBER", &(number + 1u32).to_string())))
    });
    let error = client(&growing).list(&Selector::new("*", "*")).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("store's list does not end"), "{error}");
    assert_eq!(growing.take_sent().len(), 10_000);
    let layer = AppConfiguration::builder(client(&growing)).timeout(Duration::from_secs(3_600)).build().unwrap();
    let error = layer.read().await.unwrap_err();
    assert!(error.to_string().contains("store's list does not end"), "{error}");
    assert_eq!(growing.sent().len(), 10_000);
}

#[tokio::test]
async fn a_time_that_no_http_date_has_is_an_error() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, r#"{"items":[]}"#)));
    let (second, year_10000) = (Duration::from_secs(1), Duration::from_secs(253_402_300_800));
    for (time, is_valid) in [
        (UNIX_EPOCH - second, false),
        (UNIX_EPOCH, true),
        (UNIX_EPOCH + year_10000 - second, true),
        (UNIX_EPOCH + year_10000, false),
    ] {
        let list = client(&wire).list(&Selector::new("*", NO_LABEL)).as_of(time);
        match list.try_collect::<Vec<_>>().await {
            Ok(_) => assert!(is_valid, "{time:?}"),
            Err(error) => assert_eq!((error.kind(), is_valid), (ErrorKind::Invalid, false), "{time:?}"),
        }
    }
    assert_eq!(wire.sent().len(), 2, "only the valid ones are sent");
}

#[tokio::test]
async fn a_list_ends_after_an_error() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(403, "")));
    let mut list = client(&wire).list(&Selector::new("shop:*", "prod"));
    let error = list.next().await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("key filter shop:*, label prod from App Configuration contoso: "), "{error}");
    assert!(list.next().await.is_none());
}
