//! The key is never stored beside the file.

use std::fs;

use keyvault::{ErrorKind, SealedSnapshot, SealingKey};

use super::service::{BOTH, KEY, Service};

/// Writes a key readable by its owner only.
fn write_key(path: &std::path::Path) {
    fs::write(path, KEY).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    }
}

#[tokio::test]
async fn a_key_beside_the_file_is_refused_before_any_request() {
    for framework in BOTH {
        let service = Service::new();
        let (beside, elsewhere) = (service.path().with_file_name("key"), tempfile::tempdir().unwrap());
        write_key(&beside);
        write_key(&elsewhere.path().join("key"));
        let sealed = SealedSnapshot::new(service.path(), SealingKey::from_file(&beside).unwrap());
        let error = service.start_with(framework, sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{framework:?}");
        assert!(error.report().contains("another disk"), "{framework:?} {error:?}");
        assert_eq!(service.vault.reads(), keyvault::store::ReadCounts::default(), "{framework:?}");
        assert!(!service.path().exists(), "{framework:?}");
        let key = SealingKey::from_file(elsewhere.path().join("key")).unwrap();
        service.start_with(framework, SealedSnapshot::new(service.path(), key)).await.unwrap().shutdown().await;
        assert!(service.path().exists(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_applies_at_the_next_start() {
    let service = Service::new();
    service.run_once(BOTH[0]).await;
    let new = || {
        let key = SealingKey::from_bytes(b"a new key, as random as a test's").unwrap();
        SealedSnapshot::new(service.path(), key).identity("shop")
    };
    service.start_with(BOTH[0], new()).await.unwrap().shutdown().await;
    service.go_down();
    assert!(service.start_with(BOTH[1], new()).await.unwrap().health().is_stale());
    assert_eq!(service.sealed().check(&service.resolver()).err(), Some(keyvault::sealed::SealedRefusal::OtherKey));
}
