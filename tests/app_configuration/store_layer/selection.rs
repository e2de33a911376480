//! Which key-values a layer has.

use std::time::Duration;

use keyvault::ErrorKind;
use keyvault_appconfig::client::{NewSnapshot, SnapshotComposition};
use keyvault_appconfig::{NO_LABEL, Selector};

use super::*;

const SNAPSHOT_REFERENCE: &str =
    "application/json; profile=\"https://azconfig.io/mime-profiles/snapshot-ref\"; charset=utf-8";
const FLAG: &str = "application/vnd.microsoft.appconfig.ff+json;charset=utf-8";

#[tokio::test]
async fn a_layer_has_all_key_values_without_a_label_by_default() {
    let store = Store::new().await;
    store.set("Shop:Url", "a");
    store.set("Shop:Url@prod", "b");
    store.set_as(".appconfig.featureflag/beta", "{}", FLAG);
    assert_eq!(read(&builder(&store).build().unwrap()).await.unwrap(), ["shop.url=a"]);
}

#[tokio::test]
async fn the_later_selection_wins() {
    let store = Store::new().await;
    for key in ["shop:a", "shop:a@prod", "shop:b", "shop:c@prod", "other"] {
        store.set(key, key);
    }
    let prod_wins = builder(&store).select("shop:*", NO_LABEL).select("shop:*", "prod").trim_prefix("shop:");
    let found = read(&prod_wins.build().unwrap()).await.unwrap();
    assert_eq!(found, ["a=shop:a@prod", "b=shop:b", "c=shop:c@prod"]);
    let base_wins = builder(&store).select("shop:*", "prod").select("shop:*", NO_LABEL).trim_prefix("shop:");
    assert_eq!(read(&base_wins.build().unwrap()).await.unwrap(), ["a=shop:a", "b=shop:b", "c=shop:c@prod"]);
}

#[tokio::test]
async fn a_selection_without_key_values_fails_unless_it_is_optional() {
    let store = Store::new().await;
    store.set("a", "1");
    let misspelt = builder(&store).select("*", NO_LABEL).select("*", "prdo").build().unwrap();
    let error = read(&misspelt).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::NotFound, false));
    assert_eq!(error.to_string(), "selection matches no key-value: key filter *, label prdo");
    let optional = builder(&store).select("*", NO_LABEL).select_with(Selector::new("*", "prdo").optional());
    assert_eq!(read(&optional.build().unwrap()).await.unwrap(), ["a=1"]);
    store.delete("a");
    assert!(read(&builder(&store).build().unwrap()).await.is_err());
}

#[tokio::test]
async fn key_values_are_read_as_they_are_for_each_selection() {
    const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
    let store = Store::new().await;
    store.set("Url", "a");
    store.set("url@prod", "b");
    store.set_as("broken", "canary", REFERENCE);
    store.set_as(".appconfig.featureflag/beta", "{}", FLAG);
    let layer = builder(&store).select("*", NO_LABEL).select("*", "prod").feature_flags("*", NO_LABEL).build().unwrap();
    let keys = async || {
        let found = layer.key_values().await.unwrap();
        let keys = found.iter().map(|selection| selection.iter().map(|one| one.key()).collect::<Vec<_>>().join(" "));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys().await, ["Url broken", "url"]);
    store.requests();
    assert_eq!(keys().await, ["Url broken", "url"]);
    let mut requests = store.requests();
    requests.sort();
    let [first, next] = ["contoso list * if changed", "contoso list * next if changed"];
    assert_eq!(requests, [first, first, next, "contoso list .appconfig.featureflag/* if changed"]);
    assert!(read(&layer).await.is_err(), "the malformed reference makes no setting");
    store.delete("broken");
    assert_eq!(keys().await, ["Url", "url"]);
    let settings = ["feature_management.feature_flags[0]=", "url=b"];
    assert_eq!(read(&layer).await.unwrap(), settings, "although nothing changed since the key-values were read");
    assert_eq!(read(&layer).await.unwrap(), settings);
}

