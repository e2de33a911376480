//! These crates wipe their secrets on drop, and leave no copies behind before that.
//!
//! Each test uses a secret, drops everything, and then searches the memory of its own process, including freed heap and
//! stacks. This is a test binary of its own, because such a search sees the memory of every test. The transport and the
//! framework are fakes: real ones keep copies that these crates cannot wipe. `SECURITY.md` lists them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

mod certificate;
mod hidden_secret;
mod search;
mod transport;
mod wiped_tree;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use keyvault::certificate::Certificate;
use keyvault::client::SecretBackup;
use keyvault::{InMemory, NameMap, OpenJson, Resolver, SealedSnapshot, SealingKey, Secret, SecretId, SecretProperties};
use keyvault_test_support::CONTOSO;
use zeroize::Zeroizing;

use self::hidden_secret::{Hidden, PIECES};
use self::search::copies_of;
use self::transport::{Delivery, Responder};
use self::wiped_tree::settings;

/// Runs `way` with a secret on a thread that then ends, and returns the number of remaining copies.
fn left_after<F: Future<Output = ()>>(hidden: Hidden, way: impl FnOnce(Hidden) -> F + Send + 'static) -> usize {
    let _turn = turn();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(way(hidden));
    });
    thread.join().unwrap();
    copies_of(hidden)
}

/// Serializes the tests: a concurrent allocation could overwrite a remaining copy.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The length of a PEM key, and a length beyond the guessed size of a buffer.
const SIZES: [usize; 2] = [1_700, 20_000];

#[test]
fn the_search_finds_live_unwiped_and_reallocated_copies() {
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
        // An allocation behind the text forces it to move.
        let behind = Box::new([1u8; 4_096]);
        grown.reserve_exact(10 * SIZES[0]);
        assert!(hidden.is(&grown) && behind[0] == 1);
    });
    assert!(left > 0, "wiped where it ended, and not where it was before");
}

#[test]
fn a_fetched_secret_is_wiped_on_drop() {
    for size in SIZES {
        for delivery in [Delivery::Whole, Delivery::InPieces] {
            for hidden in [Hidden::new(size), Hidden::in_lines(size)] {
                let left = left_after(hidden, async move |hidden: Hidden| {
                    let client = Responder::client(hidden, delivery);
                    let secret = client.get("a").await.unwrap();
                    assert!(hidden.is(secret.expose_secret()));
                    let copy = secret.clone();
                    drop(secret);
                    assert!(hidden.is(copy.expose_secret()));
                    assert!(copies_of(hidden) > 0, "the copy exists while it is held");
                });
                assert_eq!(left, 0, "{delivery:?}, {size}");
            }
        }
    }
}

#[test]
fn an_invalid_response_is_wiped() {
    for delivery in [Delivery::BreaksOff, Delivery::Refuses, Delivery::IsNotJson, Delivery::IsOfAnother] {
        for size in SIZES {
            let left = left_after(Hidden::in_lines(size), async move |hidden: Hidden| {
                let client = Responder::client(hidden, delivery);
                client.get("a").await.unwrap_err();
            });
            assert_eq!(left, 0, "{delivery:?}, {size}");
        }
    }
}

#[test]
fn a_set_secret_and_a_backup_are_wiped() {
    let left = left_after(Hidden::in_lines(SIZES[1]), async |hidden: Hidden| {
        let client = Responder::client(hidden, Delivery::Whole);
        let mut text = String::with_capacity(SIZES[1]);
        text.extend(hidden.bytes().map(char::from));
        let secret = client.set("a", text).await.unwrap();
        assert!(hidden.is(secret.expose_secret()));
    });
    assert_eq!(left, 0, "set");
    // Letters and digits are valid base64.
    let left = left_after(Hidden::new(SIZES[1]), async |hidden: Hidden| {
        let client = Responder::client(hidden, Delivery::InPieces);
        let backup = client.backup("a").await.unwrap();
        client.restore(&backup).await.unwrap();
        let bytes: Vec<u8> = Vec::from_iter(hidden.bytes());
        assert_eq!(bytes.len(), bytes.capacity());
        client.restore(&SecretBackup::new(bytes)).await.unwrap();
    });
    assert_eq!(left, 0, "backup");
    let left = left_after(Hidden::new(SIZES[1]), async |hidden: Hidden| {
        let backup = Responder::client(hidden, Delivery::InBase64).backup("a").await.unwrap();
        assert!(backup.expose_secret().iter().copied().eq(hidden.bytes()));
    });
    assert_eq!(left, 0, "decoded backup");
}

