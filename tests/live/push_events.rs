//! An event makes exactly its secret due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::stream::{self, StreamExt};
use keyvault::push::{PushEvent, SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Live, NameMap, SecretId, SecretStore, SecretVersion};
use keyvault_test_support::deadline::on_a_watched_thread;
use keyvault_test_support::store::FakeStore;
use tokio::time::{Instant, sleep, timeout};

use super::service::{MINUTE, Service, Settings};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

fn new_version(name: &str, version: &SecretVersion) -> SecretEvent {
    SecretEvent::new(id(name).with_version(version.clone()), SecretEventKind::NewVersion)
}

/// Sets a secret dated this many seconds from now. Versions are ordered by dates, which have whole seconds.
fn dated(service: &Service, name: &str, text: &str, second: u64) -> SecretVersion {
    let made = SystemTime::now() + Duration::from_secs(second);
    service.vault.set_with(name, text, |properties| properties.set_created(made)).unwrap()
}

/// Starts settings with an hourly poll, so that any earlier refresh is due to an event.
async fn start(service: &Service) -> Live<Settings> {
    service.layered().refresh_every(HOUR).event_spread(Duration::ZERO).start().await.unwrap()
}

/// Waits until the loop is idle.
async fn settled() {
    sleep(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_fetches_exactly_its_secret_at_once() {
    let service = Service::new();
    let live = start(&service).await;
    let mut watcher = live.watch();
    let before = service.vault.reads();
    let version = service.vault.set("password", "second").unwrap();
    let announced = Instant::now();
    live.notify(new_version("password", &version));
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
    assert_eq!(announced.elapsed(), Duration::ZERO, "without a spread, only the vault takes time");
    assert_eq!(live.current().password, "second");
    assert_eq!(service.vault.reads().gets, before.gets + 1, "the user is not fetched");
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_visible_a_round_trip_after_the_event() {
    const ROUND_TRIP: Duration = Duration::from_millis(30);
    let service = Service::new();
    service.vault.on_get(|_| async move {
        sleep(ROUND_TRIP).await;
        Ok(())
    });
    let (events, stream) = futures::channel::mpsc::unbounded();
    let builder = service.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let live: Live<Settings> = builder.start().await.unwrap();
    let mut watcher = live.watch();
    for round in 0..10 {
        let before = service.vault.reads();
        let password = format!("password {round}");
        let version = dated(&service, "password", &password, round);
        let announced = Instant::now();
        events.unbounded_send(new_version("password", &version)).unwrap();
        watcher.changed().await.unwrap();
        // Under a paused clock only the vault takes time.
        assert_eq!(announced.elapsed(), ROUND_TRIP);
        assert_eq!(live.current().password, password);
        let after = service.vault.reads();
        assert_eq!((after.gets - before.gets, after.lists - before.lists), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn instances_spread_their_requests_for_one_event() {
    let service = Service::new();
    let mut delays = Vec::new();
    for round in 0..20 {
        let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
        let mut watcher = live.watch();
        let version = service.vault.set("password", format!("password {round}")).unwrap();
        let announced = Instant::now();
        live.notify(new_version("password", &version));
        watcher.changed().await.unwrap();
        delays.push(announced.elapsed());
    }
    assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(31)), "{delays:?}");
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 15 && delays[delays.len() - 1] > Duration::from_secs(15), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_known_version_costs_no_request() {
    let service = Service::new();
    let first = service.set_long_ago("password", "first");
    let live = start(&service).await;
    let version = service.vault.set("password", "second").unwrap();
    live.notify(new_version("password", &version));
    settled().await;
    let before = service.vault.reads();
    let elsewhere = SecretId::parse("https://fabrikam.vault.azure.net/secrets/password").unwrap();
    let heeded = || live.health().push.unwrap().heeded;
    let heeded_before = heeded();
    for event in [
        new_version("password", &version),
        new_version("password", &first),
        new_version("nobody-uses-it", &version),
        SecretEvent::new(elsewhere.with_version(version.clone()), SecretEventKind::NewVersion),
        SecretEvent::new(id("nobody-uses-it"), SecretEventKind::Expired),
        SecretEvent::new(id("password").with_version(first), SecretEventKind::Expired),
    ] {
        live.notify(event.clone());
        live.notify(event.clone());
        settled().await;
        assert_eq!((service.vault.reads(), heeded()), (before, heeded_before), "{event:?}");
    }
    assert_eq!(live.current().password, "second");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_event_fetches_its_secret_once() {
    let service = Service::new();
    let version = service.vault.set("password", "first").unwrap();
    let live = start(&service).await;
    let before = service.vault.reads();
    for _ in 0..5 {
        live.notify(SecretEvent::new(id("password").with_version(version.clone()), SecretEventKind::NearExpiry));
        settled().await;
    }
    assert_eq!(service.vault.reads().gets, before.gets + 1);
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_wins_in_any_order_of_events() {
    let service = Service::new();
    let live = start(&service).await;
    let second = dated(&service, "password", "second", 10);
    let third = dated(&service, "password", "third", 20);
    for event in [&third, &second, &third, &second] {
        live.notify(new_version("password", event));
    }
    settled().await;
    assert_eq!(live.current().password, "third");
    live.notify(new_version("password", &second));
    settled().await;
    assert_eq!(live.current().password, "third", "an older version does not come back");
    // Two versions with the same second: no date orders them, so the vault decides.
    let fourth = dated(&service, "password", "fourth", 30);
    dated(&service, "password", "fifth", 30);
    live.notify(new_version("password", &fourth));
    settled().await;
    live.notify(SecretEvent::new(id("password"), SecretEventKind::NewVersion));
    settled().await;
    assert_eq!(live.current().password, "fifth");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_costs_what_the_secrets_of_the_settings_cost() {
    let service = Service::new();
    let live = start(&service).await;
    let before = service.vault.reads();
    let used = service.vault.set("password", "second").unwrap();
    for round in 0..100_000_u64 {
        let version = SecretVersion::parse(&format!("{round:032x}")).unwrap();
        live.notify(new_version(&format!("unused-{round}"), &version));
        live.notify(new_version("password", &used));
        live.notify(new_version("user", &version));
    }
    settled().await;
    assert_eq!(live.current().password, "second");
    let after = service.vault.reads();
    assert!(after.gets - before.gets <= 4, "{before:?} {after:?}");
    assert_eq!(live.refresh_now().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_new_mapped_secret_causes_a_full_refresh() {
    let service = Service::new();
    service.write("user", "ann");
    service.write("password", "plain");
    service.set_long_ago("named-a", "x");
    let builder = service.layered().names(NameMap::new().prefix("named-")).refresh_every(HOUR);
    let live: Live<Settings> = builder.event_spread(Duration::ZERO).start().await.unwrap();
    let before = service.vault.reads();
    let version = service.set_long_ago("named-b", "new");
    live.notify(new_version("named-b", &version));
    settled().await;
    assert_eq!(service.vault.reads().lists, before.lists + 1);
    assert_eq!(service.vault.reads().gets, before.gets + 1);
    let before = service.vault.reads();
    let version = service.vault.set("named-b", "newer").unwrap();
    live.notify(new_version("named-b", &version));
    settled().await;
    let after = service.vault.reads();
    assert_eq!((after.lists, after.gets), (before.lists, before.gets + 1), "a known name needs no list");
    let version = service.vault.set("other", "x").unwrap();
    live.notify(new_version("other", &version));
    settled().await;
    assert_eq!(service.vault.reads(), after, "the names do not take it");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_replicated_yet_is_retried() {
    let service = Service::new();
    // A replica of the vault that receives the new version late.
    let (tries, known) = (Arc::new(AtomicU64::new(0)), service.password());
    let lagging = FakeStore::new(&service.vault).get(move |vault, id| {
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
        service.layered_over(lagging).refresh_every(HOUR).event_spread(Duration::ZERO).start().await.unwrap();
    let mut watcher = live.watch();
    let version = service.vault.set("password", "second").unwrap();
    live.notify(new_version("password", &version));
    let change = timeout(MINUTE, watcher.changed()).await.expect("long before the next poll").unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(live.current().password, "second");
    assert_eq!(live.health().consecutive_failures, 0, "an event ahead of the vault is no failure");
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_version_that_does_not_exist_is_dropped_eventually() {
    let service = Service::new();
    let live = start(&service).await;
    let before = service.vault.reads();
    live.notify(new_version("password", &SecretVersion::parse(&"0".repeat(32)).unwrap()));
    sleep(MINUTE * 10).await;
    let after = service.vault.reads();
    assert!(after.gets - before.gets <= 12, "{before:?} {after:?}");
    assert!(live.health().is_healthy() && live.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_event_during_an_outage_is_not_lost() {
    let service = Service::new();
    let live = start(&service).await;
    let mut watcher = live.watch();
    let version = service.vault.set("password", "second").unwrap();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "down"));
    live.notify(new_version("password", &version));
    assert!(matches!(watcher.next().await, Some(keyvault::Notice::Failed(_))));
    sleep(MINUTE).await;
    service.vault.fail(None);
    timeout(MINUTE * 2, watcher.changed()).await.expect("tried again with growing pauses").unwrap();
    assert_eq!(live.current().password, "second");
    assert!(live.health().last_error.is_none(), "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn reading_one_secret_does_not_make_old_settings_fresh() {
    let service = Service::new();
    let live = start(&service).await;
    sleep(MINUTE * 30).await;
    let version = service.vault.set("password", "second").unwrap();
    live.notify(new_version("password", &version));
    settled().await;
    assert_eq!(live.current().password, "second");
    assert!(live.health().age > MINUTE * 30, "{:?}", live.health().age);
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_is_polled_and_its_end_or_panic_is_survived() {
    let service = Service::new();
    let (events, stream) = futures::channel::mpsc::unbounded();
    let builder = service.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let panics = stream::once(async { panic!("the source panics") }).map(|(): ()| PushEvent::MayHaveLost);
    let live: Live<Settings> = builder.events(panics).start().await.unwrap();
    let mut watcher = live.watch();
    settled().await;
    let version = service.vault.set("password", "second").unwrap();
    events.unbounded_send(new_version("password", &version)).unwrap();
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
    drop(events);
    let before = service.vault.reads();
    settled().await;
    assert_eq!(service.vault.reads().gets, before.gets + 2, "the possible loss is checked once");
    assert_eq!(live.refresh_now().await.unwrap(), None, "the loop is alive");
}

/// The loop listens while it refreshes, and stops listening when the refresh ends.
#[tokio::test(start_paused = true)]
async fn an_event_at_the_end_of_a_refresh_is_not_lost() {
    let service = Service::new();
    let (events, stream) = futures::channel::mpsc::unbounded();
    let announcement = Arc::new(Mutex::new(None::<(SecretEvent, usize)>));
    let pending = Arc::clone(&announcement);
    service.vault.on_get(move |_| {
        let (events, pending) = (events.clone(), Arc::clone(&pending));
        async move {
            let next = pending.lock().unwrap().take();
            if let Some((event, turns)) = next {
                // Yields this many times before the response that ends the refresh.
                events.unbounded_send(event).unwrap();
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Ok(())
        }
    });
    let builder = service.layered().refresh_every(HOUR).event_spread(Duration::ZERO).events(stream);
    let live: Live<Settings> = builder.start().await.unwrap();
    // The loop polls its ready futures in random order, so each number of yields gets many attempts.
    for round in 0..80 {
        let user = format!("user {round}");
        let version = service.vault.set("user", user.as_str()).unwrap();
        *announcement.lock().unwrap() = Some((new_version("user", &version), round % 4));
        let version = service.vault.set("password", format!("password {round}")).unwrap();
        live.notify(new_version("password", &version));
        sleep(Duration::from_secs(1)).await;
        assert!(announcement.lock().unwrap().is_none(), "the event arrived during the refresh of the password");
        assert_eq!(live.current().user, user, "in round {round} the event is lost");
    }
}

#[test]
fn a_stream_that_is_always_ready_does_not_starve_the_loop() {
    on_a_watched_thread(|| async {
        let service = Service::new();
        let event = new_version("user", &SecretVersion::parse(&"0".repeat(32)).unwrap());
        let endless = stream::repeat(event);
        let live: Live<Settings> = service.layered().event_spread(HOUR).events(endless).start().await.unwrap();
        service.rotate("second");
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "second");
        live.shutdown().await;
    });
}