#[tokio::test]
async fn ten_thousand_keys_are_read_page_by_page() {
    let store = Store::new().await;
    store.handle("contoso").page_size(100);
    (0..10_000).for_each(|i| store.set(&format!("group{}:key{i}", i % 50), "v"));
    let layer = builder(&store).build().unwrap();
    assert_eq!(read(&layer).await.unwrap().len(), 10_000);
    assert_eq!(store.requests().len(), 101, "the last page is full, so an empty one follows");
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error() {
    let store = Store::new().await;
    store.never_end_lists();
    let error = read(&builder(&store).build().unwrap()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::InvalidSettings, "store has more key-values than the limit")
    );
}

#[tokio::test]
async fn a_snapshot_is_read_again_only_if_another_one_has_its_name() {
    let store = Store::new().await;
    (0..4).for_each(|i| store.set(&format!("key{i}"), "old"));
    store.handle("contoso").create_snapshot("release-7", &[("*", None)]);
    (0..4).for_each(|i| store.set(&format!("key{i}"), "new"));
    let layer = builder(&store).select_snapshot("release-7").build().unwrap();
    let expected = ["key0=old", "key1=old", "key2=old", "key3=old"];
    assert_eq!(read(&layer).await.unwrap(), expected);
    let requests = ["contoso snapshots release-7", "contoso list release-7", "contoso list release-7 next"];
    assert_eq!(store.requests(), requests);
    let unchanged = ["contoso snapshots release-7 if changed"];
    assert_eq!(read(&layer).await.unwrap(), expected);
    assert_eq!(store.requests(), unchanged);
    store.client().archive_snapshot("release-7").await.unwrap();
    store.requests();
    for _ in 0..2 {
        assert_eq!(read(&layer).await.unwrap(), expected);
        assert_eq!(store.requests(), unchanged, "an archived snapshot is the same one");
    }
    store.recreate_snapshot("release-7");
    assert_eq!(read(&layer).await.unwrap(), ["key0=new", "key1=new", "key2=new", "key3=new"]);
    assert_eq!(store.requests(), [&unchanged[..], &requests[1..]].concat());
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_used_is_an_error() {
    let store = Store::new().await;
    store.set("a", "1");
    let labels = NewSnapshot::of("*", None).composition(SnapshotComposition::KeyLabel);
    store.client().create_snapshot("labels", labels).await.unwrap();
    for (name, expected) in [("labels", "snapshot may have a key several times"), ("missing", "snapshot not found")] {
        let error = read(&builder(&store).select_snapshot(name).build().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    for value in [r#"{"snapshot_name":"missing","note":"canary"}"#, r#"{"name":"canary"}"#, "canary"] {
        store.set_as("ref@prod", value, SNAPSHOT_REFERENCE);
        let error = read(&builder(&store).select("*", "prod").build().unwrap()).await.unwrap_err();
        let place = Some("App Configuration key ref label prod");
        assert_eq!((error.setting(), error.origin()), (Some("ref"), place), "{value}");
        assert!(!text_of(&error).contains("canary"), "{value}: {error:?}");
    }
}

#[tokio::test]
async fn a_snapshot_reference_is_replaced_by_the_snapshot() {
    let store = Store::new().await;
    ["a", "m", "z"].iter().for_each(|key| store.set(key, "snapshot"));
    store.set_as("nested", r#"{"snapshot_name":"other"}"#, SNAPSHOT_REFERENCE);
    store.set_as(".appconfig.featureflag/beta", "{}", FLAG);
    store.handle("contoso").create_snapshot("release-7", &[("*", None)]);
    store.delete("nested");
    ["a", "z"].iter().for_each(|key| store.set(key, "current"));
    store.delete("m");
    store.set_as("ref", r#"{"snapshot_name":"release-7"}"#, SNAPSHOT_REFERENCE);
    let layer = builder(&store).build().unwrap();
    // In the order of keys: `a` before the reference, `z` after it.
    let expected = ["a=snapshot", "m=snapshot", "z=current"];
    assert_eq!(read(&layer).await.unwrap(), expected);
    store.requests();
    store.set("b", "1");
    let expected = ["a=snapshot", "b=1", "m=snapshot", "z=current"];
    assert_eq!(read(&layer).await.unwrap(), expected);
    let requests = store.requests();
    assert!(requests.contains(&"contoso snapshots release-7 if changed".to_owned()), "{requests:?}");
    assert!(!requests.contains(&"contoso list release-7".to_owned()), "a snapshot never changes: {requests:?}");
    store.client().archive_snapshot("release-7").await.unwrap();
    assert_eq!(read(&layer).await.unwrap(), expected);
    store.recreate_snapshot("release-7");
    let found = read(&layer).await.unwrap();
    assert_eq!(found, ["a=current", "b=1", "z=current"], "another snapshot has the name, and no page has changed");
}

#[tokio::test]
async fn a_reference_inside_a_snapshot_is_no_key_value() {
    let store = Store::new().await;
    store.set("a", "1");
    store.set_as("nested", r#"{"snapshot_name":"other"}"#, SNAPSHOT_REFERENCE);
    store.handle("contoso").create_snapshot("release-7", &[("*", None)]);
    store.delete("nested");
    store.set_as("ref", r#"{"snapshot_name":"release-7"}"#, SNAPSHOT_REFERENCE);
    for layer in [builder(&store), builder(&store).select_snapshot("release-7")] {
        let layer = layer.build().unwrap();
        let found = layer.key_values().await.unwrap();
        let keys: Vec<&str> = found.iter().flatten().map(|one| one.key()).collect();
        assert!(!keys.contains(&"nested") && keys.contains(&"a"), "{keys:?}");
        assert_eq!(read(&layer).await.unwrap(), ["a=1"]);
    }
}

#[tokio::test]
async fn a_snapshot_is_not_asked_for_until_the_sentinel_changes() {
    let store = Store::new().await;
    store.set("a", "1");
    store.handle("contoso").create_snapshot("release-7", &[("*", None)]);
    store.set("version", "1");
    let layer = builder(&store).select_snapshot("release-7").sentinel("version", NO_LABEL).build().unwrap();
    read(&layer).await.unwrap();
    store.requests();
    read(&layer).await.unwrap();
    assert_eq!(store.requests(), ["contoso get version if changed"]);
    store.set("version", "2");
    read(&layer).await.unwrap();
    assert_eq!(store.requests(), ["contoso get version if changed", "contoso snapshots release-7 if changed"]);
}

#[tokio::test]
async fn many_references_to_a_large_snapshot_are_an_error() {
    for (key_values, length, references) in [(1_000, 1, 101), (100, 8_000, 90)] {
        let (store, value) = (Store::new().await, "v".repeat(length));
        store.handle("contoso").page_size(1_000);
        (0..key_values).for_each(|i| store.set(&format!("key{i}@base"), &value));
        store.handle("contoso").create_snapshot("large", &[("*", Some("base"))]);
        let reference = r#"{"snapshot_name":"large"}"#;
        (0..references).for_each(|i| store.set_as(&format!("ref{i}"), reference, SNAPSHOT_REFERENCE));
        let read = read(&builder(&store).build().unwrap()).await.map(|settings| settings.len());
        assert_eq!(read.unwrap_err().to_string(), "store has more key-values than the limit", "{length}");
    }
}

#[tokio::test]
async fn feature_flags_are_a_list_of_their_own() {
    let store = Store::new().await;
    store.set("a", "1");
    store.set_as(".appconfig.featureflag/beta", r#"{"id":"beta","enabled":true}"#, FLAG);
    store.set_as(".appconfig.featureflag/gamma", r#"{"id":"gamma","enabled":true}"#, FLAG);
    let all = builder(&store).feature_flags("*", NO_LABEL).build().unwrap();
    let flag = |number: usize, name: &str| {
        let flag = format!("feature_management.feature_flags[{number}]");
        [format!("{flag}.enabled=true"), format!("{flag}.id={name}")]
    };
    let setting = || vec!["a=1".to_owned()];
    assert_eq!(read(&all).await.unwrap(), [setting(), flag(0, "beta").into(), flag(1, "gamma").into()].concat());
    let one = builder(&store).select("a", NO_LABEL).feature_flags("beta", NO_LABEL).build().unwrap();
    assert_eq!(read(&one).await.unwrap(), [setting(), flag(0, "beta").into()].concat());
    let none = builder(&store).feature_flags("*", "prod").build().unwrap();
    assert_eq!(read(&none).await.unwrap(), ["a=1", "feature_management.feature_flags="]);
}

/// A `null` is absent, so a table of nothing but them has no members.
#[tokio::test]
async fn an_empty_table_adds_nothing_to_members_of_other_keys() {
    let store = Store::new().await;
    store.set_as("Logging", r#"{"Level":null}"#, "application/json");
    store.set("Logging:Level", "info");
    let layer = builder(&store).build().unwrap();
    assert_eq!(read(&layer).await.unwrap(), ["logging.level=info"]);
    store.delete("Logging:Level");
    store.set("Logging:0", "info");
    assert_eq!(read(&layer).await.unwrap_err().kind(), ErrorKind::Invalid, "a table is no list");
}

#[tokio::test]
async fn a_list_of_json_replaces_the_elements_of_an_earlier_selection() {
    let store = Store::new().await;
    for key in ["Hosts:0", "Hosts:1:Name"] {
        store.set(key, "earlier");
    }
    store.set_as("Hosts@prod", r#"["later"]"#, "application/json");
    let (base, prod) = (("*", NO_LABEL), ("*", "prod"));
    let layer = |[one, other]: [(&str, &str); 2]| builder(&store).select(one.0, one.1).select(other.0, other.1).build();
    assert_eq!(read(&layer([base, prod]).unwrap()).await.unwrap(), ["hosts[0]=later"]);
    let error = read(&layer([prod, base]).unwrap()).await.unwrap_err();
    let expected = "both a value and a table: key Hosts label prod, key Hosts:0 and key Hosts:1:Name";
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn a_layer_that_cannot_work_is_refused() {
    let store = Store::new().await;
    let new = || builder(&store);
    for (builder, clause) in [
        (new().select("a*b", NO_LABEL), "filter has an asterisk before its end"),
        (new().select("*", ""), "filter is empty"),
        (new().select("*", "*"), "selection matches several labels"),
        (new().select("*", "a,b"), "selection matches several labels"),
        (new().select_snapshot(""), "name of the snapshot is empty"),
        (new().select_snapshot("a%b"), "name of the snapshot is malformed"),
        (new().select_snapshot(".."), "name of the snapshot is malformed"),
        (new().select_with(Selector::snapshot("a").tag("team", "b")), "snapshot is selected with tags"),
        (new().feature_flags("*", "*"), "selection matches several labels"),
        (new().trim_prefix(""), "prefix or separator is empty"),
        (new().separator(""), "prefix or separator is empty"),
        (new().sentinel("", NO_LABEL), "key or label of the sentinel is empty"),
        (new().sentinel("version", ""), "key or label of the sentinel is empty"),
        (new().sentinel("shop:*", NO_LABEL), "key or label of the sentinel is a filter"),
        (new().sentinel("a,b", NO_LABEL), "key or label of the sentinel is a filter"),
        (new().sentinel("version", "*"), "key or label of the sentinel is a filter"),
        (new().sentinel("version", "a,b"), "key or label of the sentinel is a filter"),
        (new().sentinel("a%b", NO_LABEL), "key is malformed"),
        (new().sentinel("..", NO_LABEL), "key is malformed"),
        (new().refresh_every(Duration::from_millis(999)), "refresh interval of the layer is below a second"),
        (new().timeout(Duration::ZERO), "timeout of the layer is zero"),
        (new().replica("https://Contoso.azconfig.io/"), "two replicas have the same endpoint"),
        (new().replica("contoso-west"), "endpoint is not https://host or https://host:port"),
    ] {
        let error = builder.build().expect_err(clause);
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Invalid, clause));
    }
}
