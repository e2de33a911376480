//! Settings whose background task ended by itself show it at once.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use keyvault::derive::DerivedNotice;
use keyvault::{Error, ErrorKind, Health, Live, Notice, ValidationError};
use keyvault_test_support::store::Switch;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::service::{Fault, MINUTE, Service, Settings};

fn runtimes() -> [(&'static str, Runtime); 2] {
    [
        ("a multi-threaded runtime", Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()),
        ("a runtime of one thread", Builder::new_current_thread().enable_all().build().unwrap()),
    ]
}

fn assert_is_lost(health: &Health, reason: &str) {
    assert!(!health.is_healthy() && !health.is_following, "{health:?}");
    assert_eq!(health.next_refresh, None);
    assert!(health.last_error.as_ref().unwrap().to_string().contains(reason), "{health:?}");
}

#[test]
fn the_end_of_the_runtime_turns_health_red_and_ends_calls_and_watchers() {
    for (what, runtime) in runtimes() {
        let live: Live<Settings> = runtime.block_on(Service::new().layered().start()).unwrap();
        let mut watcher = live.watch();
        assert!(live.health().is_healthy() && live.health().is_following, "{what}");
        drop(runtime);
        assert_is_lost(&live.health(), "the runtime of the start was shut down");
        for error in [
            block_on(live.refresh_now()).unwrap_err(),
            block_on(live.refresh_if_due()).unwrap_err(),
            block_on(live.report_rejected("password")).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}");
            assert!(error.to_string().contains("runtime of the start was shut down"), "{what}: {error}");
        }
        assert!(
            matches!(block_on(watcher.next()), Some(Notice::Failed(error)) if error.to_string().contains("runtime"))
        );
        assert!(block_on(watcher.next()).is_none(), "{what}");
        assert_eq!(live.current().password, "first", "{what}");
        block_on(live.shutdown());
        let health = serde_json::to_value(live.health()).unwrap();
        assert_eq!((&health["is_healthy"], &health["is_following"]), (&false.into(), &false.into()));
    }
}

#[test]
fn callers_and_watchers_that_wait_already_learn_of_the_end_of_the_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let service = Service::new();
    let live: Live<Settings> = runtime.block_on(service.layered().start()).unwrap();
    let hanging = service.password_fault(Fault::Hang);
    hanging.turn(true);
    let mut watcher = live.watch();
    let caller = live.clone();
    let (caller, watching) = (
        thread::spawn(move || block_on(caller.refresh_now())),
        thread::spawn(move || (block_on(watcher.next()), block_on(watcher.next()))),
    );
    // The refresh runs, so the caller waits for it.
    let begun = std::time::Instant::now();
    while live.health().next_refresh.is_some() {
        assert!(begun.elapsed() < MINUTE / 4, "the refresh of the caller does not begin");
        thread::yield_now();
    }
    drop(runtime);
    let error = caller.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("runtime of the start was shut down"), "{error}");
    let (failed, end) = watching.join().unwrap();
    assert!(matches!(failed, Some(Notice::Failed(_))) && end.is_none());
    assert_is_lost(&live.health(), "runtime");
}

#[test]
fn a_runtime_that_is_not_driven_turns_health_red_until_it_is() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let live: Live<Settings> = runtime.block_on(Service::new().layered().start()).unwrap();
    // The clock advances and no task runs.
    let after = |time| {
        let _entered = runtime.enter();
        _ = tokio::time::advance(time).now_or_never();
        live.health()
    };
    assert!(after(MINUTE).is_healthy(), "a refresh is hardly due");
    let health = after(MINUTE * 2);
    assert!(!health.is_healthy() && !health.is_following, "{health:?}");
    assert!(health.last_error.unwrap().to_string().contains("does not run"));
    runtime.block_on(live.refresh_now()).unwrap();
    let health = after(MINUTE / 60);
    assert!(health.is_healthy() && health.last_error.is_none(), "{health:?}");
}

