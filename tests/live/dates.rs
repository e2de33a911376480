//! The dates of secrets, and intervals of their own.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use keyvault::{ErrorKind, Live, Notice, Result, SecretProperties, SecretStatus};
use keyvault_test_support::log::Log;
use tokio::time::{Instant, sleep, timeout};

use super::story::{Clock, MINUTE, Settings, Story};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(start_paused = true)]
async fn an_expiry_brings_the_refresh_of_its_secret_forward() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let expires = Some(clock.now() + MINUTE * 60);
    story.vault.set_with("password", "first", |properties| properties.set_expires(expires)).unwrap();
    let builder = story.layered().refresh_every(DAY).wall_clock(clock.told());
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    sleep(MINUTE * 30).await;
    let before = story.vault.reads();
    story.rotate("second");
    let change = timeout(MINUTE * 30, watcher.changed()).await.expect("before the old version expires").unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(story.vault.reads().gets, before.gets + 1, "only that secret, and once");
    sleep(DAY / 2).await;
    assert_eq!(story.vault.reads().gets, before.gets + 1, "the new version does not expire");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_brings_nothing_new_costs_a_few_looks() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let expires = Some(clock.now() + MINUTE * 60);
    story.vault.set_with("password", "first", |properties| properties.set_expires(expires)).unwrap();
    let builder = story.layered().refresh_every(DAY).wall_clock(clock.told());
    let live: Live<Settings> = builder.start().await.unwrap();
    let before = story.vault.reads();
    sleep(DAY / 2).await;
    let looks = story.vault.reads().gets - before.gets;
    assert!((2..10).contains(&looks), "{looks}");
    assert_eq!(live.current().password, "first");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_valid_yet_is_looked_at_again_when_it_is() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let begins = clock.now() + MINUTE * 60;
    let time = clock.told();
    let login = move |settings: Arc<Settings>| {
        let is_early = settings.password == "second" && time() < begins;
        async move { if is_early { Err("the server does not know the password yet".into()) } else { Ok(()) } }
    };
    let builder = story.layered().refresh_every(DAY).wall_clock(clock.told()).validate_async(login);
    let live: Live<Settings> = builder.start().await.unwrap();
    story.vault.set_with("password", "second", |properties| properties.set_not_before(begins)).unwrap();
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::Rejected);
    let mut watcher = live.watch();
    let waited = Instant::now();
    timeout(MINUTE * 62, watcher.changed()).await.expect("as soon as it is valid").unwrap();
    assert!(waited.elapsed() >= MINUTE * 60);
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_known_of_dates_is_in_health_and_told_once() {
    let log = Log::begin();
    let (story, clock) = (Story::begin(), Clock::begin());
    let (begins, expires) = (Some(clock.now() + MINUTE * 5), Some(clock.now() + MINUTE * 60));
    let dated = |properties: &mut SecretProperties| {
        properties.set_not_before(begins);
        properties.set_expires(expires);
    };
    let builder = story.layered().wall_clock(clock.told()).expiry_notice(MINUTE * 30);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    story.vault.set_with("password", "canary", dated).unwrap();
    live.refresh_now().await.unwrap();
    let status = || {
        let health = live.health();
        health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
    };
    let mut told = Vec::new();
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
                told.push(secret.status);
            }
        }
    }
    assert_eq!(told, [SecretStatus::NotYetValid, SecretStatus::NearExpiry, SecretStatus::Expired]);
    for said in ["not yet valid", "near expiry", "expired"] {
        assert_eq!(log.text().matches(&format!("status={said}")).count(), 1, "{said} in {}", log.text());
    }
    assert!(!log.text().contains("canary"));
    assert!(live.health().is_healthy(), "an expired secret can still be right");
}

#[tokio::test(start_paused = true)]
async fn an_expired_secret_by_name_is_warned_of_in_one_place_as_the_name_map_says() {
    use keyvault::{IfOutdated, NameMap};
    for (policy, warnings) in [(IfOutdated::Warn, 1), (IfOutdated::Load, 0)] {
        let log = Log::begin();
        let (story, clock) = (Story::begin(), Clock::begin());
        let expires = Some(clock.now() + MINUTE * 10);
        story.vault.set_with("password", "canary", |properties| properties.set_expires(expires)).unwrap();
        let builder = story.by_name().names(NameMap::new().expired(policy)).expiry_notice(Duration::ZERO);
        let live: Live<Settings> = builder.wall_clock(clock.told()).start().await.unwrap();
        let mut watcher = live.watch();
        sleep(MINUTE * 30).await;
        let text = log.text();
        let said: Vec<&str> = text.lines().filter(|line| line.contains(" WARN ")).collect();
        assert_eq!(said.len(), warnings, "{policy:?} {said:#?}");
        assert!(said.iter().all(|line| line.contains("password") && line.contains("expired")), "{said:#?}");
        let told = watcher.next().now_or_never().flatten();
        assert!(matches!(told, Some(Notice::Secret(secret)) if secret.status == SecretStatus::Expired), "{policy:?}");
        assert!(watcher.next().now_or_never().is_none(), "{policy:?}: told once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_of_its_own_has_a_secret_asked_for_in_between() {
    let story = Story::begin();
    let builder = story.layered().refresh_every(DAY).refresh_secret_every("password", Duration::from_secs(10));
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    let before = story.vault.reads();
    story.rotate("second");
    story.vault.set("user", "bob").unwrap();
    let change = timeout(Duration::from_secs(11), watcher.changed()).await.expect("by its own interval").unwrap();
    assert_eq!(change.keys, ["password"]);
    sleep(MINUTE * 10).await;
    let asked = story.vault.reads().gets - before.gets;
    assert!((54..=68).contains(&asked), "{asked}");
    assert_eq!(live.current().user, "ann");
}

#[tokio::test(start_paused = true)]
async fn a_longer_interval_of_its_own_leaves_a_secret_out() {
    let story = Story::begin();
    let builder = story.layered().refresh_secret_every("password", MINUTE * 60);
    let live: Live<Settings> = builder.start().await.unwrap();
    let before = story.vault.reads();
    story.rotate("second");
    sleep(MINUTE * 30).await;
    assert_eq!(live.current().password, "first");
    let asked = story.vault.reads().gets - before.gets;
    assert!((26..=34).contains(&asked), "{asked}: the user alone");
    assert!(live.health().age < MINUTE * 2, "what is not due counts as read");
    sleep(MINUTE * 40).await;
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_refresh_gets_everything_whatever_its_interval() {
    let story = Story::begin();
    let builder = story.layered().refresh_secret_every("password", DAY).refresh_secret_every("password", DAY * 2);
    let live: Live<Settings> = builder.start().await.unwrap();
    story.rotate("second");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_its_own_below_a_second_is_refused() {
    let story = Story::begin();
    let builder = story.layered().refresh_secret_every("password", Duration::from_millis(999));
    let start: Result<Live<Settings>> = builder.start().await;
    assert_eq!(start.unwrap_err().kind(), ErrorKind::Invalid);
}
