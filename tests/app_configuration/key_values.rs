//! Key-values are set, read, added, locked and deleted.

use keyvault::ErrorKind;
use keyvault_appconfig::AppConfigurationClient;
use keyvault_appconfig::client::KeyValueProperties;
use keyvault_emulator::Emulator;
use keyvault_test_support::credential::FakeCredential;

use super::store;

#[tokio::test]
async fn a_key_value_is_set_and_read_with_all_its_attributes() {
    let (_emulator, _, client) = store().await;
    let key = "shop:db/\u{fc}ber?#&+ host";
    let properties = KeyValueProperties::new().content_type("text/plain").tag("team", "a=b").description("where");
    let set = client.set_with(key, Some("prod,*"), "value \"1\"\n\u{e9}", properties).await.unwrap();
    let found = client.get(key, Some("prod,*")).await.unwrap();
    assert_eq!(found, set);
    assert_eq!((found.key(), found.label(), found.value()), (key, Some("prod,*"), Some("value \"1\"\n\u{e9}")));
    assert_eq!((found.content_type(), found.description()), (Some("text/plain"), Some("where")));
    assert_eq!(Vec::from_iter(found.tags()), [("team", Some("a=b"))]);
    let missing = client.get(key, None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "without a label it is another key-value");
    let expected = format!("{key} from App Configuration {}: key-value not found", client.endpoint());
    assert_eq!(missing.to_string(), expected);
}

#[tokio::test]
async fn a_key_value_is_added_only_once_and_deleted_once() {
    let (_emulator, _, client) = store().await;
    client.add("a", None, "1").await.unwrap();
    let again = client.add("a", None, "2").await.unwrap_err();
    assert_eq!((again.kind(), again.http_status()), (ErrorKind::Conflict, Some(412)));
    assert!(again.report().contains("key-value already exists"), "{again:?}");
    assert_eq!(client.get("a", None).await.unwrap().value(), Some("1"));
    let deleted = client.delete("a", None).await.unwrap();
    assert_eq!(deleted.unwrap().value(), Some("1"));
    assert_eq!(client.delete("a", None).await.unwrap(), None);
}

#[tokio::test]
async fn a_locked_key_value_stays_until_it_is_unlocked() {
    let (_emulator, _, client) = store().await;
    client.set("a", Some("l"), "1").await.unwrap();
    assert!(client.set_read_only("a", Some("l")).await.unwrap().is_locked());
    let errors = [client.set("a", Some("l"), "2").await.err(), client.delete("a", Some("l")).await.err()];
    for error in errors.map(Option::unwrap) {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("KeyLocked")), "{error:?}");
        assert!(error.to_string().contains("key-value is locked"), "{error}");
    }
    assert!(!client.clear_read_only("a", Some("l")).await.unwrap().is_locked());
    client.set("a", Some("l"), "2").await.unwrap();
    let missing = client.set_read_only("b", None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_token_and_an_access_key_reach_the_same_store_over_tls() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("");
    let by_key = AppConfigurationClient::from_connection_string(&store.connection_string());
    let credential = FakeCredential::fixed(store.token());
    let by_token = AppConfigurationClient::builder(store.endpoint()).credential(credential);
    let [by_key, by_token] =
        [by_key, by_token].map(|builder| builder.certificate_authority(emulator.ca_pem()).build().unwrap());
    by_key.set("a", None, "1").await.unwrap();
    assert_eq!(by_token.get("a", None).await.unwrap().value(), Some("1"));
    assert_eq!(by_token.stats().requests, 1);
}

#[tokio::test]
async fn a_read_only_access_key_may_only_read() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("");
    store.set("a", "1");
    let client = AppConfigurationClient::from_connection_string(&store.read_only_connection_string());
    let client = client.certificate_authority(emulator.ca_pem()).build().unwrap();
    assert_eq!(client.get("a", None).await.unwrap().value(), Some("1"));
    let error = client.set("a", None, "2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.advice().unwrap().contains("App Configuration Data Owner"), "{error:?}");
}
