//! An outage: a start uses the file, reports itself as stale, and recovers by itself.

use std::time::Duration;

use futures::FutureExt;
use keyvault::{Error, ErrorKind, ReferenceStatus};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::json_schema::assert_conforms;
use keyvault_test_support::log::Log;
use keyvault_test_support::store::FakeStore;
use tokio::time::{Instant, timeout};

use super::service::{BOTH, DEADLINE, Framework, Service, down};

const USE_AFTER: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_start_in_an_outage_uses_the_file_and_reports_that() {
    for framework in BOTH {
        for kind in [ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }] {
            let service = Service::new();
            service.run_once(framework).await;
            let as_of = service.sealed().check(&service.resolver()).unwrap().as_of;
            service.vault.fail(Error::new(kind, "vault is down"));
            let (began, log, old) = (Instant::now(), Log::begin(), as_of.elapsed().unwrap());
            let live = service.start(framework).await.unwrap();
            assert_eq!(began.elapsed(), USE_AFTER, "{framework:?}");
            let settings = live.current();
            assert_eq!((&*settings.user, &*settings.password), ("ann", "<canary-one>"), "{framework:?}");
            assert_eq!((&*settings.host, &settings.token), ("db", &None), "{framework:?}");

            let health = live.health();
            assert!(health.is_stale(), "{framework:?} {health:?}");
            assert_eq!(health.sealed.as_ref().unwrap().started_from, Some(as_of), "{framework:?}");
            assert!(health.age >= old && !old.is_zero(), "{framework:?} {old:?} {health:?}");
            assert_eq!(health.last_error.unwrap().kind(), kind, "{framework:?}");
            assert_eq!(health.consecutive_failures, 1, "{framework:?}");
            let health = serde_json::to_value(live.health()).unwrap();
            let schema = serde_json::from_str(include_str!("../../docs/schemas/health.schema.json")).unwrap();
            assert_conforms(&health, &schema);
            assert_eq!(health["is_stale"], true, "{framework:?} {health}");
            assert!(health["sealed"]["started_from"].as_str().unwrap().ends_with('Z'), "{framework:?} {health}");
            assert_eq!(health["sealed"]["last_error"], serde_json::Value::Null, "{framework:?} {health}");
            assert_free_of(&health.to_string(), &["canary"]);
            let log = log.text();
            assert!(log.contains("WARN") && log.contains("settings come from the sealed snapshot"), "{log}");
            assert_free_of(&log, &["canary"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_only_the_changed_keys_are_reported() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        service.go_down();
        let live = service.start(framework).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("db-password", "canary-two").unwrap();
        service.come_back();
        // The background task refreshes by itself, as after any failure.
        let change = timeout(Duration::from_secs(5), watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["password"], "{framework:?}");
        assert_eq!(change.generation, 2, "{framework:?}");
        assert_eq!(live.current().password, "<canary-two>", "{framework:?}");
        let health = live.health();
        assert!(!health.is_stale() && health.last_error.is_none(), "{framework:?} {health:?}");
        assert!(health.age < Duration::from_secs(1), "{framework:?} {health:?}");
        live.shutdown().await;

        service.go_down();
        let live = service.start(framework).await.unwrap();
        assert_eq!(live.current().password, "<canary-two>", "what was published last was sealed: {framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_a_change_ends_without_a_notice() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        service.go_down();
        let live = service.start(framework).await.unwrap();
        let (mut watcher, published) = (live.watch(), live.published());
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_stale(), "{framework:?}");
        assert!(live.health().consecutive_failures > 1, "{framework:?}");
        assert!(watcher.next().await.is_some(), "the failure is visible");
        service.come_back();
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(watcher.next().now_or_never().is_none(), "{framework:?}");
        assert!(std::sync::Arc::ptr_eq(&published, &live.published()), "{framework:?}");
        assert!(!live.health().is_stale(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_from_the_file_turn_health_red_as_early_as_others_do() {
    let service = Service::new();
    service.run_once(Framework::Config).await;
    service.go_down();
    let layers = {
        let file = service.directory.path().join("settings.toml");
        move || figment::Figment::new().merge(<figment::providers::Toml as figment::providers::Format>::file(&file))
    };
    let builder = keyvault_figment::layered(service.vault.clone(), layers).sealed(service.sealed());
    let live = builder.max_staleness(Duration::from_nanos(1)).start::<super::service::Settings>().await.unwrap();
    assert!(!live.health().is_healthy());
    service.come_back();
    let live = service.start(Framework::Figment).await.unwrap();
    assert!(live.health().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_out_a_short_outage_and_prefers_the_vault_to_the_file() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        service.vault.set("db-password", "canary-two").unwrap();
        service.go_down();
        let recovery = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            service.come_back();
        };
        let (live, ()) = tokio::join!(service.start(framework), recovery);
        let live = live.unwrap();
        assert_eq!(live.current().password, "<canary-two>", "{framework:?}");
        assert!(!live.health().is_stale(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_is_an_outage_too() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        let began = Instant::now();
        let hanging = FakeStore::hanging("https://contoso.vault.azure.net".parse().unwrap());
        let live = service.start_on(framework, hanging, service.sealed()).await.unwrap();
        assert_eq!(began.elapsed(), USE_AFTER, "{framework:?}");
        assert_eq!(live.current().user, "ann", "{framework:?}");
        assert_eq!(live.health().last_error.unwrap().status(), ReferenceStatus::FetchTimedOut, "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_vault_is_configurable_and_a_short_deadline_halves_it() {
    let service = Service::new();
    service.run_once(Framework::Config).await;
    service.go_down();
    for (use_after, expected) in [(0, 0), (30, 30), (1_000, 50)] {
        let began = Instant::now();
        let sealed = service.sealed().use_after(Duration::from_secs(use_after));
        let live = service.start_with(Framework::Config, sealed).await.unwrap();
        assert!(live.health().is_stale(), "{use_after}");
        assert_eq!(began.elapsed(), Duration::from_secs(expected), "{use_after}");
    }
    // The vault announces that it stays down past the deadline.
    let retry_after = Some(DEADLINE * 2);
    service.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    let began = Instant::now();
    let live = service.start(Framework::Config).await.unwrap();
    assert!(live.health().is_stale());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Settings files are read anew. The sealed file replaces the vault only.
#[tokio::test(start_paused = true)]
async fn an_edited_file_is_read_in_an_outage() {
    for framework in BOTH {
        let service = Service::new();
        service.run_once(framework).await;
        service.go_down();
        let version = service.sealed().check(&service.resolver()).unwrap().secrets;
        let version = version.iter().find(|id| id.name().as_str() == "db-password").unwrap().version().unwrap().clone();
        service.write(&format!(
            "host = 'other'\npassword = '[@KeyVault(SecretName=db-password)]'\n\
             token = '@KeyVault(SecretName=db-password;SecretVersion={version})'"
        ));
        let live = service.start(framework).await.unwrap();
        let settings = live.current();
        assert_eq!((&*settings.host, &*settings.password), ("other", "[canary-one]"), "{framework:?}");
        assert_eq!(settings.token.as_deref(), Some("canary-one"), "a stored version may be named: {framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_missing_from_the_file_fails_the_start_and_is_named() {
    for framework in BOTH {
        let service = Service::new();
        service.vault.set("other", "canary-other").unwrap();
        service.run_once(framework).await;
        service.go_down();
        // The file contains `other`, because its name is a setting. `unheard-of` may exist, and its being optional must
        // not hide that.
        service.write(
            "host = '@KeyVault(SecretName=other)'\npassword = '@KeyVault(SecretName=new)'\n\
             token = '@KeyVault(SecretName=unheard-of;Optional=true)'",
        );
        let began = Instant::now();
        let error = service.start(framework).await.unwrap_err();
        assert!(began.elapsed() > DEADLINE / 2, "the vault might have come back: {framework:?}");
        let report = error.report();
        for setting in ["password", "token"] {
            let failed = error.failures().iter().find(|failure| failure.setting() == Some(setting)).unwrap();
            assert!(
                failed.to_string().contains("sealed snapshot does not contain this secret"),
                "{framework:?} {failed}"
            );
        }
        assert!(report.contains("vault is down"), "{framework:?} {report}");
        assert!(!error.failures().iter().any(|failure| failure.setting() == Some("host")), "{framework:?} {report}");
        assert!(error.is_transient(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_in_an_outage_runs_the_validation_hook() {
    let service = Service::new();
    service.run_once(Framework::Figment).await;
    service.go_down();
    let file = service.directory.path().join("settings.toml");
    let layers =
        move || figment::Figment::new().merge(<figment::providers::Toml as figment::providers::Format>::file(&file));
    let refuse =
        |_: &super::service::Settings| Err(keyvault::ValidationError::new("it does not log in").of("password"));
    let builder = keyvault_figment::layered(service.vault.clone(), layers).sealed(service.sealed()).validate(refuse);
    let error = builder.start().await.unwrap_err();
    assert!(error.report().contains("it does not log in") && error.report().contains("vault is down"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_file_an_outage_fails_the_start_unless_the_vault_recovers() {
    for framework in BOTH {
        let service = Service::new();
        service.go_down();
        let error = service.start(framework).await.unwrap_err();
        assert!(error.report().contains("there is no sealed snapshot"), "{error:?}");
        assert!(error.is_transient() && error.report().contains("vault is down"), "{error:?}");
        let recovery = async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            service.come_back();
        };
        let (live, ()) = tokio::join!(service.start(framework), recovery);
        assert_eq!(live.unwrap().current().user, "ann", "{framework:?}");
    }
}

/// Mapped secrets of several vaults, with a map that selects a part of them.
#[tokio::test(start_paused = true)]
async fn another_name_map_never_silently_loses_settings() {
    for framework in BOTH {
        let service = Service::new();
        service.vault.set("new--user", "eve").unwrap();
        let file = service.directory.path().join("settings.toml");
        let start = |map: keyvault::NameMap| {
            let (file, resolver, sealed) = (file.clone(), service.resolver(), service.sealed());
            async move {
                match framework {
                    Framework::Config => {
                        let layers = move || config::Config::builder().add_source(config::File::from(file.as_path()));
                        let builder = keyvault_config::layered(resolver, layers).names(map);
                        builder.sealed(sealed).start::<serde::de::IgnoredAny>().await
                    }
                    Framework::Figment => {
                        use figment::providers::Format;
                        let layers = move || figment::Figment::new().merge(figment::providers::Toml::file(&file));
                        let builder = keyvault_figment::layered(resolver, layers).names(map);
                        builder.sealed(sealed).start().await
                    }
                }
            }
        };
        start(keyvault::NameMap::new().prefix("user")).await.unwrap().shutdown().await;
        service.vault.fail(down());
        let error = start(keyvault::NameMap::new().prefix("new--")).await.unwrap_err();
        let report = error.report();
        assert!(report.contains("sealed snapshot does not contain this secret: new--user"), "{framework:?} {report}");
    }
}
