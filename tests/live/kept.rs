//! A secret whose last good version stays in use while the others are refreshed.

use std::time::Duration;

use keyvault::{
    Error, ErrorKind, Live, Policy, PreviousVersion, Rejected, SecretEvent, SecretEventKind, SecretId, SecretStatus,
};
use tokio::time::sleep;

use super::story::{Fault, MINUTE, Settings, Story};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

fn status(live: &Live<Settings>) -> SecretStatus {
    let health = live.health();
    health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
}

const KINDS: [ErrorKind; 4] =
    [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }];

#[tokio::test(start_paused = true)]
async fn it_is_said_to_be_kept_though_another_secret_could_be_read() {
    for kind in KINDS {
        let story = Story::begin();
        let broken = story.password_fault(Fault::Answer(kind));
        let builder = story.layered().policy("password", Policy::KeepLastGood);
        let builder = builder.refresh_every(HOUR).event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.start().await.unwrap();
        broken.turn(true);
        sleep(MINUTE).await;
        assert_eq!(live.refresh_now().await.unwrap(), None, "{kind:?}");
        assert!(live.health().age >= MINUTE, "{kind:?}: what could not be read does not make settings fresh");
        for name in ["bob", "cat"] {
            let version = story.vault.set("user", name).unwrap();
            live.notify(SecretEvent::new(id("user").with_version(version), SecretEventKind::NewVersion));
            sleep(Duration::from_millis(10)).await;
            assert_eq!(live.current().user, name, "{kind:?}");
            let health = live.health();
            assert_eq!(health.kept.len(), 1, "{kind:?}");
            assert_eq!((status(&live), health.last_error.is_some()), (SecretStatus::Kept, true), "{kind:?}");
            assert!(health.consecutive_failures > 0, "{kind:?}");
        }
        broken.turn(false);
        live.refresh_now().await.unwrap();
        assert!(live.health().kept.is_empty() && live.health().last_error.is_none(), "{kind:?}");
        assert_eq!(status(&live), SecretStatus::Current, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_refused_is_remembered_while_a_version_is_kept() {
    for kind in KINDS {
        let story = Story::begin();
        let broken = story.password_fault(Fault::Answer(kind));
        let builder = story.layered().policy("password", Policy::KeepLastGood);
        let live: Live<Settings> = builder.previous_version(PreviousVersion::Try).start().await.unwrap();
        story.rotate("second");
        live.refresh_now().await.unwrap();
        assert_eq!(live.rejected("password").await.unwrap(), Rejected::Previous, "{kind:?}");
        broken.turn(true);
        live.refresh_now().await.unwrap();
        assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Kept), "{kind:?}");
        broken.turn(false);
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "first", "{kind:?}: what was refused does not come back by itself");
        assert_eq!(status(&live), SecretStatus::Previous, "{kind:?}");
        story.rotate("third");
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "third", "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_it_is_heeded_and_a_rejection_asks_for_it() {
    for kind in KINDS {
        let story = Story::begin();
        let broken = story.password_fault(Fault::Answer(kind));
        let builder = story.layered().policy("password", Policy::KeepLastGood);
        let builder = builder.refresh_every(HOUR).event_spread(Duration::ZERO);
        let live: Live<Settings> = builder.start().await.unwrap();
        broken.turn(true);
        live.refresh_now().await.unwrap();
        broken.turn(false);
        let version = story.vault.set("password", "second").unwrap();
        live.notify(SecretEvent::new(id("password").with_version(version), SecretEventKind::NewVersion));
        sleep(Duration::from_millis(10)).await;
        assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Current), "{kind:?}");

        broken.turn(true);
        live.refresh_now().await.unwrap();
        assert_eq!(status(&live), SecretStatus::Kept, "{kind:?}");
        broken.turn(false);
        story.rotate("third");
        assert_eq!(live.rejected("password").await.unwrap(), Rejected::Changed, "{kind:?}");
        assert_eq!(live.current().password, "third", "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_known_though_the_store_does_not_say_which_secret_failed() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().policy("**", Policy::KeepLastGood).start().await.unwrap();
    story.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    live.refresh_now().await.unwrap();
    assert_eq!(status(&live), SecretStatus::Kept);
    assert!(live.health().kept.iter().all(|kept| kept.secret().is_some()), "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_by_its_own_interval_all_the_same() {
    let story = Story::begin();
    let broken = story.password_fault(Fault::Answer(ErrorKind::Denied));
    let builder = story.layered().policy("password", Policy::KeepLastGood).refresh_every(HOUR);
    let live: Live<Settings> = builder.refresh_secret_every("password", MINUTE).start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(status(&live), SecretStatus::Kept);
    broken.turn(false);
    story.rotate("second");
    sleep(MINUTE * 2).await;
    assert_eq!(live.current().password, "second");
}
