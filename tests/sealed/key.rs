//! Where the key is: never beside the file.

use std::fs;

use keyvault::{ErrorKind, SealedSnapshot, SealingKey};

use super::depot::{BOTH, Depot, KEY};

/// Writes a key that is its owner's alone.
fn write_key(path: &std::path::Path) {
    fs::write(path, KEY).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    }
}

#[tokio::test]
async fn a_key_beside_the_file_is_refused_before_anything_is_asked() {
    for framework in BOTH {
        let depot = Depot::open();
        let (beside, elsewhere) = (depot.path().with_file_name("key"), tempfile::tempdir().unwrap());
        write_key(&beside);
        write_key(&elsewhere.path().join("key"));
        let sealed = SealedSnapshot::new(depot.path(), SealingKey::from_file(&beside).unwrap());
        let error = depot.start_with(framework, sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{framework:?}");
        assert!(error.report().contains("another disk"), "{framework:?} {error:?}");
        assert_eq!(depot.vault.reads(), keyvault::Reads::default(), "{framework:?}");
        assert!(!depot.path().exists(), "{framework:?}");
        let key = SealingKey::from_file(elsewhere.path().join("key")).unwrap();
        depot.start_with(framework, SealedSnapshot::new(depot.path(), key)).await.unwrap().shutdown().await;
        assert!(depot.path().exists(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_key_takes_over_at_a_start() {
    let depot = Depot::open();
    depot.run_once(BOTH[0]).await;
    let new = || {
        let key = SealingKey::from_bytes(b"a new key, as random as a test's").unwrap();
        SealedSnapshot::new(depot.path(), key).identity("shop")
    };
    depot.start_with(BOTH[0], new()).await.unwrap().shutdown().await;
    depot.go_down();
    assert!(depot.start_with(BOTH[1], new()).await.unwrap().health().is_stale());
    assert_eq!(depot.sealed().check(&depot.resolver()).err(), Some(keyvault::SealedRefusal::OtherKey));
}
