//! Sync tokens, reads that lag behind, and events.

use std::time::Duration;

use keyvault_emulator::{Emulator, SetKeyValue};
use serde_json::Value;

use super::{call, call_with, etag, get, items};

#[tokio::test]
async fn a_sync_token_counts_the_changes_of_a_store() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    let sequence = async || {
        let response = get(&emulator, "/kv").await;
        let token = response.header("sync-token").unwrap().to_owned();
        assert_eq!(token, store.sync_token());
        token.split_once(";sn=").unwrap().1.parse::<u64>().unwrap()
    };
    assert_eq!(sequence().await, 0);
    let set = call(&emulator, "PUT", "/kv/a", r#"{"value":"1"}"#).await;
    assert_eq!(set.header("sync-token"), Some(store.sync_token().as_str()));
    assert_eq!(sequence().await, 1);
    store.set_locked("a", None, true);
    store.delete("a", None);
    store.delete("a", None);
    assert_eq!(sequence().await, 3);
}

#[tokio::test]
async fn a_delayed_read_sees_a_change_with_its_sync_token_or_later() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    emulator.advance_clock(Duration::from_secs(60));
    store.read_delay(Duration::from_secs(5));
    let before = get(&emulator, "/kv/a").await;
    let token_before = before.header("sync-token").unwrap().to_owned();
    store.set("a", "2");
    store.set("b", "1");

    let read = async |token: &str| {
        let headers: &[_] = if token.is_empty() { &[] } else { &[("sync-token", token)] };
        let got = call_with(&emulator, "GET", "/kv/a", headers, "").await;
        let list = call_with(&emulator, "GET", "/kv", headers, "").await;
        assert_eq!(got.header("sync-token"), list.header("sync-token"));
        (got.json()["value"].clone(), items(&list, "key").len(), got.header("sync-token").unwrap().to_owned())
    };
    let sent = |token: &str| token.split_once(";sn=").unwrap().0.to_owned();
    let stale = ("1".into(), 1, token_before.clone());
    assert_eq!(read("").await, stale);
    assert_eq!(read(&sent(&token_before)).await, stale, "an old token does not include the change");
    let event: Value = serde_json::from_str(&store.event("b", None)).unwrap();
    let token = event[0]["data"]["syncToken"].as_str().unwrap();
    assert_eq!(read(&sent(token)).await, ("2".into(), 2, store.sync_token()));
    let changed = call_with(&emulator, "PUT", "/kv/a", &[("if-match", &format!("\"{}\"", etag(&before)))], "{}").await;
    assert_eq!(changed.status(), 412, "a change sees every other change");
    emulator.advance_clock(Duration::from_secs(5));
    assert_eq!(read("").await, ("2".into(), 2, store.sync_token()));
}

#[tokio::test]
async fn an_event_describes_the_latest_change() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    let current = store.set_key_value("shop:db", SetKeyValue::new("hunter2").label("pr/od"));
    for (change, kind) in [(false, "KeyValueModified"), (true, "KeyValueDeleted")] {
        if change {
            store.delete("shop:db", Some("pr/od"));
        }
        let text = store.event("shop:db", Some("pr/od"));
        assert!(!text.contains("hunter2"));
        let event: Value = serde_json::from_str(&text).unwrap();
        let event = &event[0];
        assert_eq!(event["eventType"], format!("Microsoft.AppConfiguration.{kind}"));
        assert_eq!(event["subject"], format!("{}/kv/shop%3Adb?label=pr%2Fod", store.endpoint()));
        let data = &event["data"];
        assert_eq!(
            (&data["key"], &data["label"], &data["etag"]),
            (&"shop:db".into(), &"pr/od".into(), &current.as_str().into())
        );
        assert_eq!(data["syncToken"], store.sync_token());
        assert!(event["topic"].as_str().unwrap().ends_with("/microsoft.appconfiguration/configurationstores/contoso"));
    }
}
