//! What these crates own is wiped when it is dropped, and leaves no copy behind while it lives.
//!
//! Each test lets a secret go its way, drops everything, and then searches the memory of its own process, the heap that was
//! freed and the stacks included. A program of its own, for a search of memory is one of everybody's. The transport and the
//! framework stand in for those of others, which keep copies that are out of our hands: `SECURITY.md` names them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands, helpers included")]

mod hidden;
mod line;
mod road;
mod search;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use keyvault::{
    InMemory, NameMap, NewSecret, OpenJson, Resolver, SealedSnapshot, SealingKey, Secret, SecretBackup, SecretId,
    SecretProperties,
};
use keyvault_test_support::CONTOSO;

use self::hidden::{Hidden, PIECES};
use self::line::settings;
use self::road::{Course, Road};
use self::search::copies_of;

/// Lets a secret go its way on a thread that then ends, and counts what is left of it.
fn left_after<F: Future<Output = ()>>(hidden: Hidden, way: impl FnOnce(Hidden) -> F + Send + 'static) -> usize {
    let _turn = turn();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(way(hidden));
    });
    thread.join().unwrap();
    copies_of(hidden)
}

/// One at a time: whoever allocates meanwhile could overwrite what is looked for.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As long as a key in PEM, and longer than a buffer whose size is guessed.
const SIZES: [usize; 2] = [1_700, 20_000];

#[test]
fn what_is_held_what_was_not_wiped_and_what_was_left_behind_in_growing_is_found() {
    let hidden = Hidden::new(SIZES[0]);
    let left = left_after(hidden, async |hidden: Hidden| {
        let text = hidden.text();
        assert!(copies_of(hidden) >= PIECES, "held");
        drop(text);
    });
    assert_eq!(left, 0, "wiped");
    let left = left_after(hidden, async |hidden: Hidden| {
        let unwiped: String = hidden.bytes().map(char::from).collect();
        assert!(hidden.is(&unwiped));
    });
    assert!(left > 0, "dropped and not wiped");
    let left = left_after(hidden, async |hidden: Hidden| {
        let mut grown = hidden.text();
        // Somebody has the place behind it, so that it has to move.
        let behind = Box::new([1u8; 4_096]);
        grown.reserve_exact(10 * SIZES[0]);
        assert!(hidden.is(&grown) && behind[0] == 1);
    });
    assert!(left > 0, "wiped where it ended, and not where it was before");
}

#[test]
fn a_secret_that_was_got_is_gone_when_it_is_dropped() {
    for size in SIZES {
        for course in [Course::Whole, Course::InPieces] {
            for hidden in [Hidden::new(size), Hidden::in_lines(size)] {
                let left = left_after(hidden, async move |hidden: Hidden| {
                    let client = Road::client(hidden, course);
                    let secret = client.get("a").await.unwrap();
                    assert!(hidden.is(secret.expose_secret()));
                    let copy = secret.clone();
                    drop(secret);
                    assert!(hidden.is(copy.expose_secret()));
                    assert!(copies_of(hidden) > 0, "it is there while it is held");
                });
                assert_eq!(left, 0, "{course:?}, {size}");
            }
        }
    }
}

#[test]
fn an_answer_that_comes_to_nothing_is_gone() {
    for course in [Course::BreaksOff, Course::Refuses, Course::IsNotJson, Course::IsOfAnother] {
        for size in SIZES {
            let left = left_after(Hidden::in_lines(size), async move |hidden: Hidden| {
                let client = Road::client(hidden, course);
                client.get("a").await.unwrap_err();
            });
            assert_eq!(left, 0, "{course:?}, {size}");
        }
    }
}

#[test]
fn a_secret_that_was_set_and_a_backup_are_gone() {
    let left = left_after(Hidden::in_lines(SIZES[1]), async |hidden: Hidden| {
        let client = Road::client(hidden, Course::Whole);
        let mut text = String::with_capacity(SIZES[1]);
        text.extend(hidden.bytes().map(char::from));
        let secret = client.set("a", NewSecret::new(text)).await.unwrap();
        assert!(hidden.is(secret.expose_secret()));
    });
    assert_eq!(left, 0, "set");
    // Letters and digits are base64, too.
    let left = left_after(Hidden::new(SIZES[1]), async |hidden: Hidden| {
        let client = Road::client(hidden, Course::InPieces);
        let backup = client.backup("a").await.unwrap();
        client.restore(&backup).await.unwrap();
        let bytes: Vec<u8> = Vec::from_iter(hidden.bytes());
        assert_eq!(bytes.len(), bytes.capacity());
        client.restore(&SecretBackup::new(bytes)).await.unwrap();
    });
    assert_eq!(left, 0, "backup");
}

#[test]
fn what_was_resolved_and_cached_is_gone() {
    for hidden in [Hidden::new(SIZES[0]), Hidden::in_lines(SIZES[1])] {
        let left = left_after(hidden, async |hidden: Hidden| {
            let resolver = Resolver::from(Road::client(hidden, Course::Whole));
            let text = resolver.resolve("Server=db;Password=@KeyVault(SecretName=a);").await.unwrap().unwrap();
            assert!(text.expose_secret().len() > hidden.text().len());
            let member = resolver.resolve("@KeyVault(SecretName=json;Property=user)").await.unwrap().unwrap();
            assert!(hidden.is(member.expose_secret()));
            let map = NameMap::new().open_json(OpenJson::new().size(1 << 20)).only(["json"]).unwrap();
            let named = resolver.named(&map).await.unwrap();
            assert!(named.iter().any(|(_, secret)| hidden.is(secret.expose_secret())));
        });
        assert_eq!(left, 0);
    }
}

#[test]
fn live_settings_are_gone_with_their_last_handle() {
    let left = left_after(Hidden::in_lines(SIZES[0]), async |hidden: Hidden| {
        let vault = InMemory::new(CONTOSO.parse().unwrap());
        vault.set("a", &**hidden.text()).unwrap();
        let live = settings(&vault).await;
        assert!(hidden.is(&live.current()));
        vault.set("a", "another").unwrap();
        live.refresh_now().await.unwrap().expect("it changed");
        assert_eq!(&***live.current(), "another");
        live.shutdown().await;
    });
    assert_eq!(left, 0);
}

#[test]
fn a_sealed_snapshot_leaves_nothing_of_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sealed");
    let left = left_after(Hidden::in_lines(SIZES[1]), async move |hidden: Hidden| {
        let sealed = || {
            let key = SealingKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|n| n as u8)).unwrap();
            SealedSnapshot::new(&path, key).patience(Duration::from_millis(1))
        };
        let vault = InMemory::new(CONTOSO.parse().unwrap());
        vault.set("a", &**hidden.text()).unwrap();
        line::sealed_settings(&vault, sealed()).await.shutdown().await;
        vault.fail(keyvault::Error::new(keyvault::ErrorKind::Unavailable, "vault is down"));
        let live = line::sealed_settings(&vault, sealed()).await;
        assert!(live.health().is_stale() && hidden.is(&live.current()), "it came out of the file");
        live.shutdown().await;
    });
    assert_eq!(left, 0);
}

#[test]
fn a_secret_that_is_put_together_by_hand_is_gone() {
    let left = left_after(Hidden::new(SIZES[0]), async |hidden: Hidden| {
        let id = SecretId::parse(&format!("{CONTOSO}/secrets/a")).unwrap();
        let secret = Secret::new(SecretProperties::new(id), &**hidden.text(), SystemTime::now());
        assert!(hidden.is(secret.expose_secret()));
    });
    assert_eq!(left, 0);
}
