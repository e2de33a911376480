//! Dates of secrets and per-secret intervals schedule refreshes.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use keyvault::live::SecretStatus;
use keyvault::{ErrorKind, Live, Notice, Result, SecretProperties};
use keyvault_test_support::log::Log;
use tokio::time::{Instant, sleep, timeout};

use super::service::{Clock, MINUTE, Service, Settings};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn an_expiry_brings_the_refresh_of_its_secret_forward() {
    let (service, clock) = (Service::new(), Clock::new());
    let expires = Some(clock.now() + MINUTE * 60);
    service.vault.set_with("password", "first", |properties| properties.set_expires(expires)).unwrap();
    let builder = service.layered().refresh_every(DAY).wall_clock(clock.function());
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    sleep(MINUTE * 30).await;
    let before = service.vault.reads();
    service.rotate("second");
    let change = timeout(MINUTE * 30, watcher.changed()).await.expect("before the old version expires").unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(service.vault.reads().gets, before.gets + 1, "only that secret, and once");
    sleep(DAY / 2).await;
    assert_eq!(service.vault.reads().gets, before.gets + 1, "the new version does not expire");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_without_a_new_version_costs_a_few_requests() {
    let (service, clock) = (Service::new(), Clock::new());
    let expires = Some(clock.now() + MINUTE * 60);
    service.vault.set_with("password", "first", |properties| properties.set_expires(expires)).unwrap();
    let builder = service.layered().refresh_every(DAY).wall_clock(clock.function());
    let live: Live<Settings> = builder.start().await.unwrap();
    let before = service.vault.reads();
    sleep(DAY / 2).await;
    let looks = service.vault.reads().gets - before.gets;
    assert!((2..10).contains(&looks), "{looks}");
    assert_eq!(live.current().password, "first");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_valid_yet_is_fetched_again_when_it_is() {
    let (service, clock) = (Service::new(), Clock::new());
    let begins = clock.now() + MINUTE * 60;
    let time = clock.function();
    let login = move |settings: Arc<Settings>| {
        let is_early = settings.password == "second" && time() < begins;
        async move { if is_early { Err("the server does not know the password yet".into()) } else { Ok(()) } }
    };
    let builder = service.layered().refresh_every(DAY).wall_clock(clock.function()).validate_async(login);
    let live: Live<Settings> = builder.start().await.unwrap();
    service.vault.set_with("password", "second", |properties| properties.set_not_before(begins)).unwrap();
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::InvalidSettings);
    let mut watcher = live.watch();
    let waited = Instant::now();
    timeout(MINUTE * 62, watcher.changed()).await.expect("as soon as it is valid").unwrap();
    assert!(waited.elapsed() >= MINUTE * 60);
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn dates_are_in_health_and_each_is_logged_once() {
    let log = Log::begin();
    let (service, clock) = (Service::new(), Clock::new());
    let (begins, expires) = (Some(clock.now() + MINUTE * 5), Some(clock.now() + MINUTE * 60));
    let dated = |properties: &mut SecretProperties| {
        properties.set_not_before(begins);
        properties.set_expires(expires);
    };
    let builder = service.layered().wall_clock(clock.function()).expiry_notice(MINUTE * 30);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    service.vault.set_with("password", "canary", dated).unwrap();
    live.refresh_now().await.unwrap();
    let status = || {
        let health = live.health();
        health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
    };
    let mut statuses = Vec::new();
    for (after, expected) in [
        (0, SecretStatus::NotYetValid),
        (10, SecretStatus::Current),
        (25, SecretStatus::NearExpiry),
        (30, SecretStatus::Expired),
        (60, SecretStatus::Expired),
    ] {
        sleep(MINUTE * after).await;
        assert_eq!(status(), expected, "after {after} more minutes");
        while let Some(notice) = watcher.next().now_or_never().flatten() {
            if let Notice::Secret(secret) = notice {
                statuses.push(secret.status);
            }
        }
    }
    assert_eq!(statuses, [SecretStatus::NotYetValid, SecretStatus::NearExpiry, SecretStatus::Expired]);
    for said in ["not yet valid", "near expiry", "expired"] {
        assert_eq!(log.text().matches(&format!("status={said}")).count(), 1, "{said} in {}", log.text());
    }
    assert!(!log.text().contains("canary"));
    assert!(live.health().is_healthy(), "an expired secret can still be right");
}

#[tokio::test(start_paused = true)]
async fn an_expired_mapped_secret_causes_one_warning_by_the_policy_of_the_name_map() {
    use keyvault::{IfOutdated, NameMap};
    for (policy, warnings) in [(IfOutdated::Warn, 1), (IfOutdated::Load, 0)] {
        let log = Log::begin();
        let (service, clock) = (Service::new(), Clock::new());
        let expires = Some(clock.now() + MINUTE * 10);
        service.vault.set_with("password", "canary", |properties| properties.set_expires(expires)).unwrap();
        let builder = service.by_name().names(NameMap::new().expired(policy)).expiry_notice(Duration::ZERO);
        let live: Live<Settings> = builder.wall_clock(clock.function()).start().await.unwrap();
        let mut watcher = live.watch();
        sleep(MINUTE * 30).await;
        let text = log.text();
        let said: Vec<&str> = text.lines().filter(|line| line.contains(" WARN ")).collect();
        assert_eq!(said.len(), warnings, "{policy:?} {said:#?}");
        assert!(said.iter().all(|line| line.contains("password") && line.contains("expired")), "{said:#?}");
        let notice = watcher.next().now_or_never().flatten();
        assert!(matches!(notice, Some(Notice::Secret(secret)) if secret.status == SecretStatus::Expired), "{policy:?}");
        assert!(watcher.next().now_or_never().is_none(), "{policy:?}: logged once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_with_a_shorter_interval_is_fetched_in_between() {
    let service = Service::new();
    let builder = service.layered().refresh_every(DAY).refresh_secret_every("password", Duration::from_secs(10));
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    let before = service.vault.reads();
    service.rotate("second");
    service.vault.set("user", "bob").unwrap();
    let change = timeout(Duration::from_secs(11), watcher.changed()).await.expect("by its own interval").unwrap();
    assert_eq!(change.keys, ["password"]);
    sleep(MINUTE * 10).await;
    let asked = service.vault.reads().gets - before.gets;
    assert!((54..=68).contains(&asked), "{asked}");
    assert_eq!(live.current().user, "ann");
}

#[tokio::test(start_paused = true)]
async fn a_secret_with_a_longer_interval_is_skipped() {
    let service = Service::new();
    let builder = service.layered().refresh_secret_every("password", MINUTE * 60);
    let live: Live<Settings> = builder.start().await.unwrap();
    let before = service.vault.reads();
    service.rotate("second");
    sleep(MINUTE * 30).await;
    assert_eq!(live.current().password, "first");
    let asked = service.vault.reads().gets - before.gets;
    assert!((26..=34).contains(&asked), "{asked}: the user alone");
    assert!(live.health().age >= MINUTE * 30, "the age is that of the secret that was read longest ago");
    sleep(MINUTE * 40).await;
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_call_fetches_every_secret_whatever_its_interval() {
    let service = Service::new();
    let builder = service.layered().refresh_secret_every("password", DAY).refresh_secret_every("password", DAY * 2);
    let live: Live<Settings> = builder.start().await.unwrap();
    service.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_below_a_second_is_refused() {
    let service = Service::new();
    let builder = service.layered().refresh_secret_every("password", Duration::from_millis(999));
    let start: Result<Live<Settings>> = builder.start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}
