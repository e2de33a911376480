//! A frozen host, a sleeping laptop and a jumping clock do not leave old settings in use.

use std::time::Duration;

use futures::FutureExt;
use keyvault::Live;
use tokio::time::sleep;

use super::service::{Clock, MINUTE, Service, Settings};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn refresh_if_due_costs_nothing_if_nothing_is_due() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    service.rotate("second");
    let before = service.vault.reads();
    for _ in 0..1_000 {
        assert_eq!(live.refresh_if_due().now_or_never().expect("at once").unwrap(), None);
    }
    assert_eq!(service.vault.reads(), before);
}

#[tokio::test(start_paused = true)]
async fn refresh_if_due_allocates_nothing_if_nothing_is_due() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
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
    let (service, clock) = (Service::new(), Clock::new());
    let live: Live<Settings> =
        service.layered().refresh_every(HOUR).wall_clock(clock.function()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    service.rotate("second");
    // A frozen host: the wall clock advances, and the clock of the task stands still.
    clock.jump(HOUR * 2);
    let change = live.refresh_if_due().await.unwrap().unwrap();
    assert_eq!(change.keys, ["password"]);
    assert_eq!(live.current().password, "second");
    let before = service.vault.reads();
    assert_eq!(live.refresh_if_due().await.unwrap(), None);
    assert_eq!(service.vault.reads(), before, "once");
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_call_joins_a_running_refresh() {
    let (service, clock) = (Service::new(), Clock::new());
    service.vault.on_get(|_| async move {
        sleep(Duration::from_millis(200)).await;
        Ok(())
    });
    let builder = service.layered().refresh_every(HOUR).wall_clock(clock.function());
    let live: Live<Settings> = builder.start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    service.rotate("second");
    clock.jump(HOUR * 2);
    let gets = service.vault.reads().gets;
    let late = async {
        sleep(Duration::from_millis(100)).await;
        live.refresh_if_due().await
    };
    let (early, late) = tokio::join!(live.refresh_if_due(), late);
    assert_eq!(early.unwrap().unwrap().generation, 2);
    assert_eq!(late.unwrap().unwrap().generation, 2);
    assert_eq!(service.vault.reads().gets, gets + 2, "one refresh");
}

#[tokio::test(start_paused = true)]
async fn after_a_freeze_the_fetch_for_a_rejection_does_not_replace_the_refresh() {
    let (service, clock) = (Service::new(), Clock::new());
    let live: Live<Settings> =
        service.layered().refresh_every(HOUR).wall_clock(clock.function()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    service.vault.set("user", "bob").unwrap();
    service.rotate("second");
    clock.jump(HOUR * 2);
    let (rejected, refreshed) = tokio::join!(live.report_rejected("password"), live.refresh_if_due());
    assert_eq!(rejected.unwrap(), keyvault::live::CredentialCheck::Changed);
    assert_eq!(refreshed.unwrap().unwrap().keys, ["user"]);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("bob", "second"));
}

#[tokio::test(start_paused = true)]
async fn a_laptop_that_slept_for_a_night_refreshes_once_and_soon() {
    let (service, clock) = (Service::new(), Clock::new());
    let builder = service.layered().refresh_every(HOUR).refresh_secret_every("user", MINUTE * 10);
    let live: Live<Settings> = builder.wall_clock(clock.function()).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    service.rotate("second");
    let gets = service.vault.reads().gets;
    clock.jump(HOUR * 8);
    assert!(live.health().age >= HOUR * 8, "the sleep counts");
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "second");
    assert_eq!(service.vault.reads().gets, gets + 2, "no burst");
    assert!(live.health().age <= MINUTE);
    sleep(MINUTE * 5).await;
    assert_eq!(service.vault.reads().gets, gets + 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_or_far_ahead_does_not_stop_the_loop() {
    let service = Service::new();
    let ahead = std::sync::Arc::new(std::sync::Mutex::new(std::time::SystemTime::now()));
    let time = std::sync::Arc::clone(&ahead);
    let live: Live<Settings> = service.layered().wall_clock(move || *time.lock().unwrap()).start().await.unwrap();
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
        service.rotate(&text);
        let gets = service.vault.reads().gets;
        sleep(MINUTE * 2).await;
        assert_eq!(live.current().password, text, "{round}");
        assert!(service.vault.reads().gets - gets <= 8, "{round}: no burst");
        assert!(live.health().last_error.is_none());
    }
}
