//! How a layer follows its store.

use std::time::Duration;

use keyvault::ErrorKind;
use keyvault::Vault;
use keyvault_appconfig::{NO_LABEL, Selector};

use super::*;
use keyvault::settings::{SettingChange, SettingStore};

/// Returns the requests of a list with `count` pages.
fn pages(count: usize, condition: &str) -> Vec<String> {
    (0..count).map(|i| format!("contoso list *{}{condition}", if i == 0 { "" } else { " next" })).collect()
}

async fn store_with(count: usize) -> Store {
    let store = Store::new().await;
    (0..count).for_each(|i| store.set(&format!("k{i}"), "1"));
    store
}

#[tokio::test]
async fn an_unchanged_store_is_asked_for_each_page_once() {
    let store = store_with(7).await;
    let layer = builder(&store).build().unwrap();
    let first = read(&layer).await.unwrap();
    assert_eq!(store.requests(), pages(3, ""));
    assert_eq!(read(&layer).await.unwrap(), first);
    assert_eq!(store.requests(), pages(3, " if changed"));
    let settings = async || SettingStore::read(&layer).await.unwrap();
    let last = settings().await;
    assert!(settings().await.is_clone_of(&last), "core reuses its document of them");
    store.set("k0", "2");
    assert!(!settings().await.is_clone_of(&last));
}

#[tokio::test]
async fn every_change_of_the_store_is_seen() {
    let store = store_with(6).await;
    let layer = builder(&store).build().unwrap();
    let keys = async || {
        let found = read(&layer).await.unwrap();
        found
            .iter()
            .map(|setting| setting.split_once('=').unwrap())
            .map(|(k, v)| format!("{k}{v}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(keys().await, "k01 k11 k21 k31 k41 k51");
    store.set("k4", "2");
    assert_eq!(keys().await, "k01 k11 k21 k31 k42 k51");
    store.set("k9", "1");
    assert_eq!(keys().await, "k01 k11 k21 k31 k42 k51 k91");
    store.delete("k0");
    assert_eq!(keys().await, "k11 k21 k31 k42 k51 k91");
    ["k3", "k4", "k5", "k9"].iter().for_each(|key| store.delete(key));
    assert_eq!(keys().await, "k11 k21");
}

#[tokio::test]
async fn no_page_is_lost_with_the_headers_of_a_response() {
    let store = store_with(7).await;
    let layer = builder(&store).build().unwrap();
    let first = read(&layer).await.unwrap();
    store.lose_headers();
    assert_eq!(read(&layer).await.unwrap(), first);
    store.set("k6", "2");
    assert_eq!(read(&layer).await.unwrap()[6], "k6=2");
}

#[tokio::test]
async fn a_page_with_a_weak_etag_is_read_again() {
    let store = store_with(4).await;
    let layer = builder(&store).build().unwrap();
    store.weaken_etags();
    let first = read(&layer).await.unwrap();
    assert_eq!(read(&layer).await.unwrap(), first);
    store.set("k0", "2");
    assert_eq!(read(&layer).await.unwrap()[0], "k0=2");
}

#[tokio::test]
async fn an_answer_without_items_is_not_an_empty_store() {
    let store = store_with(1).await;
    let layer = builder(&store).select_with(Selector::new("*", NO_LABEL).optional()).build().unwrap();
    let first = read(&layer).await.unwrap();
    store.fail("list", 200);
    let error = read(&layer).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true));
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), first);
}

#[tokio::test]
async fn a_failed_read_loses_nothing_and_is_repeated() {
    let store = store_with(7).await;
    let layer = builder(&store).build().unwrap();
    let first = read(&layer).await.unwrap();
    store.set("k0", "2");
    store.fail("list * next", 503);
    let error = read(&layer).await.unwrap_err();
    assert!(error.is_transient());
    store.recover();
    store.requests();
    let found = read(&layer).await.unwrap();
    assert_eq!((found[0].as_str(), &found[1..]), ("k0=2", &first[1..]), "the first page is read again");
    assert_eq!(store.requests(), pages(3, " if changed"));
}

#[tokio::test]
async fn a_malformed_key_value_loses_nothing() {
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
    let store = store_with(2).await;
    let layer = builder(&store).build().unwrap();
    read(&layer).await.unwrap();
    store.set_as("k0", "canary", REFERENCE);
    for _ in 0..2 {
        let error = read(&layer).await.unwrap_err();
        assert_eq!((error.kind(), error.setting()), (ErrorKind::Invalid, Some("k0")));
        assert_eq!(error.origin(), Some("App Configuration key k0"));
        assert!(!text_of(&error).contains("canary"), "{error:?}");
    }
    store.set("k0", "3");
    assert_eq!(read(&layer).await.unwrap(), ["k0=3", "k1=1"]);
}

