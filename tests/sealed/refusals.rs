//! Files that are refused. A refusal by the vault is never circumvented.

use std::fs;
use std::time::Duration;

use keyvault::sealed::SealedRefusal;
use keyvault::{Error, ErrorKind, ReferenceStatus, Resolver, SealedSnapshot, SealingKey};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use tokio::time::Instant;

use super::service::{BOTH, FILE, Framework, KEY, KEY_BYTES, Service, vault};

fn other_key() -> SealingKey {
    SealingKey::from_bytes(b"vutsrqponmlkjihgfedcba9876543210").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_changed_or_foreign_file_is_refused_and_the_start_waits_for_the_vault() {
    type Spoil = fn(&Service) -> SealedSnapshot;
    let spoils: [(SealedRefusal, &str, Spoil); 9] = [
        (SealedRefusal::Tampered, "was tampered with", |service| {
            let mut bytes = fs::read(service.path()).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(service.path(), bytes).unwrap();
            service.sealed()
        }),
        (SealedRefusal::Truncated, "is cut off", |service| {
            let bytes = fs::read(service.path()).unwrap();
            fs::write(service.path(), &bytes[..bytes.len() / 2]).unwrap();
            service.sealed()
        }),
        (SealedRefusal::UnknownFormat, "has an unknown format", |service| {
            fs::write(service.path(), "{\"db-password\": \"canary-plain\"}").unwrap();
            service.sealed()
        }),
        (SealedRefusal::TooLarge, "is larger than it may be", |service| {
            let file = fs::OpenOptions::new().write(true).open(service.path()).unwrap();
            file.set_len(1 << 40).unwrap();
            service.sealed()
        }),
        (SealedRefusal::Unreadable, "cannot be read", |service| {
            fs::remove_file(service.path()).unwrap();
            fs::create_dir(service.path()).unwrap();
            service.sealed()
        }),
        (SealedRefusal::Missing, "there is no sealed snapshot", |service| {
            assert!(SealedSnapshot::remove(service.path()).unwrap());
            service.sealed()
        }),
        (SealedRefusal::TooOld, "is older than allowed", |service| service.sealed().max_age(Duration::from_nanos(1))),
        (SealedRefusal::OtherIdentity, "was sealed by another identity", |service| service.sealed().identity("other")),
        (SealedRefusal::OtherKey, "was sealed with another key", |service| {
            SealedSnapshot::new(service.path(), other_key()).identity("shop")
        }),
    ];
    for framework in BOTH {
        for (refusal, clause, spoil) in spoils {
            let service = Service::new();
            service.run_once(framework).await;
            let sealed = spoil(&service);
            assert_eq!(sealed.check(&service.resolver()).err(), Some(refusal), "{framework:?}");
            assert!(refusal.to_string().contains(clause), "{refusal}");
            service.go_down();
            let began = Instant::now();
            let error = service.start_with(framework, sealed.clone()).await.expect_err(clause);
            assert!(began.elapsed() > Duration::from_secs(30), "{refusal:?}: the vault was waited for");
            let report = error.report();
            assert!(report.contains(clause) && report.contains("app.sealed"), "{framework:?} {report}");
            assert!(report.contains("vault is down") && error.is_transient(), "{framework:?} {report}");
            assert_value_free(&error, &["canary", KEY, "0123456789abcdef", "vutsrqponm"]);
            // The refused file is no obstacle once the vault is back.
            service.come_back();
            let live = service.start_with(framework, sealed).await.expect(clause);
            live.shutdown().await;
            let health = live.health().sealed.unwrap();
            assert_eq!(health.saved.is_some(), refusal != SealedRefusal::Unreadable, "{refusal:?} {health:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_secrets_of_other_vaults_are_refused() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        let other = vault("fabrikam");
        other.fail(super::service::down());
        service.go_down();
        let both = Resolver::builder(service.vault.clone()).vault(other.clone()).build().unwrap();
        for resolver in [other.into(), both] {
            assert_eq!(service.sealed().check(&resolver).err(), Some(SealedRefusal::OtherVault), "{framework:?}");
            let error = service.start_on(framework, resolver, service.sealed()).await.unwrap_err();
            assert!(error.report().contains("sealed snapshot is of another vault"), "{framework:?} {error:?}");
        }
        let live = service.start(framework).await.expect("ours is not");
        assert!(live.health().is_stale(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_file_that_was_put_back_is_refused_by_a_program_that_knows_a_newer_one() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        let earlier = fs::read(service.path()).unwrap();
        service.vault.set("db-password", "canary-two").unwrap();
        let live = service.start(framework).await.unwrap();
        live.shutdown().await;
        let newest = live.health().sealed.unwrap().saved.unwrap();
        service.go_down();
        let sealed = || service.sealed().not_older_than(newest);
        let live = service.start_with(framework, sealed()).await.expect("the newest file is accepted");
        assert_eq!(live.current().password, "<canary-two>", "{framework:?}");
        live.shutdown().await;
        let live = service.start_with(framework, sealed()).await.expect("a start from the file makes it look no older");
        live.shutdown().await;

        fs::write(service.path(), earlier).unwrap();
        assert_eq!(sealed().check(&service.resolver()).err(), Some(SealedRefusal::RolledBack), "{framework:?}");
        let error = service.start_with(framework, sealed()).await.unwrap_err();
        assert!(error.report().contains("older than one that the program knows"), "{framework:?} {error:?}");
        assert_value_free(&error, &["canary"]);
        let live = service.start(framework).await.expect("a program that knows none accepts it");
        assert_eq!(live.current().password, "<canary-one>", "{framework:?}");
    }
}

/// A service that lost its permission must not read from the file what the vault denies.
#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_vault_is_not_bypassed_with_the_file() {
    type Refuse = fn(&Service);
    let refusals: [(&str, Refuse, ReferenceStatus); 4] = [
        (
            "a permission that was taken away",
            |service| service.vault.fail(Error::new(ErrorKind::Denied, "access denied")),
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
        (
            "a secret that was deleted",
            |service| _ = service.vault.delete("db-password"),
            ReferenceStatus::SecretNotFound,
        ),
        (
            "a secret that was disabled",
            |service| {
                _ = service.vault.set_with("db-password", "x", |properties| properties.set_enabled(false)).unwrap()
            },
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
        (
            "a malformed reference",
            |service| service.write(&FILE.replace("SecretName=db-password", "Bogus=1")),
            ReferenceStatus::InvalidSyntax,
        ),
    ];
    for framework in BOTH {
        for (what, refuse, status) in refusals {
            let service = Service::new();
            service.run_once(framework).await;
            refuse(&service);
            let began = Instant::now();
            let error = service.start(framework).await.expect_err(what);
            assert_eq!(error.status(), status, "{framework:?} {what}");
            assert!(began.elapsed() <= Duration::from_secs(5), "{framework:?} {what}");
            assert!(!error.report().contains("sealed"), "{framework:?} {error:?}");
        }
    }
}

/// The vault is back in time to refuse.
#[tokio::test(start_paused = true)]
async fn a_refusal_within_the_wait_for_the_vault_counts() {
    let service = Service::new();
    service.run_once(Framework::Config).await;
    service.go_down();
    let refusal = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    };
    let (error, ()) = tokio::join!(service.start(Framework::Config), refusal);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(start_paused = true)]
async fn no_error_or_debug_shows_a_key() {
    let service = Service::new();
    service.run_once(Framework::Config).await;
    service.go_down();
    let sealed = service.sealed();
    let builder = keyvault_figment::layered(service.vault.clone(), figment::Figment::new).sealed(sealed.clone());
    let key = std::str::from_utf8(KEY_BYTES).unwrap();
    let hexadecimal: String = KEY_BYTES.iter().map(|byte| format!("{byte:02x}")).collect();
    let debug = format!("{sealed:?} {builder:?} {:#?} {:?}", sealed, SealingKey::from_base64(KEY).unwrap());
    let error = service
        .start_with(Framework::Figment, SealedSnapshot::new(service.path(), SealingKey::from_base64(KEY).unwrap()))
        .await
        .unwrap_err();
    for canary in [key, KEY, &hexadecimal, "48, 49, 50", "30313233"] {
        assert_free_of(&debug, &[canary]);
        assert_value_free(&error, &[canary]);
    }
    assert!(debug.contains("app.sealed") && debug.contains("shop"), "{debug}");
}