#[test]
fn a_resolved_and_cached_secret_is_wiped() {
    for hidden in [Hidden::new(SIZES[0]), Hidden::in_lines(SIZES[1])] {
        let left = left_after(hidden, async |hidden: Hidden| {
            let resolver = Resolver::from(Responder::client(hidden, Delivery::Whole));
            let text =
                resolver.resolve("Server=db;Password=@KeyVault(SecretName=a;Encode=none);").await.unwrap().unwrap();
            assert!(text.expose_secret().len() > hidden.text().len());
            let member = resolver.resolve("@KeyVault(SecretName=json;Property=user)").await.unwrap().unwrap();
            assert!(hidden.is(member.expose_secret()));
            let map = NameMap::new().open_json(OpenJson::new().size(1 << 20)).only(["json"]).unwrap();
            let named = resolver.mapped(&map).await.unwrap();
            assert!(named.iter().any(|(_, secret)| hidden.is(secret.expose_secret())));
        });
        assert_eq!(left, 0);
    }
}

#[test]
fn live_settings_are_wiped_with_their_last_handle() {
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
            SealedSnapshot::new(&path, key).use_after(Duration::from_millis(1))
        };
        let vault = InMemory::new(CONTOSO.parse().unwrap());
        vault.set("a", &**hidden.text()).unwrap();
        wiped_tree::sealed_settings(&vault, sealed()).await.shutdown().await;
        vault.fail(keyvault::Error::new(keyvault::ErrorKind::Unavailable, "vault is down"));
        let live = wiped_tree::sealed_settings(&vault, sealed()).await;
        assert!(live.health().is_stale() && hidden.is(&live.current()), "the settings came from the file");
        live.shutdown().await;
    });
    assert_eq!(left, 0);
}

#[test]
fn a_certificate_that_cannot_be_used_is_wiped() {
    let pem = |hidden: Hidden| {
        let mut pem = Zeroizing::new(Vec::with_capacity(SIZES[1] + 100));
        pem.extend(b"-----BEGIN PRIVATE KEY-----\n");
        pem.extend(hidden.bytes());
        pem.extend(b"\n-----END PRIVATE KEY-----\n");
        pem
    };
    // Letters and digits are valid base64.
    for (form, hidden, value) in [
        ("PEM", Hidden::in_lines(SIZES[1]), pem as fn(Hidden) -> Zeroizing<Vec<u8>>),
        ("container", Hidden::new(SIZES[1]), certificate::container),
        ("BER", Hidden::new(SIZES[1]), certificate::container_in_ber),
        ("container in base64", Hidden::new(SIZES[1]), |hidden| certificate::base64(&certificate::container(hidden))),
        ("JSON", Hidden::new(SIZES[1]), |hidden| {
            certificate::json(&certificate::base64(&certificate::container(hidden)))
        }),
        ("password", Hidden::new(SIZES[1]), |hidden| certificate::json_with_password(hidden)),
    ] {
        let left = left_after(hidden, async move |hidden: Hidden| {
            let value = value(hidden);
            let error = Certificate::from_bytes(&*value).unwrap_err();
            let expected =
                if form == "PEM" { "certificate cannot be parsed" } else { "private key has no certificate" };
            assert!(form == "password" || error.to_string() == expected, "{form}: {error}");
            assert!(matches!(form, "container in base64" | "JSON") || copies_of(hidden) > 0, "{form}: held");
        });
        assert_eq!(left, 0, "{form}");
    }
}

#[test]
fn a_secret_built_by_hand_is_wiped() {
    let left = left_after(Hidden::new(SIZES[0]), async |hidden: Hidden| {
        let id = SecretId::parse(&format!("{CONTOSO}/secrets/a")).unwrap();
        let secret = Secret::new(SecretProperties::new(id), &**hidden.text(), SystemTime::now());
        assert!(hidden.is(secret.expose_secret()));
    });
    assert_eq!(left, 0);
}