#[tokio::test]
async fn a_sentinel_stands_for_all_settings() {
    let store = store_with(4).await;
    store.set("version@x", "1");
    let layer = builder(&store).sentinel("version", "x").build().unwrap();
    read(&layer).await.unwrap();
    let all = [vec!["contoso get version".to_owned()], pages(2, "")].concat();
    assert_eq!(store.requests(), all, "the sentinel is read first");
    store.set("k0", "2");
    assert_eq!(read(&layer).await.unwrap()[0], "k0=1", "not announced yet");
    assert_eq!(store.requests(), ["contoso get version if changed"]);
    store.set("version@x", "2");
    assert_eq!(read(&layer).await.unwrap()[0], "k0=2");
    assert_eq!(store.requests().len(), 3);
    assert_eq!(read(&layer).await.unwrap()[0], "k0=2");
    assert_eq!(store.requests(), ["contoso get version if changed"]);
}

#[tokio::test]
async fn a_sentinel_that_is_created_or_deleted_announces_a_change() {
    let store = store_with(1).await;
    let layer = builder(&store).select("k*", NO_LABEL).sentinel("version", NO_LABEL).build().unwrap();
    read(&layer).await.unwrap();
    for (step, value) in [("create", "2"), ("delete", "3")] {
        store.set("k0", value);
        match step {
            "create" => store.set("version", "1"),
            _ => store.delete("version"),
        }
        assert_eq!(read(&layer).await.unwrap(), [format!("k0={value}")], "{step}");
    }
}

#[tokio::test]
async fn a_sentinel_that_does_not_exist_is_reported() {
    let store = store_with(1).await;
    store.set("version@x", "1");
    let layer = builder(&store).select("k*", NO_LABEL).sentinel("version", "x").sentinel("vresion", "x");
    let layer = layer.sentinel("version", NO_LABEL).build().unwrap();
    let unmatched = async || SettingStore::read(&layer).await.unwrap().unmatched().to_vec();
    let note =
        |key: &str| format!("sentinel does not exist, so no change is seen: key {key} in App Configuration contoso");
    assert_eq!(unmatched().await, [note("vresion label x"), note("version without a label")]);
    assert_eq!(unmatched().await.len(), 2, "it is still missing");
    store.set("version", "1");
    assert_eq!(unmatched().await, [note("vresion label x")]);
}

#[tokio::test]
async fn a_sentinel_counts_as_seen_only_after_the_settings_were_read() {
    let store = store_with(1).await;
    let layer = builder(&store).select("k*", NO_LABEL).sentinel("version", NO_LABEL).build().unwrap();
    store.set("version", "1");
    read(&layer).await.unwrap();
    store.set("k0", "2");
    store.set("version", "2");
    store.fail("list k*", 503);
    read(&layer).await.unwrap_err();
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), ["k0=2"]);
}

