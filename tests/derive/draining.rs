//! A replaced resource is drained, and the number of live resources stays bounded.

use std::sync::Arc;
use std::time::Duration;

use keyvault::ValidationError;
use keyvault_test_support::deadline::within_an_hour;
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Pool, Service, Settings};

#[tokio::test(start_paused = true)]
async fn a_replaced_resource_is_drained_after_the_grace() {
    let service = Service::new();
    let live = service.live().await;
    let probing = service.clone();
    let probe = move |new: Arc<Pool>| {
        probing.say(format!("probe {}", new.password));
        async { Ok(()) }
    };
    let pool = service.drained(&live).probe(probe).grace(MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    service.said();
    service.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    let replaced = Instant::now();
    sleep(MINUTE - Duration::from_secs(1)).await;
    assert_eq!(service.said(), ["build second", "probe second"], "a reader of the old resource keeps it");
    service.alive(1).await;
    assert_eq!(service.said(), ["drain first"]);
    assert_eq!(replaced.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn without_a_drain_the_old_one_is_dropped_at_once_and_ends_with_its_last_reader() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.derive(&live).await.unwrap();
    let held = pool.current();
    let mut watcher = pool.watch();
    service.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    assert_eq!(*service.alive.borrow(), 2);
    drop(held);
    assert_eq!(*service.alive.borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_hangs_or_panics_is_given_up() {
    let service = Service::new();
    let live = service.live().await;
    let drain = |old: Arc<Pool>| async move {
        match old.password.as_str() {
            "first" => std::future::pending().await,
            _ => panic!("the drain panics"),
        }
    };
    let builder = service.derive(&live).drain(drain).grace(MINUTE).drain_deadline(MINUTE / 2);
    let pool = builder.await.unwrap();
    let begun = Instant::now();
    let mut watcher = pool.watch();
    service.rotate(&live, "second").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    service.alive(1).await;
    assert_eq!(begun.elapsed().as_secs(), 90);
    service.rotate(&live, "third").await;
    within_an_hour(watcher.replaced()).await.unwrap();
    service.alive(1).await;
    assert_eq!(pool.current().password, "third", "it goes on");
}

#[tokio::test(start_paused = true)]
async fn rapid_rotations_keep_a_bounded_number_of_resources() {
    let service = Service::new();
    let live = service.live().await;
    let slow_drain = |_: Arc<Pool>| sleep(Duration::from_secs(2));
    let pool = service.derive(&live).drain(slow_drain).grace(MINUTE * 60).keep_old(2).await.unwrap();
    let mut most = 0;
    let mut alive = service.alive.subscribe();
    let counting = tokio::spawn(async move {
        while alive.changed().await.is_ok() {
            most = most.max(*alive.borrow_and_update());
            if most > 3 || *alive.borrow() == 0 {
                break;
            }
        }
        most
    });
    for n in 0..200 {
        service.rotate(&live, &format!("password {n}")).await;
    }
    let mut watcher = pool.watch();
    while pool.health().behind.is_some() || pool.health().generation < 201 {
        within_an_hour(watcher.replaced()).await.unwrap();
    }
    assert_eq!(pool.current().password, "password 199", "the last one wins");
    within_an_hour(pool.shutdown()).await;
    drop(pool);
    service.alive(0).await;
    assert_eq!(counting.await.unwrap(), 3, "two old ones and the current");
}

#[tokio::test(start_paused = true)]
async fn the_grace_is_cut_short_for_the_oldest_only() {
    let service = Service::new();
    let live = service.live().await;
    let pool = service.drained(&live).grace(MINUTE).keep_old(2).await.unwrap();
    let mut watcher = pool.watch();
    let begun = Instant::now();
    for password in ["second", "third", "fourth"] {
        service.rotate(&live, password).await;
        within_an_hour(watcher.replaced()).await.unwrap();
    }
    let drains = || service.said().into_iter().filter(|said| said.starts_with("drain")).collect::<Vec<_>>();
    assert_eq!(drains(), ["drain first"]);
    assert_eq!(begun.elapsed().as_secs(), 0);
    service.alive(1).await;
    assert_eq!(drains(), ["drain second", "drain third"]);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_destructor_that_panics_does_not_end_the_following() {
    struct Angry(String);
    impl Drop for Angry {
        fn drop(&mut self) {
            assert_ne!(self.0, "first", "the destructor panics");
        }
    }
    let service = Service::new();
    let live = service.live().await;
    let build = async |settings: Arc<Settings>| Ok::<_, ValidationError>(Angry(settings.database.password.clone()));
    let angry = live.derive(["database"], build).await.unwrap();
    let mut watcher = angry.watch();
    for password in ["second", "third"] {
        service.rotate(&live, password).await;
        within_an_hour(watcher.replaced()).await.unwrap();
        assert_eq!(angry.current().0, password);
    }
}
