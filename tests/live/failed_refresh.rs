//! A failed refresh keeps the last good settings, is visible, and backs off.

use std::time::Duration;

use keyvault::{Error, ErrorKind, Live, Notice, ReferenceStatus};
use tokio::time::{Instant, timeout};

use super::service::{MINUTE, Service, Settings};

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "vault is down")
}

#[tokio::test(start_paused = true)]
async fn every_failed_refresh_keeps_the_last_good_settings_and_is_visible() {
    type Break = fn(&Service);
    let breaks: [(&str, Break, ErrorKind); 7] = [
        ("the vault is down", |service| service.vault.fail(down()), ErrorKind::Unavailable),
        (
            "the vault throttles",
            |service| {
                let kind = ErrorKind::Throttled { retry_after: None };
                service.vault.fail(Error::new(kind, "vault is throttling"));
            },
            ErrorKind::Throttled { retry_after: None },
        ),
        (
            "access was taken away",
            |service| service.vault.fail(Error::new(ErrorKind::Denied, "access denied")),
            ErrorKind::Denied,
        ),
        ("the secret was deleted", |service| _ = service.vault.delete("password"), ErrorKind::NotFound),
        (
            "the secret was disabled",
            |service| {
                service.vault.set_with("password", "x", |properties| properties.set_enabled(false)).unwrap();
            },
            ErrorKind::NotFound,
        ),
        ("a reference was spoilt", |service| service.write("password", "@KeyVault("), ErrorKind::Invalid),
        (
            "a reference leads elsewhere",
            |service| service.write("password", "@KeyVault(VaultName=elsewhere;SecretName=x)"),
            ErrorKind::Denied,
        ),
    ];
    for (what, spoil, kind) in breaks {
        let service = Service::new();
        let live: Live<Settings> = service.layered().start().await.unwrap();
        let mut watcher = live.watch();
        spoil(&service);
        // The user rotates in the refresh that fails. The change must be neither published alone nor lost.
        service.vault.set("user", "bob").unwrap();
        let error = live.refresh_now().await.expect_err(what);
        assert_eq!(error.kind(), kind, "{what}");
        assert_eq!((&*live.current().user, &*live.current().password), ("ann", "first"), "{what}");
        assert_eq!(live.published().generation(), 1, "{what}");
        let health = live.health();
        assert_eq!((health.consecutive_failures, health.last_error.is_some()), (1, true), "{what}");
        let notice = watcher.next().await;
        assert!(matches!(notice, Some(Notice::Failed(error)) if error.kind() == kind), "{what}");

        service.vault.fail(None);
        service.write("password", "@KeyVault(SecretName=password)");
        service.rotate("second");
        let change = timeout(MINUTE * 2, watcher.changed()).await.expect(what).unwrap();
        assert_eq!(change.keys, ["password", "user"], "{what}");
        assert!(live.health().last_error.is_none(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_refreshes_back_off_and_a_success_resets_the_back_off() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(down());
    live.refresh_now().await.unwrap_err();
    watcher.next().await;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let failed = Instant::now();
        assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
        pauses.push(failed.elapsed());
    }
    for (n, pause) in pauses.iter().enumerate() {
        let expected = Duration::from_secs(1 << n).min(MINUTE);
        let bounds = expected.mul_f64(0.74)..expected.mul_f64(1.26);
        assert!(bounds.contains(pause), "pause {n} is {pause:?}");
    }
    service.vault.fail(None);
    live.refresh_now().await.unwrap();
    service.vault.fail(down());
    live.refresh_now().await.unwrap_err();
    assert!(live.health().next_refresh.unwrap() < Duration::from_secs(2), "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let retry_after = Some(Duration::from_secs(30));
    service.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    live.refresh_now().await.unwrap_err();
    let next = live.health().next_refresh.unwrap();
    assert!((Duration::from_secs(29)..Duration::from_secs(31)).contains(&next), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_a_day_is_clamped_to_the_longest_pause() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let retry_after = Some(MINUTE * 60 * 24);
    service.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    live.refresh_now().await.unwrap_err();
    assert!(live.health().next_refresh.unwrap() <= MINUTE, "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn services_that_fail_together_do_not_retry_together() {
    let service = Service::new();
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let live: Live<Settings> = service.layered().start().await.unwrap();
        service.vault.fail(down());
        live.refresh_now().await.unwrap_err();
        pauses.push(live.health().next_refresh.unwrap());
        service.vault.fail(None);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 15, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn health_turns_red_when_settings_are_too_old_and_green_again() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().max_staleness(MINUTE * 10).start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.fail(down());
    assert!(live.health().is_healthy());
    while live.health().is_healthy() {
        assert!(live.health().age <= MINUTE * 10);
        timeout(MINUTE * 2, watcher.next()).await.expect("a refresh fails at least every two minutes");
    }
    let health = live.health();
    assert!(health.age > MINUTE * 10 && health.age < MINUTE * 13, "{health:?}");
    assert!(health.consecutive_failures > 10, "{health:?}");
    service.vault.fail(None);
    live.refresh_now().await.unwrap();
    assert!(live.health().is_healthy());
    assert_eq!(live.health().consecutive_failures, 0);
}

#[tokio::test(start_paused = true)]
async fn health_names_each_secret_with_version_and_expiry() {
    let service = Service::new();
    let expiry = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let version = service.vault.set_with("password", "canary", |properties| properties.set_expires(expiry)).unwrap();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let health = live.health();
    let password = health.secrets.iter().find(|secret| secret.id.version() == Some(&version)).unwrap();
    assert_eq!(password.expires, Some(expiry));
    assert_eq!(health.secrets.len(), 2);
    assert!(!format!("{health:?}{live:?}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_setting_its_origin_and_its_status() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.vault.delete("password");
    let error = live.refresh_now().await.unwrap_err();
    assert_eq!((error.setting(), error.origin()), (Some("password"), Some("table")));
    assert_eq!(error.status(), ReferenceStatus::SecretNotFound);
    assert_eq!(error.to_string(), "password from table: SecretNotFound: secret not found: password in contoso");
}