#[tokio::test]
async fn feature_flags_need_no_sentinel() {
    const FLAG: &str = "application/vnd.microsoft.appconfig.ff+json;charset=utf-8";
    let store = store_with(1).await;
    let flags = builder(&store).select("k*", NO_LABEL).feature_flags("*", NO_LABEL).sentinel("version", NO_LABEL);
    let layer = flags.build().unwrap();
    read(&layer).await.unwrap();
    store.set("k0", "2");
    store.set_as(".appconfig.featureflag/beta", r#"{"id":"beta"}"#, FLAG);
    assert_eq!(read(&layer).await.unwrap(), ["feature_management.feature_flags[0].id=beta", "k0=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_ends_the_read_at_its_deadline() {
    let store = store_with(1).await;
    store.hang("");
    let start = tokio::time::Instant::now();
    let layer = builder(&store).timeout(Duration::from_secs(7)).build().unwrap();
    let error = read(&layer).await.unwrap_err();
    assert_eq!((start.elapsed(), error.is_transient()), (Duration::from_secs(7), true));
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), ["k0=1"], "a read that was dropped leaves nothing behind");
}

#[tokio::test]
async fn an_event_makes_the_layer_due_if_it_may_have_the_key() {
    let store = Store::new().await;
    let all = builder(&store).select("k*", "prod").feature_flags("*", NO_LABEL).build().unwrap();
    let watched = builder(&store).select("k*", "prod").sentinel("version", NO_LABEL).build().unwrap();
    let snapshot = builder(&store).select_with(Selector::snapshot("a")).build().unwrap();
    let vault = |name: &str| Vault::parse(&format!("https://{name}.azconfig.io")).unwrap();
    for (layer, name, key, label, expected) in [
        (&all, "contoso", Some("k1"), Some("prod"), true),
        (&all, "contoso", Some("k1"), None, false),
        (&all, "contoso", Some("x"), Some("prod"), false),
        (&all, "contoso", Some(".appconfig.featureflag/beta"), None, true),
        (&all, "contoso", None, None, true),
        (&all, "fabrikam", Some("k1"), Some("prod"), false),
        (&all, "fabrikam", None, None, false),
        (&watched, "contoso", Some("k1"), Some("prod"), false),
        (&watched, "contoso", Some("version"), None, true),
        (&watched, "contoso", None, None, false),
        (&snapshot, "contoso", Some("k1"), None, false),
    ] {
        let mut change = SettingChange::new(vault(name));
        change.key = key.map(str::to_owned);
        change.label = label.map(str::to_owned);
        assert_eq!(layer.announce(&change), expected, "{name} {key:?} {label:?}");
    }
}

#[tokio::test]
async fn no_read_after_the_one_of_an_event_sends_its_sync_token() {
    let store = store_with(1).await;
    let layer = builder(&store).build().unwrap();
    read(&layer).await.unwrap();
    let known = store.sync_tokens().pop().unwrap();
    for (name, expected) in [("fabrikam", false), ("contoso", true)] {
        let mut change = SettingChange::new(Vault::parse(&format!("https://{name}.azconfig.io")).unwrap());
        change.sync_token = Some(format!("{name}=dG9rZW4=;sn=1"));
        assert_eq!(layer.announce(&change), expected, "{name}");
        read(&layer).await.unwrap();
        let sent = store.sync_tokens().pop().unwrap().unwrap_or_default();
        assert_eq!(sent.contains(&format!("{name}=dG9rZW4=")), expected, "{name}: {known:?} {sent}");
        read(&layer).await.unwrap();
        let later = store.sync_tokens().pop().unwrap().unwrap_or_default();
        assert!(!later.contains("dG9rZW4="), "{name}: {later}");
    }
}

/// Announces a change somewhere in the store `contoso`.
fn announce(layer: &AppConfiguration, sync_token: &str) {
    let mut change = SettingChange::new(Vault::parse("https://contoso.azconfig.io").unwrap());
    change.sync_token = Some(sync_token.to_owned());
    assert!(layer.announce(&change));
}

#[tokio::test(start_paused = true)]
async fn the_sync_tokens_of_events_are_sent_until_a_read_succeeds() {
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
    for is_store_at_fault in [true, false] {
        let store = store_with(1).await;
        let layer = builder(&store).build().unwrap();
        read(&layer).await.unwrap();
        ["one=dG9rZW4=;sn=1", "two=dG9rZW4=;sn=1"].iter().for_each(|token| announce(&layer, token));
        match is_store_at_fault {
            true => store.fail("list", 503),
            false => store.set_as("k0", "malformed", REFERENCE),
        }
        read(&layer).await.unwrap_err();
        store.recover();
        store.set("k0", "2");
        store.sync_tokens();
        for expected in [true, false] {
            read(&layer).await.unwrap();
            let sent = store.sync_tokens().pop().unwrap().unwrap_or_default();
            for id in ["one", "two"] {
                assert_eq!(sent.contains(&format!("{id}=dG9rZW4=")), expected, "{is_store_at_fault} {sent}");
            }
        }
    }
}

#[tokio::test]
async fn a_sync_token_that_a_store_refuses_does_not_keep_the_layer_from_being_read() {
    let store = store_with(1).await;
    let layer = builder(&store).build().unwrap();
    announce(&layer, "a=refused;sn=1");
    store.fail("list", 400);
    let is_sent = async || {
        read(&layer).await.unwrap_err();
        store.sync_tokens().pop().unwrap().is_some_and(|sent| sent.contains("refused"))
    };
    for number in 0..5 {
        assert!(is_sent().await, "{number}");
    }
    assert!(!is_sent().await);
}

#[tokio::test]
async fn a_forged_event_does_not_displace_the_tokens_of_the_store() {
    let store = store_with(7).await;
    let layer = builder(&store).build().unwrap();
    read(&layer).await.unwrap();
    let real = store.sync_tokens().pop().unwrap().expect("the store has sent a token");
    let (id, _) = real.split_once('=').unwrap();
    let mut change = SettingChange::new(Vault::parse("https://contoso.azconfig.io").unwrap());
    change.sync_token = Some(format!("{id}=forged;sn={}", u64::MAX));
    assert!(layer.announce(&change));
    read(&layer).await.unwrap();
    let with_event: Vec<_> = store.sync_tokens().into_iter().map(Option::unwrap).collect();
    assert!(with_event.iter().all(|sent| sent.contains("forged")), "each page is to see the change: {with_event:?}");
    read(&layer).await.unwrap();
    let later: Vec<_> = store.sync_tokens().into_iter().map(Option::unwrap).collect();
    assert!(later.iter().all(|sent| !sent.contains("forged") && sent.starts_with(id)), "{later:?}");
    let tokens = (0..100).map(|number| format!("other{number}=v;sn=1")).collect::<Vec<_>>().join(",");
    change.sync_token = Some(tokens);
    change.key = Some("no key of the layer".to_owned());
    change.label = Some("other".to_owned());
    assert!(!layer.announce(&change));
    read(&layer).await.unwrap();
    assert!(store.sync_tokens().into_iter().all(|sent| !sent.unwrap().contains("other")), "no setting of the layer");
}
