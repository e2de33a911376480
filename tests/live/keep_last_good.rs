//! A secret with the policy `KeepLastGood` keeps its last good version while others refresh.

use std::time::Duration;

use keyvault::live::{CredentialCheck, PreviousVersion, SecretStatus};
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Error, ErrorKind, Layers, Live, LiveBuilder, Policy, SecretId};
use keyvault_test_support::store::Switch;
use tokio::time::{Instant, sleep};

use super::service::{Fault, MINUTE, Service, Settings};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

fn status(live: &Live<Settings>) -> SecretStatus {
    let health = live.health();
    health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
}

/// Settings that keep the last good password while the switch is on: reads of it then fail with `kind`.
fn keeping(service: &Service, kind: ErrorKind) -> (Switch, LiveBuilder<impl Layers>) {
    let broken = service.password_fault(Fault::Answer(kind));
    let builder = service.layered().policy("password", Policy::KeepLastGood);
    (broken, builder.refresh_every(HOUR).event_spread(Duration::ZERO))
}

const KINDS: [ErrorKind; 4] =
    [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }];

#[tokio::test(start_paused = true)]
async fn a_kept_secret_is_reported_though_another_secret_was_read() {
    for kind in KINDS {
        let service = Service::new();
        let (broken, builder) = keeping(&service, kind);
        let live: Live<Settings> = builder.start().await.unwrap();
        broken.turn(true);
        sleep(MINUTE).await;
        assert_eq!(live.refresh_now().await.unwrap(), None, "{kind:?}");
        assert!(live.health().age >= MINUTE, "{kind:?}: a failed read does not make settings fresh");
        for name in ["bob", "cat"] {
            let version = service.vault.set("user", name).unwrap();
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
async fn a_rejection_is_remembered_while_a_version_is_kept() {
    for kind in KINDS {
        let service = Service::new();
        let (broken, builder) = keeping(&service, kind);
        let live: Live<Settings> = builder.previous_version(PreviousVersion::Try).start().await.unwrap();
        service.rotate("second");
        live.refresh_now().await.unwrap();
        assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Previous, "{kind:?}");
        broken.turn(true);
        live.refresh_now().await.unwrap();
        assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Kept), "{kind:?}");
        broken.turn(false);
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "first", "{kind:?}: a rejected version does not return by itself");
        assert_eq!(status(&live), SecretStatus::Previous, "{kind:?}");
        service.rotate("third");
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, "third", "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_or_a_rejection_fetches_a_kept_secret() {
    for kind in KINDS {
        let service = Service::new();
        let (broken, builder) = keeping(&service, kind);
        let live: Live<Settings> = builder.start().await.unwrap();
        broken.turn(true);
        live.refresh_now().await.unwrap();
        broken.turn(false);
        let version = service.vault.set("password", "second").unwrap();
        live.notify(SecretEvent::new(id("password").with_version(version), SecretEventKind::NewVersion));
        sleep(Duration::from_millis(10)).await;
        assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Current), "{kind:?}");

        broken.turn(true);
        live.refresh_now().await.unwrap();
        assert_eq!(status(&live), SecretStatus::Kept, "{kind:?}");
        broken.turn(false);
        service.rotate("third");
        assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed, "{kind:?}");
        assert_eq!(live.current().password, "third", "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_secret_is_known_though_the_error_of_the_store_names_no_secret() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().policy("**", Policy::KeepLastGood).start().await.unwrap();
    service.vault.fail(Error::new(ErrorKind::Denied, "access denied"));
    live.refresh_now().await.unwrap();
    assert_eq!(status(&live), SecretStatus::Kept);
    assert!(live.health().kept.iter().all(|kept| kept.secret().is_some()), "{:?}", live.health());
}

#[tokio::test(start_paused = true)]
async fn a_kept_secret_is_still_fetched_at_its_own_interval() {
    let service = Service::new();
    let (broken, builder) = keeping(&service, ErrorKind::Denied);
    let live: Live<Settings> = builder.refresh_secret_every("password", MINUTE).start().await.unwrap();
    broken.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(status(&live), SecretStatus::Kept);
    broken.turn(false);
    service.rotate("second");
    sleep(MINUTE * 2).await;
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn a_report_says_that_the_vault_could_not_be_read_within_one_deadline() {
    let deadline = Duration::from_secs(10);
    for previous in [PreviousVersion::Never, PreviousVersion::Try] {
        for fault in KINDS.map(Fault::Answer).into_iter().chain([Fault::Hang]) {
            let service = Service::new();
            let broken = service.password_fault(fault);
            let builder = service.layered().policy("**", Policy::KeepLastGood).refresh_deadline(deadline);
            let live: Live<Settings> = builder.previous_version(previous).start().await.unwrap();
            broken.turn(true);
            for _ in 0..3 {
                let asked = Instant::now();
                let error = live.report_rejected("password").await.expect_err("the vault has not answered");
                assert!(asked.elapsed() <= deadline, "{fault:?} {previous:?}: {:?}", asked.elapsed());
                if let Fault::Answer(kind) = fault {
                    assert_eq!(error.kind(), kind, "{previous:?}");
                }
            }
            broken.turn(false);
            assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same, "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_to_a_slow_vault_ends_within_one_deadline() {
    let service = Service::new();
    let builder = service.layered().previous_version(PreviousVersion::Try).refresh_deadline(Duration::from_secs(10));
    service.rotate("second");
    let live: Live<Settings> = builder.start().await.unwrap();
    service.vault.on_get(|_| async {
        sleep(Duration::from_secs(6)).await;
        Ok(())
    });
    let asked = Instant::now();
    // The vault has nothing newer after 6 seconds, and there is no time for the version before.
    assert_eq!(live.report_rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(asked.elapsed() <= Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(live.current().password, "second");
}
