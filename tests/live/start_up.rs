//! A start returns settings, or an error with every reason for its failure.

use std::time::Duration;

use keyvault::{Error, ErrorKind, Live, ReferenceStatus, Result};
use keyvault_test_support::store::{FakeStore, Switch};
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Service, Settings};

#[tokio::test(start_paused = true)]
async fn a_start_waits_out_a_short_outage() {
    let service = Service::new();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    let recovery = async {
        sleep(Duration::from_secs(40)).await;
        service.vault.fail(None);
    };
    let began = Instant::now();
    let (live, ()) = tokio::join!(service.layered().start::<Settings>(), recovery);
    assert_eq!(live.unwrap().current().password, "first");
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_ends_the_start_at_its_deadline() {
    let service = Service::new();
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: Some(MINUTE * 60) }] {
        service.vault.fail(Error::new(kind, "vault is down"));
        let began = Instant::now();
        let error = service.layered().startup_deadline(MINUTE).start::<Settings>().await.unwrap_err();
        assert_eq!(error.failures()[0].kind(), kind);
        assert!(began.elapsed() <= MINUTE, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_a_start_retries_for_a_hundred_seconds_and_reports_the_cause() {
    let service = Service::new();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    let began = Instant::now();
    let error = service.layered().start::<Settings>().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("2 settings"), "{error}");
    // The last try begins within the last second.
    assert!((99..100).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let tries = service.vault.reads().gets / 2;
    assert!((11..=16).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_comes_back_before_the_deadline_is_found() {
    for second in [1, 30, 62, 70, 80, 95, 99] {
        for _ in 0..20 {
            let service = Service::new();
            service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
            let recovery = async {
                sleep(Duration::from_secs(second)).await;
                service.vault.fail(None);
            };
            let began = Instant::now();
            let (live, ()) = tokio::join!(service.layered().start::<Settings>(), recovery);
            assert_eq!(live.expect("it is found").current().password, "first", "after {second} s");
            let late = began.elapsed() - Duration::from_secs(second);
            assert!(began.elapsed() < Duration::from_secs(100) && late < MINUTE, "{second}: {late:?}");
        }
    }
}

/// A try that began before the vault came back may fail after that.
#[tokio::test(start_paused = true)]
async fn a_vault_that_fails_slowly_and_comes_back_before_the_deadline_is_found() {
    for deadline in [12, 47, 100, 340].map(Duration::from_secs) {
        for try_takes in [0.0, 0.7, 2.3, 6.1].map(Duration::from_secs_f64) {
            for share in [0.02, 0.31, 0.645, 0.777, 0.88, 1.0] {
                let latest = deadline - Duration::from_millis(1_001) - try_takes;
                let back = latest.mul_f64(share);
                let (service, broken) = (Service::new(), Switch::default());
                let switch = broken.clone();
                service.vault.on_get(move |id| {
                    let is_broken = switch.is_on();
                    async move {
                        if is_broken {
                            sleep(try_takes).await;
                            return Err(Error::new(ErrorKind::Unavailable, "vault did not answer").about(&id));
                        }
                        Ok(())
                    }
                });
                broken.turn(true);
                let recovery = async {
                    sleep(back).await;
                    broken.turn(false);
                };
                let began = Instant::now();
                let builder = service.layered().startup_deadline(deadline);
                let (live, ()) = tokio::join!(builder.start::<Settings>(), recovery);
                assert!(live.is_ok(), "{deadline:?} {try_takes:?} {back:?}: {:?}", began.elapsed());
                assert!(began.elapsed() < deadline);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn towards_the_deadline_no_try_is_earlier_than_the_vault_asked_for() {
    let service = Service::new();
    let retry_after = Some(Duration::from_secs(20));
    service.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "slow down"));
    service.layered().start::<Settings>().await.unwrap_err();
    let tries = service.vault.reads().gets / 2;
    // At 0, 20 … 80 seconds, or fewer where the back-off is longer.
    assert!((3..=5).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn permanent_failures_fail_the_start_at_once_with_every_reason() {
    let service = Service::new();
    service.vault.delete("user");
    service.write("password", "@KeyVault(SecretName=password;Bogus=1)");
    service.write("token", "@KeyVault(SecretUri=https://contoso.vault.azure.net.evil.example/secrets/x)");
    service.write("key", "@KeyVault(VaultName=fabrikam;SecretName=key)");
    service.vault.set_with("off", "x", |properties| properties.set_enabled(false)).unwrap();
    service.write("off", "@KeyVault(SecretName=off)");
    service.write("secret", "@KeyVault(SecretName=forbidden)");
    service.vault.fail_secret("forbidden", Error::new(ErrorKind::Denied, "access denied")).unwrap();
    let began = Instant::now();
    let error = service.layered().start::<Settings>().await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO);
    let found: Vec<_> = error.failures().iter().map(|e| (e.setting(), e.origin(), e.status())).collect();
    let table = Some("table");
    assert_eq!(
        found.into_iter().collect::<std::collections::HashSet<_>>(),
        [
            (Some("user"), table, ReferenceStatus::SecretNotFound),
            (Some("password"), table, ReferenceStatus::InvalidSyntax),
            (Some("token"), table, ReferenceStatus::InvalidSyntax),
            (Some("key"), table, ReferenceStatus::AccessToKeyVaultDenied),
            (Some("off"), table, ReferenceStatus::AccessToKeyVaultDenied),
            (Some("secret"), table, ReferenceStatus::AccessToKeyVaultDenied),
        ]
        .into()
    );
    let (said, report) = (error.to_string(), error.report());
    for key in ["user", "password", "token", "key", "off", "secret"] {
        assert!(said.contains(&format!("{key} from table")) && report.contains(&format!("{key}  (table)")), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_vault_ends_the_start_at_its_deadline() {
    let merge = |_: &keyvault::settings::MappedSecrets| -> Result<super::service::Table, keyvault::settings::Mismatch> {
        Ok(Default::default())
    };
    let hanging = FakeStore::hanging("https://contoso.vault.azure.net".parse().unwrap());
    let began = Instant::now();
    let start = keyvault::LiveBuilder::new(hanging, merge).startup_deadline(MINUTE).start::<Settings>();
    let error = start.await.unwrap_err();
    assert_eq!(error.status(), ReferenceStatus::FetchTimedOut);
    assert_eq!(began.elapsed(), MINUTE);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_option_is_refused() {
    let service = Service::new();
    let start: Result<Live<Settings>> = service.layered().refresh_every(Duration::from_millis(999)).start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}
