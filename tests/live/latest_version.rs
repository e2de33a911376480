//! The latest version is chosen correctly even if dates and the vault disagree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use keyvault::live::{CredentialCheck, SecretStatus};
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, Notice, ReferenceStatus, SecretId, SecretStore, SecretVersion};
use keyvault_test_support::log::Log;
use keyvault_test_support::store::{FakeStore, Switch};

use super::service::{Clock, MINUTE, Service, Settings};

/// Returns a vault that, after its failover, serves the state before the last write of the password.
fn failing_over(service: &Service, over: &Switch, known: &SecretVersion) -> FakeStore {
    failing_over_with(service, over, known, |id| Error::new(ErrorKind::NotFound, "secret not found").about(id))
}

/// Returns the same vault with a chosen error for an unknown version.
fn failing_over_with(
    service: &Service,
    over: &Switch,
    known: &SecretVersion,
    answer: impl Fn(&SecretId) -> Error + Copy + Send + Sync + 'static,
) -> FakeStore {
    let (over, known) = (over.clone(), known.clone());
    FakeStore::new(&service.vault).get(move |vault, id| {
        let (is_over, known) = (over.is_on(), known.clone());
        async move {
            if !is_over || id.name().as_str() != "password" {
                return vault.get(&id).await;
            }
            match id.version() {
                Some(version) if *version != known => Err(answer(&id)),
                _ => vault.get(&id.with_version(known)).await,
            }
        }
    })
}

fn status(live: &Live<Settings>) -> SecretStatus {
    let health = live.health();
    health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
}

#[tokio::test(start_paused = true)]
async fn after_a_failover_the_newer_version_is_kept_and_reported() {
    let log = Log::begin();
    let (service, over) = (Service::new(), Switch::default());
    let store = failing_over(&service, &over, &service.password());
    let live: Live<Settings> = service.layered_over(store).start().await.unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    let mut watcher = live.watch();
    over.turn(true);
    for _ in 0..3 {
        assert_eq!(live.refresh_now().await.unwrap(), None);
        assert_eq!(live.current().password, "second");
    }
    assert_eq!(status(&live), SecretStatus::Ahead);
    assert!(live.health().is_healthy());
    let notice = watcher.next().await.unwrap();
    assert!(matches!(notice, Notice::Secret(secret) if secret.status == SecretStatus::Ahead));
    assert!(futures::FutureExt::now_or_never(watcher.next()).is_none(), "logged once");
    assert_eq!(log.text().matches("ahead of the vault").count(), 1, "{}", log.text());
    over.turn(false);
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(status(&live), SecretStatus::Current);
    service.rotate("third");
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_this_process_never_saw_is_still_recognised_as_older() {
    let (service, over) = (Service::new(), Switch::default());
    let store = failing_over(&service, &over, &service.password());
    service.rotate("second");
    let live: Live<Settings> = service.layered_over(store).start().await.unwrap();
    over.turn(true);
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead));
}

