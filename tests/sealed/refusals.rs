//! What is not started from, and that a vault's refusal is never circumvented.

use std::fs;
use std::time::Duration;

use keyvault::{Error, ErrorKind, ReferenceStatus, Resolver, SealedRefusal, SealedSnapshot, SealingKey};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use tokio::time::Instant;

use super::depot::{BOTH, Depot, FILE, Framework, KEY, KEY_BYTES, vault};

fn other_key() -> SealingKey {
    SealingKey::from_bytes(b"vutsrqponmlkjihgfedcba9876543210").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_ours_as_it_was_is_refused_and_the_vault_waited_for() {
    type Spoil = fn(&Depot) -> SealedSnapshot;
    let spoils: [(SealedRefusal, &str, Spoil); 9] = [
        (SealedRefusal::Tampered, "was tampered with", |depot| {
            let mut bytes = fs::read(depot.path()).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(depot.path(), bytes).unwrap();
            depot.sealed()
        }),
        (SealedRefusal::Truncated, "is cut off", |depot| {
            let bytes = fs::read(depot.path()).unwrap();
            fs::write(depot.path(), &bytes[..bytes.len() / 2]).unwrap();
            depot.sealed()
        }),
        (SealedRefusal::UnknownFormat, "has an unknown format", |depot| {
            fs::write(depot.path(), "{\"db-password\": \"canary-plain\"}").unwrap();
            depot.sealed()
        }),
        (SealedRefusal::TooLarge, "is larger than it may be", |depot| {
            let file = fs::OpenOptions::new().write(true).open(depot.path()).unwrap();
            file.set_len(1 << 40).unwrap();
            depot.sealed()
        }),
        (SealedRefusal::Unreadable, "cannot be read", |depot| {
            fs::remove_file(depot.path()).unwrap();
            fs::create_dir(depot.path()).unwrap();
            depot.sealed()
        }),
        (SealedRefusal::Missing, "there is no sealed snapshot", |depot| {
            assert!(SealedSnapshot::remove(depot.path()).unwrap());
            depot.sealed()
        }),
        (SealedRefusal::TooOld, "is older than allowed", |depot| depot.sealed().max_age(Duration::from_nanos(1))),
        (SealedRefusal::OtherIdentity, "was sealed by another identity", |depot| depot.sealed().identity("other")),
        (SealedRefusal::OtherKey, "was sealed with another key", |depot| {
            SealedSnapshot::new(depot.path(), other_key()).identity("shop")
        }),
    ];
    for framework in BOTH {
        for (refusal, clause, spoil) in spoils {
            let depot = Depot::open();
            depot.run_once(framework).await;
            let sealed = spoil(&depot);
            assert_eq!(sealed.check(&depot.resolver()).err(), Some(refusal), "{framework:?}");
            assert!(refusal.to_string().contains(clause), "{refusal}");
            depot.go_down();
            let began = Instant::now();
            let error = depot.start_with(framework, sealed.clone()).await.expect_err(clause);
            assert!(began.elapsed() > Duration::from_secs(30), "{refusal:?}: the vault was waited for");
            let report = error.report();
            assert!(report.contains(clause) && report.contains("app.sealed"), "{framework:?} {report}");
            assert!(report.contains("vault is down") && error.is_transient(), "{framework:?} {report}");
            assert_value_free(&error, &["canary", KEY, "0123456789abcdef", "vutsrqponm"]);
            // It is in nobody's way once the vault is back.
            depot.come_back();
            let live = depot.start_with(framework, sealed).await.expect(clause);
            live.shutdown().await;
            let health = live.health().sealed.unwrap();
            assert_eq!(health.saved.is_some(), refusal != SealedRefusal::Unreadable, "{refusal:?} {health:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_secrets_of_other_vaults_are_refused() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        let other = vault("fabrikam");
        other.fail(super::depot::down());
        depot.go_down();
        let both = Resolver::builder(depot.vault.clone()).vault(other.clone()).build().unwrap();
        for resolver in [other.into(), both] {
            assert_eq!(depot.sealed().check(&resolver).err(), Some(SealedRefusal::OtherVault), "{framework:?}");
            let error = depot.start_on(framework, resolver, depot.sealed()).await.unwrap_err();
            assert!(error.report().contains("sealed snapshot is of another vault"), "{framework:?} {error:?}");
        }
        let live = depot.start(framework).await.expect("ours is not");
        assert!(live.health().is_stale(), "{framework:?}");
    }
}

/// Whoever lost their permission must not find in the file what the vault denies them.
#[tokio::test(start_paused = true)]
async fn what_a_vault_refuses_is_not_taken_from_the_file() {
    type Refuse = fn(&Depot);
    let refusals: [(&str, Refuse, ReferenceStatus); 4] = [
        (
            "a permission that was taken away",
            |depot| depot.vault.fail(Error::new(ErrorKind::Denied, "access denied")),
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
        ("a secret that was deleted", |depot| _ = depot.vault.delete("db-password"), ReferenceStatus::SecretNotFound),
        (
            "a secret that was disabled",
            |depot| _ = depot.vault.set_with("db-password", "x", |properties| properties.set_enabled(false)).unwrap(),
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
        (
            "a malformed reference",
            |depot| depot.write(&FILE.replace("SecretName=db-password", "Bogus=1")),
            ReferenceStatus::InvalidSyntax,
        ),
    ];
    for framework in BOTH {
        for (what, refuse, status) in refusals {
            let depot = Depot::open();
            depot.run_once(framework).await;
            refuse(&depot);
            let began = Instant::now();
            let error = depot.start(framework).await.expect_err(what);
            assert_eq!(error.status(), status, "{framework:?} {what}");
            assert!(began.elapsed() <= Duration::from_secs(5), "{framework:?} {what}");
            assert!(!error.report().contains("sealed"), "{framework:?} {error:?}");
        }
    }
}

/// The vault is back in time to say no.
#[tokio::test(start_paused = true)]
async fn a_refusal_within_the_patience_counts() {
    let depot = Depot::open();
    depot.run_once(Framework::Config).await;
    depot.go_down();
    let refusal = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        depot.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    };
    let (error, ()) = tokio::join!(depot.start(Framework::Config), refusal);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn no_error_or_debug_shows_a_key() {
    let depot = Depot::open();
    depot.run_once(Framework::Config).await;
    depot.go_down();
    let sealed = depot.sealed();
    let builder = keyvault_figment::layered(depot.vault.clone(), figment::Figment::new).sealed(sealed.clone());
    let key = std::str::from_utf8(KEY_BYTES).unwrap();
    let hexadecimal: String = KEY_BYTES.iter().map(|byte| format!("{byte:02x}")).collect();
    let debug = format!("{sealed:?} {builder:?} {:#?} {:?}", sealed, SealingKey::from_base64(KEY).unwrap());
    let error = depot
        .start_with(Framework::Figment, SealedSnapshot::new(depot.path(), SealingKey::from_base64(KEY).unwrap()))
        .await
        .unwrap_err();
    for canary in [key, KEY, &hexadecimal, "48, 49, 50", "30313233"] {
        assert_free_of(&debug, &[canary]);
        assert_value_free(&error, &[canary]);
    }
    assert!(debug.contains("app.sealed") && debug.contains("shop"), "{debug}");
}
