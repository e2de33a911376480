//! A failed start is delayed, so that a crash loop does not flood the vault.

use std::time::Duration;

use figment::Figment;
use figment::providers::Serialized;
use keyvault::{Error, ErrorKind, InMemory, Layers, LiveBuilder, Resolver};
use keyvault_test_support::store::FakeStore;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout};

use super::service::vault;

const FIVE: Duration = Duration::from_secs(5);

/// One setting that references a secret, over a store that may be anywhere.
fn layered(vault: &InMemory, reference: &'static str) -> LiveBuilder<impl Layers> {
    layered_over(FakeStore::new(vault), reference)
}

fn layered_over(vault: impl Into<Resolver>, reference: &'static str) -> LiveBuilder<impl Layers> {
    keyvault_figment::layered(vault, move || Figment::from(Serialized::default("value", reference)))
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_request_is_delayed() {
    let vault = vault("contoso");
    for (what, builder) in [
        ("a missing secret", layered(&vault, "@KeyVault(SecretName=missing)").references_only()),
        // The names are listed before the reference is parsed.
        ("a malformed reference", layered(&vault, "@KeyVault(Bogus)").names(keyvault::NameMap::new())),
    ] {
        let began = Instant::now();
        builder.start::<IgnoredAny>().await.expect_err(what);
        assert_eq!(began.elapsed(), FIVE, "{what}");
    }
    vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    let began = Instant::now();
    layered(&vault, "").start::<IgnoredAny>().await.unwrap_err();
    assert_eq!(began.elapsed(), FIVE);
}

#[tokio::test(start_paused = true)]
async fn a_success_and_a_failure_without_a_request_are_not_delayed() {
    let vault = vault("contoso");
    vault.set("password", "first").unwrap();
    let began = Instant::now();
    for malformed in ["@KeyVault(Bogus)", "@KeyVault(VaultName=fabrikam;SecretName=x)"] {
        let error = layered(&vault, malformed).references_only().start::<IgnoredAny>().await.expect_err(malformed);
        assert!(!error.is_transient());
    }
    assert_eq!(vault.reads(), keyvault::store::ReadCounts::default());
    let good = layered(&vault, "@KeyVault(SecretName=password)").references_only();
    good.start::<IgnoredAny>().await.unwrap().shutdown().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_memory_is_not_delayed() {
    let vault = vault("contoso");
    vault.set("user", "ann").unwrap();
    let began = Instant::now();
    for denied in [false, true] {
        vault.fail(denied.then(|| Error::new(ErrorKind::Denied, "access denied")));
        for builder in [
            layered_over(vault.clone(), "@KeyVault(SecretName=missing)"),
            layered_over(vault.clone(), "@KeyVault(SecretName=missing)").references_only(),
        ] {
            builder.start::<IgnoredAny>().await.unwrap_err();
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    // One vault in memory does not make another one local.
    let other = super::service::vault("fabrikam");
    let both = Resolver::builder(vault.clone()).vault(FakeStore::new(&other)).build().unwrap();
    let reference = "@KeyVault(VaultName=fabrikam;SecretName=missing)";
    layered_over(both, reference).references_only().start::<IgnoredAny>().await.unwrap_err();
    assert_eq!(began.elapsed(), FIVE);
}

#[tokio::test(start_paused = true)]
async fn the_delay_can_be_chosen_and_ends_with_the_deadline() {
    let vault = vault("contoso");
    let builder = || layered(&vault, "@KeyVault(SecretName=missing)").references_only();
    let seconds = Duration::from_secs;
    for (builder, expected) in [
        (builder().minimum_failure_delay(Duration::ZERO), Duration::ZERO),
        (builder().minimum_failure_delay(seconds(60)), seconds(60)),
        (builder().startup_deadline(seconds(2)), seconds(2)),
    ] {
        let began = Instant::now();
        builder.start::<IgnoredAny>().await.unwrap_err();
        assert_eq!(began.elapsed(), expected);
    }
    // The delay counts from the beginning, so a start that was slow anyway is not delayed further.
    vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    let began = Instant::now();
    builder().startup_deadline(seconds(60)).start::<IgnoredAny>().await.unwrap_err();
    assert!(began.elapsed() <= seconds(60) && began.elapsed() > seconds(20), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_start_leaves_nothing_running_during_the_delay() {
    let vault = vault("contoso");
    let start = layered(&vault, "@KeyVault(SecretName=missing)").references_only().start::<IgnoredAny>();
    timeout(Duration::from_secs(1), start).await.expect_err("it is held back");
    let reads = vault.reads();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(vault.reads(), reads);
}
