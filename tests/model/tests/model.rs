//! Each check runs under thousands of schedules, drawn at random and by priorities (PCT). Shuttle prints a schedule
//! that fails, and `shuttle::replay` repeats it.

use keyvault_model::checks;
use keyvault_model::live::{Notice, Publisher};
use shuttle::future::{block_on, spawn};
use shuttle::{check_pct, check_random};

fn check(scenario: impl Fn() + Clone + Send + Sync + 'static) {
    check_random(scenario.clone(), SCHEDULES);
    check_pct(scenario, SCHEDULES, 3);
}

const SCHEDULES: usize = 2_000;

#[test]
fn each_request_gets_a_permit_and_one_is_in_flight_at_a_time() {
    check(checks::each_request_gets_a_permit_and_one_is_in_flight_at_a_time);
}

#[test]
fn concurrent_requests_fetch_one_token_and_one_more_when_it_is_rejected() {
    check(checks::concurrent_requests_fetch_one_token_and_one_more_when_it_is_rejected);
}

/// Publishes three times, with a failure in between, until a watcher has received the last change.
fn watch_changes(publish: fn(&Publisher, u64, u32)) {
    block_on(async {
        let publisher = Publisher::new();
        let mut watcher = publisher.watch();
        let watches = spawn(async move {
            let mut generation = 1;
            while generation < 4 {
                match watcher.next().await {
                    Some(Notice::Changed(change)) => {
                        assert!(change.generation > generation, "a change arrives once, and in order");
                        assert_eq!(change.keys, ["key"]);
                        generation = change.generation;
                        assert!(
                            u64::from(*watcher.published().settings()) + 1 >= generation,
                            "no change arrives too early"
                        );
                    }
                    Some(Notice::Failed(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            generation
        });
        publish(&publisher, 2, 1);
        publisher.fail();
        publish(&publisher, 3, 2);
        publish(&publisher, 4, 3);
        // Dropping the publisher would wake the watcher, so it lives until here.
        assert_eq!(watches.await.ok(), Some(4));
        drop(publisher);
    });
}

#[test]
fn a_watcher_receives_every_change() {
    check(|| watch_changes(Publisher::publish));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_wake_before_the_swap_is_found() {
    check(|| watch_changes(Publisher::wake_and_publish));
}
