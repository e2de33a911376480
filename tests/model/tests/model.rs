//! Each check is run under thousands of schedules, drawn at random and by priorities (PCT). A schedule that fails is printed,
//! and `shuttle::replay` runs it again.

use keyvault_model::checks;
use keyvault_model::live::{Notice, Publisher};
use keyvault_model::together;
use shuttle::future::{block_on, spawn};
use shuttle::{check_pct, check_random};

fn check(scene: impl Fn() + Clone + Send + Sync + 'static) {
    check_random(scene.clone(), SCHEDULES);
    check_pct(scene, SCHEDULES, 3);
}

const SCHEDULES: usize = 2_000;

#[test]
fn everybody_has_a_turn_and_one_at_a_time() {
    check(checks::everybody_has_a_turn_and_one_at_a_time);
}

#[test]
fn a_token_is_fetched_once_for_all_and_once_more_for_all_who_were_refused() {
    check(checks::a_token_is_fetched_once_for_all_and_once_more_for_all_who_were_refused);
}

#[test]
fn each_has_one_new_answer_and_nobody_waits_for_ever() {
    check(together::each_has_one_new_answer_and_nobody_waits_for_ever);
}

/// Publishes three times, with a failure in between, while somebody watches; ends when the last was told.
fn a_change_is_told(publish: fn(&Publisher, u64, u32)) {
    block_on(async {
        let publisher = Publisher::new();
        let mut watcher = publisher.watch();
        let watches = spawn(async move {
            let mut generation = 1;
            while generation < 4 {
                match watcher.next().await {
                    Some(Notice::Changed(change)) => {
                        assert!(change.generation > generation, "a change is told once, and in order");
                        assert_eq!(change.keys, ["key"]);
                        generation = change.generation;
                        assert!(u64::from(*watcher.published().settings()) + 1 >= generation, "never told too early");
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
        // The publisher stays, as the refresh does: nobody is woken by its end.
        assert_eq!(watches.await.ok(), Some(4));
        drop(publisher);
    });
}

#[test]
fn a_watcher_is_told_of_every_change_and_misses_none() {
    check(|| a_change_is_told(Publisher::publish));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_wake_before_the_swap_would_be_found() {
    check(|| a_change_is_told(Publisher::wake_and_publish));
}
