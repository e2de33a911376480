//! News of a secret makes exactly that secret due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::stream::{self, StreamExt};
use keyvault::{
    Error, ErrorKind, Live, NameMap, PushEvent, SecretEvent, SecretEventKind, SecretId, SecretStore, SecretVersion,
};
use keyvault_test_support::deadline::on_a_watched_thread;
use keyvault_test_support::store::FakeStore;
use tokio::time::{Instant, sleep, timeout};

use super::story::{MINUTE, Settings, Story};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

fn news(name: &str, version: &SecretVersion) -> SecretEvent {
    SecretEvent::new(id(name).with_version(version.clone()), SecretEventKind::NewVersion)
}

/// Sets a secret as if it were made that many seconds from now: dates have whole seconds, by which versions are told apart.
fn dated(story: &Story, name: &str, text: &str, second: u64) -> SecretVersion {
    let made = SystemTime::now() + Duration::from_secs(second);
    story.vault.set_with(name, text, |properties| properties.set_created(made)).unwrap()
}

/// Settings that are polled once an hour, so that what happens before is an event's doing.
async fn start(story: &Story) -> Live<Settings> {
    story.layered().refresh_every(HOUR).event_spread(Duration::ZERO).start().await.unwrap()
}

/// Waits until the loop has nothing more to do.
async fn settled() {
    sleep(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_has_exactly_its_secret_asked_for_at_once() {
    let story = Story::begin();
    let live = start(&story).await;
    let mut watcher = live.watch();
    let before = story.vault.reads();
    let version = story.vault.set("password", "second").unwrap();
    let told = Instant::now();
    live.notify(news("password", &version));
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
    assert_eq!(told.elapsed(), Duration::ZERO, "with no spread, nothing but the vault is waited for");
    assert_eq!(live.current().password, "second");
    assert_eq!(story.vault.reads().gets, before.gets + 1, "the user is not asked for");
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_visible_a_round_trip_after_the_event() {
    const ROUND_TRIP: Duration = Duration::from_millis(30);
    let story = Story::begin();
    story.vault.on_get(|_| async move {
        sleep(ROUND_TRIP).await;
        Ok(())
    });
    let (events, stream) = futures::channel::mpsc::unbounded();
    let builder = story.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    for round in 0..10 {
        let before = story.vault.reads();
        let password = format!("password {round}");
        let version = dated(&story, "password", &password, round);
        let told = Instant::now();
        events.unbounded_send(news("password", &version)).unwrap();
        watcher.changed().await.unwrap();
        // Under a paused clock nothing takes time but the vault.
        assert_eq!(told.elapsed(), ROUND_TRIP);
        assert_eq!(live.current().password, password);
        let after = story.vault.reads();
        assert_eq!((after.gets - before.gets, after.lists - before.lists), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn instances_spread_what_one_event_makes_them_ask_for() {
    let story = Story::begin();
    let mut delays = Vec::new();
    for round in 0..20 {
        let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
        let mut watcher = live.watch();
        let version = story.vault.set("password", format!("password {round}")).unwrap();
        let told = Instant::now();
        live.notify(news("password", &version));
        watcher.changed().await.unwrap();
        delays.push(told.elapsed());
    }
    assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(31)), "{delays:?}");
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 15 && delays[delays.len() - 1] > Duration::from_secs(15), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_tells_nothing_new_costs_nothing() {
    let story = Story::begin();
    let first = story.set_long_ago("password", "first");
    let live = start(&story).await;
    let version = story.vault.set("password", "second").unwrap();
    live.notify(news("password", &version));
    settled().await;
    let before = story.vault.reads();
    let elsewhere = SecretId::parse("https://fabrikam.vault.azure.net/secrets/password").unwrap();
    let heeded = || live.health().push.unwrap().heeded;
    let heeded_before = heeded();
    for event in [
        news("password", &version),
        news("password", &first),
        news("nobody-uses-it", &version),
        SecretEvent::new(elsewhere.with_version(version.clone()), SecretEventKind::NewVersion),
        SecretEvent::new(id("nobody-uses-it"), SecretEventKind::Expired),
        SecretEvent::new(id("password").with_version(first), SecretEventKind::Expired),
    ] {
        live.notify(event.clone());
        live.notify(event.clone());
        settled().await;
        assert_eq!((story.vault.reads(), heeded()), (before, heeded_before), "{event:?}");
    }
    assert_eq!(live.current().password, "second");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_has_its_secret_asked_for_once() {
    let story = Story::begin();
    let version = story.vault.set("password", "first").unwrap();
    let live = start(&story).await;
    let before = story.vault.reads();
    for _ in 0..5 {
        live.notify(SecretEvent::new(id("password").with_version(version.clone()), SecretEventKind::NearExpiry));
        settled().await;
    }
    assert_eq!(story.vault.reads().gets, before.gets + 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_the_order_of_events_the_newest_version_is_the_latest() {
    let story = Story::begin();
    let live = start(&story).await;
    let second = dated(&story, "password", "second", 10);
    let third = dated(&story, "password", "third", 20);
    for event in [&third, &second, &third, &second] {
        live.notify(news("password", event));
    }
    settled().await;
    assert_eq!(live.current().password, "third");
    live.notify(news("password", &second));
    settled().await;
    assert_eq!(live.current().password, "third", "an older version does not come back");
    // Two versions of one second: no date tells which is newer, so the vault is asked.
    let fourth = dated(&story, "password", "fourth", 30);
    dated(&story, "password", "fifth", 30);
    live.notify(news("password", &fourth));
    settled().await;
    live.notify(SecretEvent::new(id("password"), SecretEventKind::NewVersion));
    settled().await;
    assert_eq!(live.current().password, "fifth");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_costs_what_the_secrets_of_the_settings_cost() {
    let story = Story::begin();
    let live = start(&story).await;
    let before = story.vault.reads();
    let used = story.vault.set("password", "second").unwrap();
    for round in 0..100_000_u64 {
        let version = SecretVersion::parse(&format!("{round:032x}")).unwrap();
        live.notify(news(&format!("unused-{round}"), &version));
        live.notify(news("password", &used));
        live.notify(news("user", &version));
    }
    settled().await;
    assert_eq!(live.current().password, "second");
    let after = story.vault.reads();
    assert!(after.gets - before.gets <= 4, "{before:?} {after:?}");
    assert_eq!(live.refresh_now().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_that_the_names_take_has_everything_asked_for() {
    let story = Story::begin();
    story.write("user", "ann");
    story.write("password", "plain");
    story.set_long_ago("named-a", "x");
    let builder = story.layered().names(NameMap::new().prefix("named-")).refresh_every(HOUR);
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    let before = story.vault.reads();
    let version = story.set_long_ago("named-b", "new");
    live.notify(news("named-b", &version));
    settled().await;
    assert_eq!(story.vault.reads().lists, before.lists + 1);
    assert_eq!(story.vault.reads().gets, before.gets + 1);
    let before = story.vault.reads();
    let version = story.vault.set("named-b", "newer").unwrap();
    live.notify(news("named-b", &version));
    settled().await;
    let after = story.vault.reads();
    assert_eq!((after.lists, after.gets), (before.lists, before.gets + 1), "a known name needs no list");
    let version = story.vault.set("other", "x").unwrap();
    live.notify(news("other", &version));
    settled().await;
    assert_eq!(story.vault.reads(), after, "the names do not take it");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_everywhere_yet_is_looked_for_again() {
    let story = Story::begin();
    // A machine of the vault that learns late of the new version.
    let (tries, known) = (Arc::new(AtomicU64::new(0)), story.password());
    let lagging = FakeStore::new(&story.vault).get(move |vault, id| {
        let (known, tries) = (known.clone(), Arc::clone(&tries));
        async move {
            if id.name().as_str() != "password" || tries.load(Ordering::Relaxed) == 3 {
                return vault.get(&id).await;
            }
            if id.version().is_some_and(|version| *version != known) {
                tries.fetch_add(1, Ordering::Relaxed);
                return Err(Error::new(ErrorKind::NotFound, "secret not found").about(&id));
            }
            vault.get(&id.with_version(known)).await
        }
    });
    let live: Live<Settings> =
        story.layered_over(lagging).refresh_every(HOUR).event_spread(Duration::ZERO).start().await.unwrap();
    let mut watcher = live.watch();
    let version = story.vault.set("password", "second").unwrap();
    live.notify(news("password", &version));
    let change = timeout(MINUTE, watcher.changed()).await.expect("long before the next poll").unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(live.current().password, "second");
    assert_eq!(live.health().consecutive_failures, 0, "an event that is ahead of the vault is no failure");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_version_that_there_is_not_is_dropped_in_the_end() {
    let story = Story::begin();
    let live = start(&story).await;
    let before = story.vault.reads();
    live.notify(news("password", &SecretVersion::parse(&"0".repeat(32)).unwrap()));
    sleep(MINUTE * 10).await;
    let after = story.vault.reads();
    assert!(after.gets - before.gets <= 12, "{before:?} {after:?}");
    assert!(live.health().is_healthy() && live.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_event_during_an_outage_is_not_lost() {
    let story = Story::begin();
    let live = start(&story).await;
    let mut watcher = live.watch();
    let version = story.vault.set("password", "second").unwrap();
    story.vault.fail(Error::new(ErrorKind::Unavailable, "down"));
    live.notify(news("password", &version));
    assert!(matches!(watcher.next().await, Some(keyvault::Notice::Failed(_))));
    sleep(MINUTE).await;
    story.vault.fail(None);
    timeout(MINUTE * 2, watcher.changed()).await.expect("tried again with growing pauses").unwrap();
    assert_eq!(live.current().password, "second");
    assert!(live.health().last_error.is_none(), "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn one_secret_that_could_be_read_does_not_make_old_settings_fresh() {
    let story = Story::begin();
    let live = start(&story).await;
    sleep(MINUTE * 30).await;
    let version = story.vault.set("password", "second").unwrap();
    live.notify(news("password", &version));
    settled().await;
    assert_eq!(live.current().password, "second");
    assert!(live.health().age > MINUTE * 30, "{:?}", live.health().age);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_is_listened_to_and_its_end_or_panic_is_survived() {
    let story = Story::begin();
    let (events, stream) = futures::channel::mpsc::unbounded();
    let builder = story.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let panics = stream::once(async { panic!("the source panics") }).map(|(): ()| PushEvent::MayHaveLost);
    let live: Live<Settings> = builder.events(panics).start().await.unwrap();
    let mut watcher = live.watch();
    settled().await;
    let version = story.vault.set("password", "second").unwrap();
    events.unbounded_send(news("password", &version)).unwrap();
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
    drop(events);
    let before = story.vault.reads();
    settled().await;
    assert_eq!(story.vault.reads().gets, before.gets + 2, "what may be lost is checked once");
    assert_eq!(live.refresh_now().await.unwrap(), None, "the loop is alive");
}

/// The loop listens while it refreshes, and gives up listening the moment that the refresh ends.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_told_just_as_a_refresh_ends_is_not_lost() {
    let story = Story::begin();
    let (events, stream) = futures::channel::mpsc::unbounded();
    let to_tell = Arc::new(Mutex::new(None::<(SecretEvent, usize)>));
    let telling = Arc::clone(&to_tell);
    story.vault.on_get(move |_| {
        let (events, telling) = (events.clone(), Arc::clone(&telling));
        async move {
            let told = telling.lock().unwrap().take();
            if let Some((event, turns)) = told {
                // So many turns of the loop before the answer that ends the refresh.
                events.unbounded_send(event).unwrap();
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Ok(())
        }
    });
    let builder = story.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let live: Live<Settings> = builder.start().await.unwrap();
    // The loop looks at what is ready in random order, so each number of turns has many tries.
    for round in 0..80 {
        let user = format!("user {round}");
        let version = story.vault.set("user", user.as_str()).unwrap();
        *to_tell.lock().unwrap() = Some((news("user", &version), round % 4));
        let version = story.vault.set("password", format!("password {round}")).unwrap();
        live.notify(news("password", &version));
        sleep(Duration::from_secs(1)).await;
        assert!(to_tell.lock().unwrap().is_none(), "it was told during the refresh of the password");
        assert_eq!(live.current().user, user, "in round {round} the event is lost");
    }
}

#[test]
fn a_stream_that_never_pauses_leaves_a_turn_to_everything_else() {
    on_a_watched_thread(|| async {
        let story = Story::begin();
        let event = news("user", &SecretVersion::parse(&"0".repeat(32)).unwrap());
        let endless = stream::repeat(event);
        let live: Live<Settings> = story.layered().event_spread(HOUR).events(endless).start().await.unwrap();
        story.rotate("second");
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "second");
        live.shutdown().await;
    });
}
