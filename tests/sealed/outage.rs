//! The vault is down: a start comes from the file, is seen to be stale, and heals by itself.

use std::time::Duration;

use futures::FutureExt;
use keyvault::{Error, ErrorKind, ReferenceStatus, Secret, SecretId, SecretProperties, SecretStore, Vault};
use tokio::time::{Instant, timeout};

use super::depot::{BOTH, DEADLINE, Depot, Framework, down};
use crate::support::{Log, assert_free_of};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn a_start_in_an_outage_comes_from_the_file_and_says_so() {
    for framework in BOTH {
        for kind in [ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }] {
            let depot = Depot::open();
            depot.run_once(framework).await;
            let as_of = depot.sealed().check(&depot.resolver()).unwrap().as_of;
            depot.vault.fail(Error::new(kind, "vault is down"));
            let (began, log, old) = (Instant::now(), Log::begin(), as_of.elapsed().unwrap());
            let live = depot.start(framework).await.unwrap();
            assert_eq!(began.elapsed(), PATIENCE, "{framework:?}");
            let settings = live.current();
            assert_eq!((&*settings.user, &*settings.password), ("ann", "<canary-one>"), "{framework:?}");
            assert_eq!((&*settings.host, &settings.token), ("db", &None), "{framework:?}");

            let health = live.health();
            assert!(health.is_stale(), "{framework:?} {health:?}");
            assert_eq!(health.sealed.as_ref().unwrap().started_from, Some(as_of), "{framework:?}");
            assert!(health.age >= old && !old.is_zero(), "{framework:?} {old:?} {health:?}");
            assert_eq!(health.last_error.unwrap().kind(), kind, "{framework:?}");
            assert_eq!(health.consecutive_failures, 1, "{framework:?}");
            let told = serde_json::to_value(live.health()).unwrap();
            assert_eq!(told["is_stale"], true, "{framework:?} {told}");
            assert!(told["sealed"]["started_from"].as_str().unwrap().ends_with('Z'), "{framework:?} {told}");
            assert_eq!(told["sealed"]["last_error"], serde_json::Value::Null, "{framework:?} {told}");
            assert_free_of(&told.to_string(), &["canary"]);
            let log = log.text();
            assert!(log.contains("WARN") && log.contains("settings are those of the sealed snapshot"), "{log}");
            assert_free_of(&log, &["canary"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_in_the_outage_is_a_change_and_nothing_else_is() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        depot.go_down();
        let live = depot.start(framework).await.unwrap();
        let mut watcher = live.watch();
        depot.vault.set("db-password", "canary-two").unwrap();
        depot.come_back();
        // Nobody asks for it: the background does, as after any failure.
        let change = timeout(Duration::from_secs(5), watcher.changed()).await.unwrap().unwrap();
        assert_eq!(change.keys, ["db_password", "password"], "{framework:?}");
        assert_eq!(change.generation, 2, "{framework:?}");
        assert_eq!(live.current().password, "<canary-two>", "{framework:?}");
        let health = live.health();
        assert!(!health.is_stale() && health.last_error.is_none(), "{framework:?} {health:?}");
        assert!(health.age < Duration::from_secs(1), "{framework:?} {health:?}");
        live.shutdown().await;

        depot.go_down();
        let live = depot.start(framework).await.unwrap();
        assert_eq!(live.current().password, "<canary-two>", "what was published last was sealed: {framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_which_nothing_changed_heals_without_a_word() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        depot.go_down();
        let live = depot.start(framework).await.unwrap();
        let (mut watcher, published) = (live.watch(), live.published());
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_stale(), "{framework:?}");
        assert!(live.health().consecutive_failures > 1, "{framework:?}");
        assert!(watcher.next().await.is_some(), "the failure is told");
        depot.come_back();
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert!(watcher.next().now_or_never().is_none(), "{framework:?}");
        assert!(std::sync::Arc::ptr_eq(&published, &live.published()), "{framework:?}");
        assert!(!live.health().is_stale(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_from_the_file_turn_health_red_as_early_as_others_do() {
    let depot = Depot::open();
    depot.run_once(Framework::Config).await;
    depot.go_down();
    let layers = {
        let file = depot.directory.path().join("settings.toml");
        move || figment::Figment::new().merge(<figment::providers::Toml as figment::providers::Format>::file(&file))
    };
    let builder = keyvault_figment::layered(depot.vault.clone(), layers).sealed(depot.sealed());
    let live = builder.max_staleness(Duration::from_nanos(1)).start::<super::depot::Settings>().await.unwrap();
    assert!(!live.health().is_healthy());
    depot.come_back();
    let live = depot.start(Framework::Figment).await.unwrap();
    assert!(live.health().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_sat_out_and_a_vault_that_answers_is_asked_and_not_the_file() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        depot.vault.set("db-password", "canary-two").unwrap();
        depot.go_down();
        let recovery = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            depot.come_back();
        };
        let (live, ()) = tokio::join!(depot.start(framework), recovery);
        let live = live.unwrap();
        assert_eq!(live.current().password, "<canary-two>", "{framework:?}");
        assert!(!live.health().is_stale(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_is_an_outage_too() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        let began = Instant::now();
        let hanging = Hanging("https://contoso.vault.azure.net".parse().unwrap());
        let live = depot.start_on(framework, hanging, depot.sealed()).await.unwrap();
        assert_eq!(began.elapsed(), PATIENCE, "{framework:?}");
        assert_eq!(live.current().user, "ann", "{framework:?}");
        assert_eq!(live.health().last_error.unwrap().status(), ReferenceStatus::FetchTimedOut, "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn patience_can_be_chosen_and_a_short_deadline_halves_it() {
    let depot = Depot::open();
    depot.run_once(Framework::Config).await;
    depot.go_down();
    for (patience, expected) in [(0, 0), (30, 30), (1_000, 50)] {
        let began = Instant::now();
        let sealed = depot.sealed().patience(Duration::from_secs(patience));
        let live = depot.start_with(Framework::Config, sealed).await.unwrap();
        assert!(live.health().is_stale(), "{patience}");
        assert_eq!(began.elapsed(), Duration::from_secs(expected), "{patience}");
    }
    // The vault itself says that it will not be back before the deadline.
    let retry_after = Some(DEADLINE * 2);
    depot.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    let began = Instant::now();
    let live = depot.start(Framework::Config).await.unwrap();
    assert!(live.health().is_stale());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Files are read as they are now; the file with the secrets answers for the vault alone.
#[tokio::test(start_paused = true)]
async fn an_edited_file_is_read_in_an_outage() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.run_once(framework).await;
        depot.go_down();
        let version = depot.sealed().check(&depot.resolver()).unwrap().secrets;
        let version = version.iter().find(|id| id.name().as_str() == "db-password").unwrap().version().unwrap().clone();
        depot.write(&format!(
            "host = 'other'\npassword = '[@KeyVault(SecretName=db-password)]'\n\
             token = '@KeyVault(SecretName=db-password;SecretVersion={version})'"
        ));
        let live = depot.start(framework).await.unwrap();
        let settings = live.current();
        assert_eq!((&*settings.host, &*settings.password), ("other", "[canary-one]"), "{framework:?}");
        assert_eq!(settings.token.as_deref(), Some("canary-one"), "a version that is held may be named: {framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_file_does_not_hold_fails_the_start_and_is_named() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.vault.set("other", "canary-other").unwrap();
        depot.run_once(framework).await;
        depot.go_down();
        // `other` is held, for its name is a setting; `unheard-of` may exist, and its option must not hide that.
        depot.write(
            "host = '@KeyVault(SecretName=other)'\npassword = '@KeyVault(SecretName=new)'\n\
             token = '@KeyVault(SecretName=unheard-of;Optional=true)'",
        );
        let began = Instant::now();
        let error = depot.start(framework).await.unwrap_err();
        assert!(began.elapsed() > DEADLINE / 2, "the vault might have come back: {framework:?}");
        let report = error.report();
        for setting in ["password", "token"] {
            let told = error.failures().iter().find(|failure| failure.setting() == Some(setting)).unwrap();
            assert!(told.to_string().contains("sealed snapshot does not contain this secret"), "{framework:?} {told}");
        }
        assert!(report.contains("vault is down"), "{framework:?} {report}");
        assert!(!error.failures().iter().any(|failure| failure.setting() == Some("host")), "{framework:?} {report}");
        assert!(error.is_transient(), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_in_an_outage_asks_the_application_too() {
    let depot = Depot::open();
    depot.run_once(Framework::Figment).await;
    depot.go_down();
    let file = depot.directory.path().join("settings.toml");
    let layers =
        move || figment::Figment::new().merge(<figment::providers::Toml as figment::providers::Format>::file(&file));
    let refuse = |_: &super::depot::Settings| Err(keyvault::Rejection::new("it does not log in").of("password"));
    let builder = keyvault_figment::layered(depot.vault.clone(), layers).sealed(depot.sealed()).validate(refuse);
    let error = builder.start().await.unwrap_err();
    assert!(error.report().contains("it does not log in") && error.report().contains("vault is down"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_file_an_outage_ends_as_ever() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.go_down();
        let error = depot.start(framework).await.unwrap_err();
        assert!(error.report().contains("there is no sealed snapshot"), "{error:?}");
        assert!(error.is_transient() && error.report().contains("vault is down"), "{error:?}");
        let recovery = async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            depot.come_back();
        };
        let (live, ()) = tokio::join!(depot.start(framework), recovery);
        assert_eq!(live.unwrap().current().user, "ann", "{framework:?}");
    }
}

/// By the names of secrets and in several vaults, with a map that takes a part of them.
#[tokio::test(start_paused = true)]
async fn another_map_of_names_does_not_silently_give_less() {
    for framework in BOTH {
        let depot = Depot::open();
        depot.vault.set("new--user", "eve").unwrap();
        let file = depot.directory.path().join("settings.toml");
        let start = |map: keyvault::NameMap| {
            let (file, resolver, sealed) = (file.clone(), depot.resolver(), depot.sealed());
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
        depot.vault.fail(down());
        let error = start(keyvault::NameMap::new().prefix("new--")).await.unwrap_err();
        let told = error.report();
        assert!(told.contains("sealed snapshot does not contain this secret: new--user"), "{framework:?} {told}");
    }
}

#[derive(Debug)]
struct Hanging(Vault);

#[async_trait::async_trait]
impl SecretStore for Hanging {
    fn vault(&self) -> &Vault {
        &self.0
    }

    async fn get(&self, _: &SecretId) -> keyvault::Result<Secret> {
        std::future::pending().await
    }

    fn list(&self) -> futures::stream::BoxStream<'_, keyvault::Result<SecretProperties>> {
        Box::pin(futures::stream::pending())
    }

    fn versions(&self, _: &keyvault::SecretName) -> futures::stream::BoxStream<'_, keyvault::Result<SecretProperties>> {
        Box::pin(futures::stream::pending())
    }
}
