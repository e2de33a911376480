//! What the application says to new settings, and what its code may do wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyvault::{ErrorKind, Live, ReferenceStatus, ValidationError};
use tokio::time::sleep;

use super::story::{MINUTE, Settings, Story};

fn check(settings: &Settings) -> Result<(), ValidationError> {
    match settings.password.as_str() {
        "bad" => Err(ValidationError::new("password is bad").of("password")),
        "panic" => panic!("the hook panics"),
        _ => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_hook_refuses_is_not_published_and_said_with_its_reason() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().validate(check).start().await.unwrap();
    story.rotate("bad");
    let error = live.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("password from table → secret password version"), "{error}");
    assert!(error.to_string().ends_with("refused by the application: password is bad"), "{error}");
    assert_eq!(live.current().password, "first");
    story.rotate("good");
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["password"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_start_ends_it() {
    let story = Story::begin();
    story.rotate("bad");
    let error = story.layered().validate(check).start::<Settings>().await.unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::Rejected, Some("password")));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_is_a_failed_refresh_and_the_next_one_runs() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().validate(check).start().await.unwrap();
    story.rotate("panic");
    let error = live.refresh_now().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(live.current().password, "first");
    story.rotate("good");
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().password, "good");
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_wait_and_one_that_hangs_ends_at_the_deadline() {
    let story = Story::begin();
    let login = |settings: Arc<Settings>| async move {
        sleep(if settings.password == "hangs" { MINUTE * 60 } else { Duration::from_secs(1) }).await;
        if settings.password == "bad" { Err("the database refuses the password".into()) } else { Ok(()) }
    };
    let builder = story.layered().refresh_deadline(Duration::from_secs(20)).validate_async(login);
    let live: Live<Settings> = builder.start().await.unwrap();
    story.rotate("bad");
    assert_eq!(live.refresh_now().await.unwrap_err().kind(), ErrorKind::Rejected);
    story.rotate("hangs");
    assert_eq!(live.refresh_now().await.unwrap_err().status(), ReferenceStatus::FetchTimedOut);
    story.rotate("good");
    assert!(live.refresh_now().await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn settings_that_did_not_change_are_not_asked_about_again() {
    let story = Story::begin();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let hook = move |_: &Settings| -> Result<(), ValidationError> {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let live: Live<Settings> = story.layered().validate(hook).start().await.unwrap();
    live.refresh_now().await.unwrap();
    live.refresh_now().await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
