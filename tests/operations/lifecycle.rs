//! A secret from its first version to its purge, over TLS.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use keyvault::client::{SecretBackup, VersionProperties};
use keyvault::{ErrorKind, SecretClient};
use keyvault_emulator::{Certificate, Emulator, SetSecret};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

async fn scene() -> (Emulator, SecretClient) {
    let emulator = Emulator::start().await.unwrap();
    let client = client_of(&emulator, &FakeCredential::fixed(emulator.token())).build().unwrap();
    (emulator, client)
}

fn tags<const N: usize>(tags: [(&str, &str); N]) -> BTreeMap<String, String> {
    tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_secret_goes_through_every_state_from_its_first_version_to_its_purge() {
    let (_emulator, client) = scene().await;
    let first = client.set("Db-Password", "first").await.unwrap();
    let properties = VersionProperties::new().content_type("text/plain").tags(tags([("a", "1"), ("b", "2")]));
    let properties = properties.not_before(at(1)).expires(at(4_102_444_800));
    let second = client.set_with("db-password", "second\0\r\nü🔑", properties).await.unwrap();
    assert_eq!(second.expose_secret(), "second\0\r\nü🔑");
    assert_eq!(client.get("db-password").await.unwrap().id(), second.id());
    let versions: Vec<_> = client.list_versions("db-password").try_collect().await.unwrap();
    assert_eq!(versions.len(), 2);

    let backup = client.backup("db-password").await.unwrap();
    let deleted = client.delete("db-password").await.unwrap();
    assert_eq!(deleted.id(), second.id());
    let retention = Duration::from_secs(90 * 86_400);
    assert_eq!(deleted.scheduled_purge, deleted.deleted.map(|deleted| deleted + retention));
    assert_eq!(deleted.properties.recoverable_days(), Some(90));
    assert_eq!(client.get_deleted("db-password").await.unwrap(), deleted);
    let listed: Vec<_> = client.list_deleted().try_collect().await.unwrap();
    assert_eq!((listed.len(), listed[0].id()), (1, &deleted.id().latest()));
    assert_eq!(client.get("db-password").await.unwrap_err().kind(), ErrorKind::NotFound);
    let taken = client.set("db-password", "third").await.unwrap_err();
    assert_eq!((taken.kind(), taken.is_transient()), (ErrorKind::Conflict, false));
    assert!(taken.advice().unwrap().contains("purge it"), "{taken:?}");

    let recovered = client.recover("db-password").await.unwrap();
    assert_eq!(recovered.id(), second.id());
    let version = first.id().version().unwrap().to_string();
    assert_eq!(client.get_version("db-password", &version).await.unwrap().expose_secret(), "first");

    client.delete("db-password").await.unwrap();
    client.purge("db-password").await.unwrap();
    assert_eq!(client.purge("db-password").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.recover("db-password").await.unwrap_err().kind(), ErrorKind::NotFound);

    let restored = client.restore(&SecretBackup::new(backup.expose_secret())).await.unwrap();
    assert_eq!(restored.id(), second.id());
    assert_eq!(client.restore(&backup).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(client.get_version("db-password", &version).await.unwrap().expose_secret(), "first");
    let rubbish = client.restore(&SecretBackup::new("rubbish")).await.unwrap_err();
    assert_eq!(rubbish.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_update_keeps_unnamed_properties_and_replaces_all_tags() {
    let (_emulator, client) = scene().await;
    let properties =
        VersionProperties::new().content_type("old").tags(tags([("a", "1"), ("b", "2")])).expires(at(4_102_444_800));
    let old = client.set_with("a", "v", properties).await.unwrap();

    let updated = client.update("a", VersionProperties::new().tags(tags([("c", "3")]))).await.unwrap();
    assert_eq!(updated.tags(), &tags([("c", "3")]));
    assert_eq!((updated.content_type(), updated.expires()), (Some("old"), Some(at(4_102_444_800))));
    assert_eq!(updated.id(), old.id());

    client.set("a", "new").await.unwrap();
    let version = old.id().version().unwrap().to_string();
    let retired = VersionProperties::new().enabled(false).content_type("retired").not_before(at(7));
    let updated = client.update_version("a", &version, retired).await.unwrap();
    assert_eq!((updated.enabled(), updated.not_before()), (false, Some(at(7))));
    assert_eq!(updated.tags(), &tags([("c", "3")]), "tags stay where none are given");
    assert_eq!(client.get("a").await.unwrap().expose_secret(), "new");
    assert_eq!(client.get_version("a", &version).await.unwrap_err().inner_code(), Some("SecretDisabled"));
    let enabled = client.update_version("a", &version, VersionProperties::new().enabled(true)).await.unwrap();
    assert_eq!((enabled.enabled(), enabled.content_type()), (true, Some("retired")));
}

#[tokio::test]
async fn invalid_input_is_refused_without_a_request() {
    let (emulator, client) = scene().await;
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let refused = [
        client.set("a/b", "canary").await.unwrap_err(),
        client.set_with("a", "canary", VersionProperties::new().expires(before)).await.unwrap_err(),
        client.update_version("a", "../x", VersionProperties::new()).await.unwrap_err(),
        client.begin_delete("").await.unwrap_err(),
        client.get_deleted("..").await.unwrap_err(),
        client.begin_recover("a?b").await.unwrap_err(),
        client.purge("a#b").await.unwrap_err(),
        client.backup("a b").await.unwrap_err(),
        client.list().page_size(0).try_next().await.unwrap_err(),
        client.list().page_size(26).try_next().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    assert_eq!(emulator.requests().total, 0);
    let long = client.set("a", "x".repeat(25_601)).await.unwrap_err();
    assert_eq!((long.kind(), long.http_status()), (ErrorKind::Invalid, Some(400)));
    let plain = client.set("a", "no certificate").await.unwrap();
    assert_eq!(client.get_pem("a").await.unwrap_err().kind(), ErrorKind::Invalid, "{plain:?}");
}

#[tokio::test]
async fn a_secret_of_the_largest_size_is_set_backed_up_and_restored() {
    let (_emulator, client) = scene().await;
    let value = "\u{1}".repeat(25_600);
    for _ in 0..20 {
        client.set("large", &*value).await.unwrap();
    }
    let backup = client.backup("large").await.unwrap();
    assert!(backup.expose_secret().len() > 1 << 20, "{backup:?}");
    client.delete("large").await.unwrap();
    client.purge("large").await.unwrap();
    client.restore(&backup).await.unwrap();
    assert_eq!(client.get("large").await.unwrap().expose_secret(), value);
}

#[tokio::test]
async fn a_certificates_secret_comes_as_it_is_kept_or_as_pem_and_is_not_deleted() {
    let (emulator, client) = scene().await;
    emulator.set_secret("tls", SetSecret::certificate(Certificate::self_signed("contoso.example").unwrap()));
    let kept = client.get("tls").await.unwrap();
    assert_eq!(kept.properties().content_type(), Some("application/x-pkcs12"));
    assert!(kept.properties().managed() && kept.properties().key_id().is_some());
    let pem = client.get_pem("tls").await.unwrap();
    for part in ["-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"] {
        assert!(pem.expose_secret().contains(part), "{part}");
    }
    let refused = client.delete("tls").await.unwrap_err();
    assert_eq!((refused.kind(), refused.inner_code()), (ErrorKind::Denied, Some("SecretManagedByKeyVault")));
}
