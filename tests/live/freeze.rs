//! Hosts that freeze a program between two requests, laptops that sleep, clocks that jump.

use std::time::Duration;

use futures::FutureExt;
use keyvault::Live;
use tokio::time::sleep;

use super::story::{Clock, MINUTE, Settings, Story};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn what_is_not_due_costs_nothing_and_does_not_wait() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    story.rotate("second");
    let before = story.vault.reads();
    for _ in 0..1_000 {
        assert_eq!(live.refresh_if_due().now_or_never().expect("at once").unwrap(), None);
    }
    assert_eq!(story.vault.reads(), before);
}

#[tokio::test(start_paused = true)]
async fn to_ask_whether_anything_is_due_allocates_nothing() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let asked = allocation_counter::measure(|| {
        for _ in 0..100 {
            let answer = live.refresh_if_due().now_or_never();
            assert!(matches!(answer, Some(Ok(None))));
        }
    });
    assert_eq!((asked.count_total, asked.bytes_total), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_freeze_the_first_request_has_new_settings() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let live: Live<Settings> = story.layered().refresh_every(HOUR).wall_clock(clock.told()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    story.rotate("second");
    // Frozen: the time of day goes on, and the clock that the task sleeps by stands still.
    clock.jump(HOUR * 2);
    let change = live.refresh_if_due().await.unwrap().unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(live.current().password, "second");
    let before = story.vault.reads();
    assert_eq!(live.refresh_if_due().await.unwrap(), None);
    assert_eq!(story.vault.reads(), before, "once");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_while_a_refresh_runs_joins_it() {
    let (story, clock) = (Story::begin(), Clock::begin());
    story.vault.on_get(|_| async move {
        sleep(Duration::from_millis(200)).await;
        Ok(())
    });
    let builder = story.layered().refresh_every(HOUR).wall_clock(clock.told());
    let live: Live<Settings> = builder.start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    story.rotate("second");
    clock.jump(HOUR * 2);
    let gets = story.vault.reads().gets;
    let late = async {
        sleep(Duration::from_millis(100)).await;
        live.refresh_if_due().await
    };
    let (early, late) = tokio::join!(live.refresh_if_due(), late);
    assert_eq!(early.unwrap().unwrap().generation, 2);
    assert_eq!(late.unwrap().unwrap().generation, 2);
    assert_eq!(story.vault.reads().gets, gets + 2, "one pass");
}

#[tokio::test(start_paused = true)]
async fn after_a_freeze_what_is_done_for_a_rejection_is_not_taken_for_the_refresh() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let live: Live<Settings> = story.layered().refresh_every(HOUR).wall_clock(clock.told()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    story.vault.set("user", "bob").unwrap();
    story.rotate("second");
    clock.jump(HOUR * 2);
    let (rejected, refreshed) = tokio::join!(live.rejected("password"), live.refresh_if_due());
    assert_eq!(rejected.unwrap(), keyvault::Rejected::Changed);
    assert_eq!(refreshed.unwrap().unwrap().keys, ["user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn a_laptop_that_slept_for_a_night_refreshes_once_and_soon() {
    let (story, clock) = (Story::begin(), Clock::begin());
    let builder = story.layered().refresh_every(HOUR).refresh_secret_every("user", MINUTE * 10);
    let live: Live<Settings> = builder.wall_clock(clock.told()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    story.rotate("second");
    let gets = story.vault.reads().gets;
    clock.jump(HOUR * 8);
    assert!(live.health().age >= HOUR * 8, "the sleep counts");
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "second");
    assert_eq!(story.vault.reads().gets, gets + 2, "no burst");
    assert!(live.health().age <= MINUTE);
    sleep(MINUTE * 5).await;
    assert_eq!(story.vault.reads().gets, gets + 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_or_far_ahead_stops_nothing() {
    let story = Story::begin();
    let ahead = std::sync::Arc::new(std::sync::Mutex::new(std::time::SystemTime::now()));
    let time = std::sync::Arc::clone(&ahead);
    let live: Live<Settings> = story.layered().wall_clock(move || *time.lock().unwrap()).start().await.unwrap();
    let far = Duration::from_secs(100 * 366 * 86_400);
    for (round, time) in [
        std::time::SystemTime::UNIX_EPOCH,
        std::time::SystemTime::UNIX_EPOCH + far * 2,
        std::time::SystemTime::UNIX_EPOCH - Duration::from_secs(1),
        std::time::SystemTime::now(),
    ]
    .into_iter()
    .enumerate()
    {
        *ahead.lock().unwrap() = time;
        let text = format!("password {round}");
        story.rotate(&text);
        let gets = story.vault.reads().gets;
        sleep(MINUTE * 2).await;
        assert_eq!(live.current().password, text, "{round}");
        assert!(story.vault.reads().gets - gets <= 8, "{round}: no burst");
        assert!(live.health().last_error.is_none());
    }
}