#[tokio::test(start_paused = true)]
async fn a_kept_newer_version_is_dropped_if_a_server_rejects_it() {
    let (service, over) = (Service::new(), Switch::default());
    let store = failing_over(&service, &over, &service.password());
    let live: Live<Settings> = service.layered_over(store).start().await.unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    over.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed);
    assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn a_kept_newer_version_is_dropped_when_it_expires() {
    let (service, over, clock) = (Service::new(), Switch::default(), Clock::new());
    let store = failing_over(&service, &over, &service.password());
    let expires = Some(clock.now() + MINUTE * 20);
    let live: Live<Settings> = service.layered_over(store).wall_clock(clock.function()).start().await.unwrap();
    service.vault.set_with("password", "second", |properties| properties.set_expires(expires)).unwrap();
    live.refresh_now().await.unwrap();
    over.turn(true);
    tokio::time::sleep(MINUTE * 10).await;
    assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead));
    tokio::time::sleep(MINUTE * 12).await;
    assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn a_version_dated_earlier_is_the_latest_if_the_vault_has_both() {
    let service = Service::new();
    service.rotate("second");
    let live: Live<Settings> = service.layered().start().await.unwrap();
    let yesterday = SystemTime::now() - MINUTE * 60 * 24;
    let dated = |properties: &mut keyvault::SecretProperties| {
        properties.set_created(yesterday);
        properties.set_updated(yesterday);
    };
    service.vault.set_with("password", "third", dated).unwrap();
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!((live.current().password.as_str(), status(&live)), ("third", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn two_versions_of_one_second_are_distinguished_by_reference_and_by_name() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    for text in ["second", "third", "fourth"] {
        service.rotate(text);
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, text);
    }
    let named: Live<Settings> = service.by_name().start().await.unwrap();
    for text in ["fifth", "sixth"] {
        service.rotate(text);
        named.refresh_now().await.unwrap();
        assert_eq!(named.current().password, text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_first_of_two_versions_of_one_second_does_not_hide_the_second() {
    let service = Service::new();
    let live: Live<Settings> = service.by_name().event_spread(Duration::ZERO).start().await.unwrap();
    // Old enough for a list to prove that nothing changed.
    let made = SystemTime::now() - MINUTE * 10;
    let dated = |properties: &mut keyvault::SecretProperties| {
        properties.set_created(made);
        properties.set_updated(made);
    };
    let second = service.vault.set_with("password", "second", dated).unwrap();
    service.vault.set_with("password", "third", dated).unwrap();
    let id = SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
    live.notify(SecretEvent::new(id.with_version(second), SecretEventKind::NewVersion));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(live.current().password, "second", "the version of the event");
    let gets = service.vault.reads().gets;
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!(live.current().password, "third", "the dates in the list are those of both");
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(service.vault.reads().gets, gets + 1, "after that, the list is trusted");
}

#[tokio::test(start_paused = true)]
async fn an_outage_or_a_denial_does_not_decide_which_version_is_the_latest() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied] {
        let (service, over) = (Service::new(), Switch::default());
        let first = service.password();
        service.rotate("second");
        let store = failing_over_with(&service, &over, &first, move |_| Error::new(kind, "vault does not say"));
        let live: Live<Settings> = service.layered_over(store).start().await.unwrap();
        over.turn(true);
        assert_eq!(live.refresh_now().await.unwrap(), None, "{kind:?}");
        assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_settings_of_one_secret_share_a_version_though_replicas_disagree() {
    let (service, over) = (Service::new(), Switch::default());
    let first = service.password();
    service.rotate("second");
    let (flag, asked) = (over.clone(), Arc::new(AtomicU32::new(0)));
    let store = FakeStore::new(&service.vault).get(move |vault, id| {
        let (is_over, known, asked) = (flag.is_on(), first.clone(), Arc::clone(&asked));
        async move {
            match (is_over && id.name().as_str() == "password", id.version()) {
                (true, None) => vault.get(&id.with_version(known)).await,
                // The first replica lacks the newer version. The next one has it.
                (true, Some(_)) if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
                    Err(Error::new(ErrorKind::NotFound, "secret not found").about(&id))
                }
                _ => vault.get(&id).await,
            }
        }
    });
    let live: Live<BTreeMap<String, String>> = service.by_name_and_again_over(store).start().await.unwrap();
    over.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(live.current()["password"], live.current()["again"]);
    assert_eq!(live.current()["password"], "second");
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_was_disabled_is_not_kept() {
    let (service, over) = (Service::new(), Switch::default());
    let first = service.password();
    service.rotate("second");
    let store = failing_over_with(&service, &over, &first, |_| {
        Error::new(ErrorKind::NotFound, "secret is disabled").with_status(ReferenceStatus::AccessToKeyVaultDenied)
    });
    let live: Live<Settings> = service.layered_over(store).start().await.unwrap();
    over.turn(true);
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!(live.current().password, "first");
}