#[test]
fn every_call_ends_within_its_deadline_while_the_runtime_of_the_start_does_not_run() {
    let idle = || Builder::new_current_thread().enable_all().build().unwrap();
    let (one, other) = (idle(), idle());
    let live: Live<Settings> = one.block_on(Service::new().layered().refresh_deadline(MINUTE).start()).unwrap();
    let longest = MINUTE + Duration::from_secs(1);
    let caller = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    caller.block_on(async {
        // More calls than the loop keeps for later.
        for _ in 0..10 {
            let began = Instant::now();
            for error in [live.refresh_now().await.unwrap_err(), live.report_rejected("password").await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(error.to_string().contains("the runtime of the start does not run"), "{error}");
            }
            assert!(began.elapsed() <= longest * 2);
        }
        let began = Instant::now();
        live.shutdown().await;
        assert!(began.elapsed() <= Duration::from_secs(10));
    });
    let error = one.block_on(live.refresh_now()).unwrap_err();
    assert!(error.to_string().contains("no longer refreshed"), "the loop ends when its runtime runs again: {error}");

    // A caller without timers.
    let builder = Service::new().layered().refresh_deadline(Duration::from_millis(1));
    let live: Live<Settings> = other.block_on(builder.start()).unwrap();
    let began = std::time::Instant::now();
    let error = block_on(live.refresh_now()).unwrap_err();
    assert!(error.to_string().contains("the runtime of the start does not run"), "{error}");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn every_call_on_the_runtime_of_the_start_ends_in_time_while_no_thread_drives_it() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let later = Switch::default();
    let switch = later.clone();
    let clock = move || SystemTime::now() + if switch.is_on() { MINUTE * 60 } else { Duration::ZERO };
    let builder = Service::new().layered().refresh_deadline(Duration::from_millis(1)).wall_clock(clock);
    let live: Live<Settings> = runtime.block_on(builder.start()).unwrap();
    let derive = live.derive(["password"], build).drain_deadline(Duration::from_millis(1));
    let derived = runtime.block_on(derive.into_future()).unwrap();
    later.turn(true);
    let (sender, results) = mpsc::channel();
    let call = |what, future: BoxFuture<'static, Option<Error>>| {
        let (handle, sender) = (runtime.handle().clone(), sender.clone());
        thread::spawn(move || sender.send((what, handle.block_on(future))));
    };
    let [now, due, rejected, shutdown] = [(); 4].map(|()| live.clone());
    call("refresh_now", async move { now.refresh_now().await.err() }.boxed());
    call("refresh_if_due", async move { due.refresh_if_due().await.err() }.boxed());
    call("report_rejected", async move { rejected.report_rejected("password").await.err() }.boxed());
    call("shutdown", async move { shutdown.shutdown().await }.map(|()| None).boxed());
    call("shutdown of a derived resource", async move { derived.shutdown().await }.map(|()| None).boxed());
    for _ in 0..5 {
        let (what, error) = results.recv_timeout(MINUTE / 2).expect("the call ends");
        if !what.starts_with("shutdown") {
            let error = error.unwrap().to_string();
            assert!(error.contains("the runtime of the start does not run"), "{what}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_task_turns_health_red() {
    let panics = Switch::default();
    let switch = panics.clone();
    let clock = move || {
        if switch.is_on() {
            switch.turn(false);
            panic!("the clock is broken");
        }
        SystemTime::now()
    };
    let live: Live<Settings> = Service::new().layered().wall_clock(clock).start().await.unwrap();
    let mut watcher = live.watch();
    panics.turn(true);
    let error = live.refresh_now().await.unwrap_err();
    assert!(error.to_string().contains("the background task panicked"), "{error}");
    assert_is_lost(&live.health(), "the background task panicked");
    assert!(matches!(watcher.next().await, Some(Notice::Failed(_))));
    assert!(watcher.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn shutdown_turns_health_red_without_an_error() {
    let live: Live<Settings> = Service::new().layered().start().await.unwrap();
    live.shutdown().await;
    let health = live.health();
    assert!(!health.is_healthy() && !health.is_following && health.last_error.is_none(), "{health:?}");
    assert!(live.watch().next().await.is_none());
}

async fn build(settings: Arc<Settings>) -> Result<String, ValidationError> {
    Ok(settings.password.clone())
}

#[test]
fn a_derived_resource_shows_the_end_of_either_runtime() {
    for (what, runtime) in runtimes() {
        let service = Service::new();
        let own = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let live: Live<Settings> = runtime.block_on(service.layered().start()).unwrap();
        let (here, elsewhere) = (
            runtime.block_on(live.derive(["password"], build).into_future()).unwrap(),
            own.block_on(live.derive(["password"], build).into_future()).unwrap(),
        );
        let mut watchers = [here.watch(), elsewhere.watch()];
        assert!(here.health().is_healthy() && elsewhere.health().is_healthy(), "{what}");
        drop(runtime);
        for watcher in &mut watchers {
            let notice = block_on(watcher.next());
            assert!(
                matches!(&notice, Some(DerivedNotice::Failed(e)) if e.to_string().contains("runtime")),
                "{notice:?}"
            );
            assert!(block_on(watcher.next()).is_none(), "{what}");
        }
        for derived in [here, elsewhere] {
            let health = derived.health();
            assert!(!health.is_healthy() && !health.is_following && health.next_build.is_none(), "{what}: {health:?}");
            assert!(health.last_error.unwrap().to_string().contains("runtime"), "{what}");
            assert_eq!(*derived.current(), "first");
            block_on(derived.shutdown());
        }
    }
}

#[test]
fn the_end_of_a_derived_resources_runtime_leaves_the_settings_alone() {
    let [(_, one), (_, other)] = runtimes();
    let live: Live<Settings> = one.block_on(Service::new().layered().start()).unwrap();
    let derived = other.block_on(live.derive(["password"], build).into_future()).unwrap();
    drop(other);
    assert!(live.health().is_healthy());
    let health = derived.health();
    assert!(!health.is_following && health.last_error.unwrap().to_string().contains("the runtime of its task"));
}

#[test]
fn a_program_without_a_runtime_starts_on_one_of_its_own() {
    let service = Service::new();
    let (alive, ended) = mpsc::channel::<()>();
    let check = move |_: &Settings| {
        let _held = &alive;
        Ok::<_, ValidationError>(())
    };
    let builder = service.layered().event_spread(Duration::ZERO).validate(check);
    let live = builder.start_blocking::<Settings>().unwrap();
    let mut watcher = live.watch();
    service.rotate("second");
    let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
    live.notify(keyvault::push::SecretEvent::new(id, keyvault::push::SecretEventKind::NewVersion));
    assert_eq!(block_on(watcher.changed()).unwrap().keys, ["password"]);
    service.rotate("third");
    keyvault::blocking::block_on(live.refresh_now()).unwrap().unwrap();
    assert_eq!(live.current().password, "third");
    assert!(live.health().is_healthy());
    let clone = live.clone();
    drop(live);
    assert!(block_on(clone.refresh_now()).unwrap().is_none(), "a clone keeps the thread");
    drop(clone);
    assert!(ended.recv().is_err(), "the task ends with the last handle");
}

#[test]
fn a_blocking_start_reports_what_start_reports() {
    let service = Service::new();
    service.vault.delete("password");
    let error = service.layered().start_blocking::<Settings>().unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::NotFound, Some("password")));
    let runtime = Runtime::new().unwrap();
    service.rotate("again");
    // It may run inside of a runtime too.
    let live = runtime.block_on(async { service.layered().start_blocking::<Settings>() }).unwrap();
    drop(runtime);
    assert!(live.health().is_healthy());
}
