//! Revocation: the vault withdraws a secret.

use keyvault::live::Revocation;
use keyvault::{Error, ErrorKind, Live, NameMap, Notice};
use keyvault_test_support::settings::FakeSettings;

use super::service::{Service, Settings};

type Way = fn(&Service);

const WAYS: [(&str, Way); 3] = [
    ("deleted", |service| _ = service.vault.delete("password")),
    ("disabled", |service| {
        service.vault.set_with("password", "x", |properties| properties.set_enabled(false)).unwrap();
    }),
    ("forbidden", |service| {
        let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
        service.vault.fail(Error::new(ErrorKind::Denied, "access denied").about(&id));
    }),
];

#[tokio::test(start_paused = true)]
async fn with_the_policy_health_is_red_at_once_and_settings_stay_readable() {
    for (way, take_away) in WAYS {
        let service = Service::new();
        let live: Live<Settings> = service.layered().revocation(Revocation::Revoke).start().await.unwrap();
        let mut watcher = live.watch();
        take_away(&service);
        live.refresh_now().await.unwrap_err();
        assert!(!live.health().is_healthy() && live.health().is_revoked, "{way}");
        assert!(matches!(watcher.next().await, Some(Notice::Revoked(_))), "{way}");
        assert_eq!(live.current().password, "first", "{way}");
        service.vault.fail(None);
        service.rotate("second");
        live.refresh_now().await.unwrap();
        assert!(live.health().is_healthy(), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_the_last_good_settings_stay_and_health_is_green() {
    for (way, take_away) in WAYS {
        let service = Service::new();
        let live: Live<Settings> = service.layered().start().await.unwrap();
        let mut watcher = live.watch();
        take_away(&service);
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_healthy(), "{way}");
        assert!(matches!(watcher.next().await, Some(Notice::Failed(_))), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_no_revocation() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().revocation(Revocation::Revoke).start().await.unwrap();
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }] {
        service.vault.fail(Error::new(kind, "vault is down"));
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_healthy(), "{kind:?}");
    }
    service.vault.fail(None);
    service.write("password", "@KeyVault(VaultName=elsewhere;SecretName=x)");
    live.refresh_now().await.unwrap_err();
    assert!(live.health().is_healthy(), "an edited reference is no revocation");
}

#[tokio::test(start_paused = true)]
async fn a_store_of_settings_that_denies_is_no_revocation() {
    let (service, store) = (Service::new(), FakeSettings::new());
    let builder = service.by_name().with_layer(store.clone()).revocation(Revocation::Revoke);
    let live: Live<Settings> = builder.start().await.unwrap();
    for kind in [ErrorKind::Denied, ErrorKind::NotFound] {
        let refusal = || Error::new(kind, "store refuses");
        for refusal in [Some(refusal()), Error::join(vec![refusal(), refusal()])] {
            store.fail(refusal);
            live.refresh_now().await.unwrap_err();
            assert!(!live.health().is_revoked, "{kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapped_secret_that_is_no_longer_listed_is_revoked() {
    for (way, take_away) in WAYS {
        let service = Service::new();
        let builder = service.by_name().revocation(Revocation::Revoke);
        let live: Live<Settings> = builder.names(NameMap::new()).start().await.unwrap();
        assert_eq!(live.current().password, "first");
        take_away(&service);
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_revoked, "{way}");
        service.vault.fail(None);
        service.rotate("second");
        live.refresh_now().await.unwrap();
        assert!(live.health().is_healthy(), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_loses_no_revocation_and_no_failure() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().revocation(Revocation::Revoke).start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.delete("password");
    live.refresh_now().await.unwrap_err();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    let down = || Error::new(ErrorKind::Unavailable, "vault is down");
    for _ in 0..2 {
        service.vault.fail(down());
        live.refresh_now().await.unwrap_err();
    }
    assert!(matches!(watcher.next().await, Some(Notice::Changed(change)) if change.keys == ["password"]));
    assert!(matches!(watcher.next().await, Some(Notice::Revoked(error)) if error.kind() == ErrorKind::NotFound));
    for _ in 0..2 {
        assert!(matches!(watcher.next().await, Some(Notice::Failed(error)) if error.kind() == ErrorKind::Unavailable));
    }
    for _ in 0..100 {
        live.refresh_now().await.unwrap_err();
    }
    let Some(Notice::Missed(missed)) = watcher.next().await else { panic!("the watcher learns that it lost notices") };
    for _ in missed..100 {
        assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    }
    assert!(missed < 50, "{missed}");
    live.shutdown().await;
    assert!(watcher.next().await.is_none(), "nothing was counted twice");
}
