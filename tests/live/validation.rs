//! The validation hook accepts or refuses new settings before they are published. Faulty hooks are contained.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyvault::{ErrorKind, Live, ReferenceStatus, ValidationError};
use tokio::time::sleep;

use super::service::{MINUTE, Service, Settings};

fn check(settings: &Settings) -> Result<(), ValidationError> {
    match settings.password.as_str() {
        "bad" => Err(ValidationError::new("password is bad").of("password")),
        "panic" => panic!("the hook panics"),
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn refused_settings_are_not_published_and_the_reason_is_reported() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().validate(check).start().await.unwrap();
    service.rotate("bad");
    let error = live.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSettings);
    assert!(error.to_string().contains("password from table → secret password version"), "{error}");
    assert!(error.to_string().ends_with("refused by the application: password is bad"), "{error}");
    assert_eq!(live.current().password, "first");
    service.rotate("good");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_start_fails_it() {
    let service = Service::new();
    service.rotate("bad");
    let error = service.layered().validate(check).start::<Settings>().await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSettings, Some("password")));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_is_a_failed_refresh_and_the_next_one_runs() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().validate(check).start().await.unwrap();
    service.rotate("panic");
    let error = live.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSettings);
    assert_eq!(live.current().password, "first");
    service.rotate("good");
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().password, "good");
}

#[tokio::test(start_paused = true)]
async fn an_async_hook_may_wait_and_a_hanging_one_ends_at_the_deadline() {
    let service = Service::new();
    let login = |settings: Arc<Settings>| async move {
        sleep(if settings.password == "hangs" { MINUTE * 60 } else { Duration::from_secs(1) }).await;
        if settings.password == "bad" { Err("the database refuses the password".into()) } else { Ok(()) }
    };
    let builder = service.layered().refresh_deadline(Duration::from_secs(20)).validate_async(login);
    let live: Live<Settings> = builder.start().await.unwrap();
    service.rotate("bad");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::InvalidSettings);
    service.rotate("hangs");
    assert_eq!(live.refresh_now().await.unwrap_err().status(), ReferenceStatus::FetchTimedOut);
    service.rotate("good");
    assert!(live.refresh_now().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn unchanged_settings_are_not_validated_again() {
    let service = Service::new();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let hook = move |_: &Settings| -> Result<(), ValidationError> {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let live: Live<Settings> = service.layered().validate(hook).start().await.unwrap();
    live.refresh_now().await.unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
