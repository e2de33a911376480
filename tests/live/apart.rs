//! What is due by itself does not wait for what is broken beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use keyvault::{
    Error, ErrorKind, Live, NameMap, Rejected, Rejection, SecretEvent, SecretEventKind, SecretId, SecretStore,
};
use keyvault_test_support::store::{FakeStore, Switch};
use tokio::time::{Instant, sleep, timeout};

use super::story::{Fault, MINUTE, Settings, Story};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

/// Sets a new version of a secret, and tells of it.
fn rotate(story: &Story, live: &Live<Settings>, name: &str, text: &str) {
    let version = story.vault.set(name, text).unwrap();
    live.notify(SecretEvent::new(id(name).with_version(version), SecretEventKind::NewVersion));
}

const FAULTS: [Fault; 4] = [
    Fault::Answer(ErrorKind::Unavailable),
    Fault::Answer(ErrorKind::Denied),
    Fault::Answer(ErrorKind::NotFound),
    Fault::Hang,
];

#[tokio::test(start_paused = true)]
async fn an_event_lands_though_another_secret_breaks_every_pass_that_asks_for_everything() {
    for fault in FAULTS {
        let story = Story::begin();
        let broken = story.password_fault(fault);
        let builder = story.layered().event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.refresh_deadline(MINUTE / 6).start().await.unwrap();
        let mut watcher = live.watch();
        broken.turn(true);
        let began = Instant::now();
        rotate(&story, &live, "user", "bob");
        live.refresh_now().await.expect_err("what is due is due in one pass with everything else");
        let change = timeout(MINUTE, watcher.changed()).await.unwrap_or_else(|_| panic!("held back by {fault:?}"));
        assert_eq!(change.unwrap().keys, ["user"], "{fault:?}");
        assert!(began.elapsed() <= MINUTE / 6, "{fault:?}: at once, and not with the next pass");
        assert!(live.health().last_error.is_some(), "{fault:?}: what is still broken is still said");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_lands_though_another_event_is_of_a_secret_that_is_broken() {
    for fault in [Fault::Answer(ErrorKind::Unavailable), Fault::Answer(ErrorKind::Denied)] {
        let story = Story::begin();
        let broken = story.password_fault(fault);
        let builder = story.layered().refresh_every(HOUR);
        let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
        let mut watcher = live.watch();
        broken.turn(true);
        rotate(&story, &live, "password", "second");
        rotate(&story, &live, "user", "bob");
        let change = timeout(MINUTE, watcher.changed()).await.unwrap_or_else(|_| panic!("held back by {fault:?}"));
        assert_eq!(change.unwrap().keys, ["user"], "{fault:?}");
        assert!(live.health().last_error.is_some(), "{fault:?}: what is still broken is still said");
        broken.turn(false);
        let change = timeout(MINUTE * 5, watcher.changed()).await.expect("it is tried again").unwrap();
        assert_eq!(change.keys, ["password"], "{fault:?}");
        assert!(live.health().last_error.is_none(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_lands_though_the_vault_can_no_longer_be_listed() {
    let (story, broken) = (Story::begin(), Switch::default());
    let flag = broken.clone();
    let store = FakeStore::new(&story.vault).list(move |vault| match flag.is_on() {
        true => stream::once(async { Err(Error::new(ErrorKind::Unavailable, "vault cannot be listed")) }).boxed(),
        false => vault.list(),
    });
    let builder = story.by_name_over(store).names(NameMap::new()).event_spread(Duration::ZERO);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    broken.turn(true);
    rotate(&story, &live, "user", "bob");
    live.refresh_now().await.unwrap_err();
    let change = timeout(MINUTE, watcher.changed()).await.expect("an event needs no list").unwrap();
    assert_eq!(change.keys, ["user"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_secret_is_asked_for_though_another_is_broken() {
    let story = Story::begin();
    let broken = story.password_fault(Fault::Answer(ErrorKind::Unavailable));
    let live: Live<Settings> = story.layered().start().await.unwrap();
    broken.turn(true);
    story.vault.set("user", "bob").unwrap();
    let (refreshed, rejected) = tokio::join!(live.refresh_now(), live.rejected("user"));
    refreshed.unwrap_err();
    assert_eq!(rejected.unwrap(), Rejected::Changed);
    assert_eq!(live.current().user, "bob");
}

#[tokio::test(start_paused = true)]
async fn what_the_vault_throttles_is_not_tried_by_itself_before_its_time() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().event_spread(Duration::ZERO).start().await.unwrap();
    let retry_after = Some(Duration::from_secs(30));
    story.vault.fail(Error::new(ErrorKind::Throttled { retry_after }, "vault is throttling"));
    rotate(&story, &live, "user", "bob");
    live.refresh_now().await.unwrap_err();
    let before = story.vault.reads();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(story.vault.reads(), before);
    story.vault.fail(None);
    sleep(MINUTE).await;
    assert_eq!(live.current().user, "bob");
}

/// A hook that refuses a password and counts how often it is asked.
fn login(asked: &Arc<AtomicU32>) -> impl Fn(&Settings) -> std::result::Result<(), Rejection> + Send + Sync + 'static {
    let asked = Arc::clone(asked);
    move |settings| {
        asked.fetch_add(1, Ordering::Relaxed);
        if settings.password == "bad" { Err("the server refuses the password".into()) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_lands_though_the_application_refuses_another_secret() {
    let (story, asked) = (Story::begin(), Arc::default());
    let live: Live<Settings> =
        story.layered().event_spread(Duration::ZERO).validate(login(&asked)).start().await.unwrap();
    let mut watcher = live.watch();
    story.rotate("bad");
    rotate(&story, &live, "user", "bob");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(timeout(MINUTE, watcher.changed()).await.expect("not held back").unwrap().keys, ["user"]);
    assert_eq!(live.current().password, "first");
    assert_eq!(asked.load(Ordering::Relaxed), 3, "the start, everything, the event");
}

#[tokio::test(start_paused = true)]
async fn of_two_events_at_once_the_application_refuses_one_and_the_other_lands() {
    for bad_first in [true, false] {
        let (story, asked) = (Story::begin(), Arc::default());
        let (bad, good) = if bad_first { ("a-bad", "z-good") } else { ("z-bad", "a-good") };
        story.set_long_ago(bad, "first");
        story.set_long_ago(good, "ann");
        story.write("password", &format!("@KeyVault(SecretName={bad})"));
        story.write("user", &format!("@KeyVault(SecretName={good})"));
        let builder = story.layered().refresh_every(HOUR).event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.validate(login(&asked)).start().await.unwrap();
        let mut watcher = live.watch();
        rotate(&story, &live, bad, "bad");
        rotate(&story, &live, good, "bob");
        assert_eq!(timeout(MINUTE, watcher.changed()).await.expect("not held back").unwrap().keys, ["user"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_tried_again_at_once_for_the_sake_of_its_event() {
    let (story, asked) = (Story::begin(), Arc::default());
    let live: Live<Settings> =
        story.layered().event_spread(Duration::ZERO).validate(login(&asked)).start().await.unwrap();
    rotate(&story, &live, "password", "bad");
    live.refresh_now().await.unwrap_err();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "the start, and once since: a server locks out who tries too often");
}

#[tokio::test(start_paused = true)]
async fn an_event_brings_nothing_but_its_secret_though_a_pass_that_failed_had_read_more() {
    let story = Story::begin();
    let broken = story.password_fault(Fault::Answer(ErrorKind::Unavailable));
    story.set_long_ago("key", "k1");
    story.write("key", "@KeyVault(SecretName=key)");
    let builder = story.layered();
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    let mut watcher = live.watch();
    broken.turn(true);
    // The user and the password rotate together, and only the user can be read.
    story.vault.set("user", "bob").unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap_err();
    rotate(&story, &live, "key", "k2");
    assert_eq!(watcher.changed().await.unwrap().keys, ["key"], "the user does not come without the password");
    broken.turn(false);
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password", "user"]);
}
