//! Faulty input from the application is contained and reported: the last good settings stay and the loop continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyvault::push::{PushEvent, SecretEvent, SecretEventKind};
use keyvault::settings::{MappedSecrets, Mismatch};
use keyvault::{ErrorKind, Live, LiveBuilder, SecretId, SecretVersion};
use keyvault_test_support::store::Switch;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::service::{MINUTE, Service, Settings, Table};

#[tokio::test(start_paused = true)]
async fn a_layer_that_becomes_unreadable_fails_the_refresh() {
    let service = Service::new();
    let (layers, broken) = (service.clone(), Switch::default());
    let flag = broken.clone();
    let merge = move |_: &MappedSecrets| -> Result<Table, Mismatch> {
        if flag.is_on() { Err(Mismatch::new("layer cannot be read")) } else { Ok(layers.table()) }
    };
    let live: Live<Settings> =
        LiveBuilder::new(service.vault.clone(), merge).references_only().refresh_every(MINUTE).start().await.unwrap();
    broken.turn(true);
    service.rotate("second");
    let mut watcher = live.watch();
    assert!(
        matches!(watcher.next().await, Some(keyvault::Notice::Failed(error)) if error.kind() == ErrorKind::InvalidSettings)
    );
    assert_eq!(live.current().password, "first");
    broken.turn(false);
    timeout(MINUTE * 2, watcher.changed()).await.expect("the loop is alive").unwrap();
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_layer_broken_during_a_refresh_affects_the_next_refresh_only() {
    let (service, edits) = (Service::new(), Switch::default());
    let (layers, flag) = (service.clone(), edits.clone());
    service.vault.on_get(move |_| {
        if flag.is_on() {
            layers.write("password", "@KeyVault(SecretName=");
        }
        async move { Ok(()) }
    });
    let live: Live<Settings> = service.layered().start().await.unwrap();
    edits.turn(true);
    service.rotate("second");
    let change = live.refresh_now().await.expect("the layer read at the beginning counts").unwrap();
    assert_eq!((change.keys, live.current().password.as_str()), (vec!["password".to_owned()], "second"));
    assert_eq!(live.refresh_now().await.unwrap_err().setting(), Some("password"));
    assert_eq!(live.current().password, "second", "the last good settings stay");
    edits.turn(false);
    service.write("password", "@KeyVault(SecretName=password)");
    service.rotate("third");
    let mut watcher = live.watch();
    timeout(MINUTE * 2, watcher.changed()).await.expect("the loop is alive").unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_panicking_layer_fails_the_refresh() {
    let service = Service::new();
    let (layers, broken) = (service.clone(), Switch::default());
    let flag = broken.clone();
    let merge = move |_: &MappedSecrets| -> Result<Table, Mismatch> {
        assert!(!flag.is_on(), "the layer panics");
        Ok(layers.table())
    };
    let live: Live<Settings> =
        LiveBuilder::new(service.vault.clone(), merge).references_only().refresh_every(MINUTE).start().await.unwrap();
    broken.turn(true);
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::InvalidSettings);
    broken.turn(false);
    service.rotate("second");
    assert!(live.refresh_now().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_endless_flood_of_events_does_not_flood_the_vault() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().event_spread(Duration::ZERO).start().await.unwrap();
    let id = |name: &str| SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
    let new_version =
        |name: &str, version| SecretEvent::new(id(name).with_version(version), SecretEventKind::NewVersion);
    let before = service.vault.reads().gets;
    let mut rotated = None;
    // One minute, a hundred times per second.
    for round in 0..6_000_u64 {
        live.notify(new_version("user", SecretVersion::parse(&format!("{round:032x}")).unwrap()));
        live.notify(PushEvent::MayHaveLost);
        if round == 3_000 {
            let version = service.vault.set("password", "second").unwrap();
            live.notify(new_version("password", version));
            rotated = Some(Instant::now());
        }
        if let Some(at) = rotated.filter(|_| live.current().password == "second") {
            assert!(at.elapsed() <= Duration::from_secs(1), "{:?}", at.elapsed());
            rotated = None;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(rotated.is_none(), "an event in the flood is processed");
    let asked = service.vault.reads().gets - before;
    assert!(asked < 150, "{asked} in a minute");
}

/// Settings whose destructor panics for the first password.
#[derive(serde::Deserialize)]
struct Fragile {
    password: String,
}

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(self.password != "first", "the destructor panics");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_with_a_panicking_destructor_are_replaced_and_the_loop_continues() {
    let service = Service::new();
    let live: Live<Fragile> = service.layered().start().await.unwrap();
    for password in ["second", "third"] {
        service.rotate(password);
        let change = timeout(MINUTE * 2, live.refresh_now()).await.expect("the loop is alive").unwrap();
        assert_eq!(change.unwrap().keys, ["password"]);
        assert_eq!(live.current().password, password);
    }
    assert!(live.health().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_a_hanging_fetch_within_a_second() {
    let (service, hangs, reached) = (Service::new(), Switch::default(), Arc::new(Notify::new()));
    let (flag, signal) = (hangs.clone(), Arc::clone(&reached));
    service.vault.on_get(move |_| {
        let (hangs, reached) = (flag.is_on(), Arc::clone(&signal));
        async move {
            if hangs {
                reached.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    let live: Live<Settings> = service.layered().start().await.unwrap();
    hangs.turn(true);
    let ending = async {
        reached.notified().await;
        timeout(Duration::from_secs(1), live.shutdown()).await.expect("within a second");
    };
    let (refreshed, rejected, ()) = tokio::join!(live.refresh_now(), live.report_rejected("password"), ending);
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(rejected.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn dropping_every_handle_ends_a_hanging_fetch_and_the_event_sources() {
    let (service, hangs, alive) = (Service::new(), Switch::default(), Arc::new(AtomicUsize::new(0)));
    let (flag, count) = (hangs.clone(), Arc::clone(&alive));
    service.vault.on_get(move |_| {
        let (hangs, guard) = (flag.is_on(), Alive::new(&count));
        async move {
            let _guard = guard;
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    let guard = Alive::new(&alive);
    let source = futures::stream::pending::<keyvault::push::SecretEvent>();
    let source = futures::StreamExt::map(source, move |event| {
        let _guard = &guard;
        event
    });
    let live: Live<Settings> = service.layered().events(source).start().await.unwrap();
    let mut watcher = live.watch();
    hangs.turn(true);
    sleep(MINUTE * 2).await;
    assert!(alive.load(Ordering::Relaxed) >= 2, "a refresh hangs, and the source is listened to");
    drop(live);
    assert!(timeout(Duration::from_secs(1), watcher.next()).await.expect("within a second").is_none());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// Counts its live instances.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
