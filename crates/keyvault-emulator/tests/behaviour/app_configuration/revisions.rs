//! Revisions and states in the past.

use std::time::Duration;

use keyvault_emulator::Emulator;
use serde_json::json;

use super::{call, call_with, get, items};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn revisions_are_listed_newest_first_even_after_a_deletion() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    for value in ["1", "2", "3"] {
        store.set("b", value);
        store.set("a", value);
    }
    store.set_locked("a", None, true);
    store.delete("b", None);
    let all = get(&emulator, "/revisions").await;
    let values: Vec<String> = all.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| format!("{}{}", item["key"], item["value"]))
        .collect();
    assert_eq!(
        values,
        ["a3", "a3", "a2", "a1", "b3", "b2", "b1"].map(|id| format!("\"{}\"\"{}\"", &id[..1], &id[1..]))
    );
    assert_eq!((all.header("accept-ranges"), all.json()["items"][0]["locked"] == json!(true)), (Some("items"), true));
    assert_eq!(items(&get(&emulator, "/revisions?key=b").await, "value"), ["3", "2", "1"]);
    assert!(items(&get(&emulator, "/revisions?key=b&label=prod").await, "value").is_empty());

    store.page_size(2);
    let (mut listed, mut path) = (Vec::new(), "/revisions?key=*".to_owned());
    loop {
        let page = get(&emulator, &path).await;
        listed.extend(items(&page, "etag"));
        let Some(next) = page.json()["@nextLink"].as_str().map(str::to_owned) else { break };
        path = next;
    }
    assert_eq!(listed, items(&all, "etag"));
}

#[tokio::test]
async fn a_revision_is_kept_for_30_days_and_the_current_state_longer() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    emulator.advance_clock(DAY);
    store.set("a", "2");
    emulator.advance_clock(29 * DAY);
    assert_eq!(items(&get(&emulator, "/revisions").await, "value"), ["2"]);
    emulator.advance_clock(30 * DAY);
    assert_eq!(items(&get(&emulator, "/revisions").await, "value"), ["2"]);
    assert_eq!(get(&emulator, "/kv/a").await.json()["value"], "2");
}

#[tokio::test]
async fn a_removed_revision_shifts_no_page() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.page_size(1);
    let set = |values: [&str; 2], days: u32| {
        for value in values {
            store.set("a", value);
        }
        emulator.advance_clock(days * DAY);
    };
    set(["1", "2"], 20);
    set(["3", "4"], 15);
    let first = get(&emulator, "/revisions").await;
    assert_eq!(items(&first, "value"), ["4"]);
    store.set("a", "5");
    let next = first.json()["@nextLink"].as_str().unwrap().to_owned();
    assert_eq!(items(&get(&emulator, &next).await, "value"), ["3"], "the first state is removed");
}

#[tokio::test]
async fn a_state_in_the_past_can_be_read() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let store = emulator.app_configuration("contoso");
    let second = Duration::from_secs(1);
    let mut dates = Vec::new();
    let mut pass = |emulator: &Emulator| {
        let seconds = emulator.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let date = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
        dates.push(date.format(&time::format_description::well_known::Rfc3339).unwrap());
        emulator.advance_clock(second);
    };
    pass(&emulator);
    store.set("a", "1");
    pass(&emulator);
    store.set("a", "2");
    pass(&emulator);
    store.delete("a", None);
    pass(&emulator);
    store.set("a", "3");

    let expected = [None, Some("1"), Some("2"), None];
    for (date, expected) in dates.iter().zip(expected) {
        let header = [("accept-datetime", date.as_str())];
        let got = call_with(&emulator, "GET", "/kv/a", &header, "").await;
        let list = call_with(&emulator, "GET", "/kv?key=a", &header, "").await;
        let keys = call_with(&emulator, "GET", "/keys", &header, "").await;
        match expected {
            Some(value) => {
                assert_eq!((&got.json()["value"], items(&list, "value")), (&value.into(), vec![value.into()]));
                assert_eq!(items(&keys, "name"), ["a"]);
            }
            None => assert_eq!((got.status(), items(&list, "value").len(), items(&keys, "name").len()), (404, 0, 0)),
        }
        for (response, target) in [(&got, "/kv/a"), (&list, "/kv"), (&keys, "/keys")] {
            assert!(response.header("memento-datetime").unwrap().ends_with("GMT"), "{date} {target}");
            let link = response.header("link").unwrap();
            assert!(link.starts_with(&format!("<{target}?")) && link.ends_with("rel=\"original\""), "{link}");
        }
    }
    for future in ["2100-01-01T00:00:00Z", "nonsense"] {
        let got = call_with(&emulator, "GET", "/kv/a", &[("accept-datetime", future)], "").await;
        assert_eq!((&got.json()["value"], got.header("memento-datetime")), (&"3".into(), None), "{future}");
    }
    assert_eq!(call(&emulator, "PUT", "/revisions", "").await.status(), 405);
}

#[tokio::test]
async fn a_range_of_revisions_is_partial_content() {
    let emulator = Emulator::start().await.unwrap();
    for value in ["1", "2", "3", "4"] {
        emulator.app_configuration("contoso").set("a", value);
    }
    for (range, status, content_range, values) in [
        ("items=0-1", 206, Some("items 0-1/4"), &["4", "3"][..]),
        ("items=2-9", 206, Some("items 2-3/4"), &["2", "1"]),
        ("items=3-", 206, Some("items 3-3/4"), &["1"]),
        ("items=4-5", 416, Some("items */4"), &[]),
        ("bytes=0-1", 200, None, &["4", "3", "2", "1"]),
    ] {
        let list = call_with(&emulator, "GET", "/revisions", &[("range", range)], "").await;
        assert_eq!((list.status(), list.header("content-range")), (status, content_range), "{range}");
        assert!(status == 416 || items(&list, "value") == values, "{range}: {}", list.text());
    }
}
