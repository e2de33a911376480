//! A broken secret does not delay the refresh of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use keyvault::live::CredentialCheck;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, NameMap, SecretId, SecretStore, ValidationError};
use keyvault_test_support::store::{FakeStore, Switch};
use tokio::time::{Instant, sleep, timeout};

use super::service::{Fault, MINUTE, Service, Settings};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

/// Sets a new version of a secret and pushes its event.
fn rotate(service: &Service, live: &Live<Settings>, name: &str, text: &str) {
    let version = service.vault.set(name, text).unwrap();
    live.notify(SecretEvent::new(id(name).with_version(version), SecretEventKind::NewVersion));
}

const FAULTS: [Fault; 4] = [
    Fault::Answer(ErrorKind::Unavailable),
    Fault::Answer(ErrorKind::Denied),
    Fault::Answer(ErrorKind::NotFound),
    Fault::Hang,
];

#[tokio::test(start_paused = true)]
async fn an_event_is_published_though_another_secret_fails_every_full_refresh() {
    for fault in FAULTS {
        let service = Service::new();
        let broken = service.password_fault(fault);
        let builder = service.layered().event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.refresh_deadline(MINUTE / 6).start().await.unwrap();
        let mut watcher = live.watch();
        broken.turn(true);
        let began = Instant::now();
        rotate(&service, &live, "user", "bob");
        live.refresh_now().await.expect_err("everything due belongs to one refresh");
        let change = timeout(MINUTE, watcher.changed()).await.unwrap_or_else(|_| panic!("held back by {fault:?}"));
        assert_eq!(change.unwrap().keys, ["user"], "{fault:?}");
        assert!(began.elapsed() <= MINUTE / 6, "{fault:?}: at once, and not with the next refresh");
        assert!(live.health().last_error.is_some(), "{fault:?}: the remaining failure stays visible");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_published_though_another_event_concerns_a_broken_secret() {
    for fault in [Fault::Answer(ErrorKind::Unavailable), Fault::Answer(ErrorKind::Denied)] {
        let service = Service::new();
        let broken = service.password_fault(fault);
        let builder = service.layered().refresh_every(HOUR);
        let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
        let mut watcher = live.watch();
        broken.turn(true);
        rotate(&service, &live, "password", "second");
        rotate(&service, &live, "user", "bob");
        let change = timeout(MINUTE, watcher.changed()).await.unwrap_or_else(|_| panic!("held back by {fault:?}"));
        assert_eq!(change.unwrap().keys, ["user"], "{fault:?}");
        assert!(live.health().last_error.is_some(), "{fault:?}: the remaining failure stays visible");
        broken.turn(false);
        let change = timeout(MINUTE * 5, watcher.changed()).await.expect("it is tried again").unwrap();
        assert_eq!(change.keys, ["password"], "{fault:?}");
        assert!(live.health().last_error.is_none(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_published_though_the_vault_cannot_be_listed() {
    let (service, broken) = (Service::new(), Switch::default());
    let flag = broken.clone();
    let store = FakeStore::new(&service.vault).list(move |vault| match flag.is_on() {
        true => stream::once(async { Err(Error::new(ErrorKind::Unavailable, "vault cannot be listed")) }).boxed(),
        false => vault.list(),
    });
    let builder = service.by_name_over(store).names(NameMap::new()).event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    broken.turn(true);
    rotate(&service, &live, "user", "bob");
    live.refresh_now().await.unwrap_err();
    let change = timeout(MINUTE, watcher.changed()).await.expect("an event needs no list").unwrap();
    assert_eq!(change.keys, ["user"]);
}

#[tokio::test(start_paused = true)]
async fn reads_of_one_secret_do_not_shorten_the_pauses_of_full_refreshes_that_fail() {
    let (service, broken, lists) = (Service::new(), Switch::default(), Arc::new(AtomicU32::new(0)));
    let (flag, count) = (broken.clone(), Arc::clone(&lists));
    let store = FakeStore::new(&service.vault).list(move |vault| match flag.is_on() {
        true => {
            count.fetch_add(1, Ordering::Relaxed);
            stream::once(async { Err(Error::new(ErrorKind::Unavailable, "vault cannot be listed")) }).boxed()
        }
        false => vault.list(),
    });
    let builder = service.by_name_over(store).refresh_secret_every("user", SECOND * 2);
    let _live: Live<Settings> = builder.refresh_every(MINUTE * 5).start().await.unwrap();
    let reads = service.vault.reads().gets;
    broken.turn(true);
    sleep(MINUTE * 30).await;
    assert!(service.vault.reads().gets - reads > 500, "the user is read every two seconds");
    let lists = lists.load(Ordering::Relaxed);
    assert!((8..=16).contains(&lists), "{lists} full refreshes: pauses double up to five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_read_of_a_secret_resets_the_back_off_of_its_vault() {
    let service = Service::new();
    let broken = service.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let builder = service.layered().refresh_every(HOUR * 10).refresh_secret_every("password", SECOND);
    let live: Live<Settings> = builder.start().await.unwrap();
    broken.turn(true);
    sleep(HOUR).await;
    broken.turn(false);
    sleep(HOUR).await;
    broken.turn(true);
    sleep(SECOND * 3).await;
    assert!(live.health().last_error.is_some());
    broken.turn(false);
    service.rotate("second");
    sleep(SECOND * 10).await;
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_secret_is_fetched_though_another_is_broken() {
    let service = Service::new();
    let broken = service.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let live: Live<Settings> = service.layered().start().await.unwrap();
    broken.turn(true);
    service.vault.set("user", "bob").unwrap();
    let (refreshed, rejected) = tokio::join!(live.refresh_now(), live.report_rejected("user"));
    refreshed.unwrap_err();
    assert_eq!(rejected.unwrap(), CredentialCheck::Changed);
    assert_eq!(live.current().user, "bob");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_secret_is_not_retried_alone_before_its_time() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().event_spread(Duration::ZERO).start().await.unwrap();
    let retry_after = Some(Duration::from_secs(30));
    service.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    rotate(&service, &live, "user", "bob");
    live.refresh_now().await.unwrap_err();
    let before = service.vault.reads();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(service.vault.reads(), before);
    service.vault.fail(None);
    sleep(MINUTE).await;
    assert_eq!(live.current().user, "bob");
}

/// Returns a hook that refuses a password and counts its calls.
fn login(
    asked: &Arc<AtomicU32>,
) -> impl Fn(&Settings) -> std::result::Result<(), ValidationError> + Send + Sync + 'static {
    let asked = Arc::clone(asked);
    move |settings| {
        asked.fetch_add(1, Ordering::Relaxed);
        if settings.password == "bad" { Err("the server refuses the password".into()) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_published_though_validation_refuses_another_secret() {
    let (service, asked) = (Service::new(), Arc::default());
    let live: Live<Settings> =
        service.layered().event_spread(Duration::ZERO).validate(login(&asked)).start().await.unwrap();
    let mut watcher = live.watch();
    service.rotate("bad");
    rotate(&service, &live, "user", "bob");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::InvalidSettings);
    assert_eq!(timeout(MINUTE, watcher.changed()).await.expect("not held back").unwrap().keys, ["user"]);
    assert_eq!(live.current().password, "first");
    assert_eq!(asked.load(Ordering::Relaxed), 3, "the start, everything, the event");
}

#[tokio::test(start_paused = true)]
async fn of_two_concurrent_events_validation_refuses_one_and_the_other_is_published() {
    for bad_first in [true, false] {
        let (service, asked) = (Service::new(), Arc::default());
        let (bad, good) = if bad_first { ("a-bad", "z-good") } else { ("z-bad", "a-good") };
        service.set_long_ago(bad, "first");
        service.set_long_ago(good, "ann");
        service.write("password", &format!("@KeyVault(SecretName={bad})"));
        service.write("user", &format!("@KeyVault(SecretName={good})"));
        let builder = service.layered().refresh_every(HOUR).event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.validate(login(&asked)).start().await.unwrap();
        let mut watcher = live.watch();
        rotate(&service, &live, bad, "bad");
        rotate(&service, &live, good, "bob");
        assert_eq!(timeout(MINUTE, watcher.changed()).await.expect("not held back").unwrap().keys, ["user"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_version_is_not_retried_at_once_for_its_event() {
    let (service, asked) = (Service::new(), Arc::default());
    let live: Live<Settings> =
        service.layered().event_spread(Duration::ZERO).validate(login(&asked)).start().await.unwrap();
    rotate(&service, &live, "password", "bad");
    live.refresh_now().await.unwrap_err();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "the start, and once since: a server locks out frequent attempts");
}

#[tokio::test(start_paused = true)]
async fn an_event_publishes_only_its_secret_though_a_failed_refresh_had_read_more() {
    let service = Service::new();
    let broken = service.password_fault(Fault::Answer(ErrorKind::Unavailable));
    service.set_long_ago("key", "k1");
    service.write("key", "@KeyVault(SecretName=key)");
    let builder = service.layered();
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    let mut watcher = live.watch();
    broken.turn(true);
    // The user and the password rotate together, but only the user is readable.
    service.vault.set("user", "bob").unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap_err();
    rotate(&service, &live, "key", "k2");
    assert_eq!(watcher.changed().await.unwrap().keys, ["key"], "the user does not come without the password");
    broken.turn(false);
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password", "user"]);
}
