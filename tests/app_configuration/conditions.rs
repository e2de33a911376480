//! Changes and reads that depend on an ETag.

use keyvault::ErrorKind;
use keyvault_appconfig::client::{Condition, KeyValueProperties};

use super::store;

#[tokio::test]
async fn a_change_of_what_has_changed_meanwhile_is_a_conflict() {
    let (_emulator, _, client) = store().await;
    let first = client.set("a", None, "1").await.unwrap();
    let unchanged = |etag: &str| Condition::Unchanged(etag.to_owned());
    let only_if = |condition| KeyValueProperties::new().only_if(condition);
    let etag = first.etag().unwrap();
    let second = client.set_with("a", None, "2", only_if(unchanged(etag))).await.unwrap();
    assert_ne!(second.etag(), first.etag());
    let late = client.set_with("a", None, "3", only_if(unchanged(etag))).await.unwrap_err();
    let late_delete = client.delete_if("a", None, &unchanged(etag)).await.unwrap_err();
    let missing = client.set_with("b", None, "1", only_if(Condition::Exists)).await.unwrap_err();
    for error in [late, late_delete, missing] {
        assert_eq!((error.kind(), error.http_status(), error.is_transient()), (ErrorKind::Conflict, Some(412), false));
        assert!(error.report().contains("read the key-value again"), "{error:?}");
    }
    assert_eq!(client.get("a", None).await.unwrap().value(), Some("2"));
    let deleted = client.delete_if("a", None, &unchanged(second.etag().unwrap())).await.unwrap();
    assert_eq!(deleted.unwrap().value(), Some("2"));
    let malformed = client.delete_if("a", None, &unchanged("a\r\nx: y")).await.unwrap_err();
    assert_eq!(malformed.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_lock_depends_on_a_condition() {
    let (_emulator, _, client) = store().await;
    let first = client.set("a", None, "1").await.unwrap();
    let read = Condition::Unchanged(first.etag().unwrap().to_owned());
    let second = client.set("a", None, "2").await.unwrap();
    let late = client.set_read_only_if("a", None, &read).await.unwrap_err();
    assert_eq!((late.kind(), late.http_status(), late.is_transient()), (ErrorKind::Conflict, Some(412), false));
    assert!(!client.get("a", None).await.unwrap().is_locked());
    let unchanged = Condition::Unchanged(second.etag().unwrap().to_owned());
    let locked = client.set_read_only_if("a", None, &unchanged).await.unwrap();
    assert!(locked.is_locked());
    assert_eq!(client.clear_read_only_if("a", None, &read).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(client.get("a", None).await.unwrap().is_locked());
    let unlocked = client.clear_read_only_if("a", None, &Condition::Exists).await.unwrap();
    assert!(!unlocked.is_locked());
    client.set_read_only_if("missing", None, &Condition::Exists).await.unwrap_err();
}

#[tokio::test]
async fn a_key_value_is_transferred_only_if_it_has_changed() {
    let (_emulator, _, client) = store().await;
    let first = client.set("a", None, "1").await.unwrap();
    let etag = first.etag().unwrap();
    assert_eq!(client.get_if_changed("a", None, etag).await.unwrap(), None);
    let second = client.set("a", None, "2").await.unwrap();
    assert_eq!(client.get_if_changed("a", None, etag).await.unwrap(), Some(second));
    client.delete("a", None).await.unwrap();
    let missing = client.get_if_changed("a", None, etag).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
