//! A server rejects a credential, and the application reports that.

use std::time::{Duration, SystemTime};

use keyvault::live::{CredentialCheck, PreviousVersion, SecretStatus};
use keyvault::{Error, ErrorKind, Live, NameMap, SecretId, SecretStore, ValidationError};
use tokio::time::{Instant, sleep};

use super::service::{MINUTE, Service, Settings};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_newer_version_is_published_before_the_answer() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
    for (round, subject) in ["password", "PASSWORD"].into_iter().enumerate() {
        let text = format!("password {round}");
        service.rotate(&text);
        let gets = service.vault.reads().gets;
        assert_eq!(live.report_rejected(subject).await.unwrap(), CredentialCheck::Changed, "{subject}");
        assert_eq!(live.current().password, text, "{subject}");
        assert_eq!(service.vault.reads().gets, gets + 1, "{subject}: only that secret is fetched");
    }
    service.rotate("by id");
    assert_eq!(live.report_rejected(id("password")).await.unwrap(), CredentialCheck::Changed);
    assert_eq!(live.current().password, "by id");
}

#[tokio::test(start_paused = true)]
async fn concurrent_rejections_share_one_request() {
    let service = Service::new();
    service.vault.on_get(|_| async move {
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
    service.rotate("second");
    let gets = service.vault.reads().gets;
    let late = async {
        sleep(Duration::from_millis(50)).await;
        live.report_rejected("password").await
    };
    let together = futures::future::join_all((0..100).map(|_| live.report_rejected("password")));
    let (together, late) = tokio::join!(together, late);
    assert!(together.iter().chain([&late]).all(|answer| *answer.as_ref().unwrap() == CredentialCheck::Changed));
    assert_eq!(service.vault.reads().gets, gets + 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_newer_version_the_answer_stays_unchanged() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().start().await.unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same);
    assert_eq!(live.current().password, "second", "the previous version is tried only if allowed");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_previous_version_is_used_until_a_newer_one_exists() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Previous);
    assert_eq!(live.current().password, "first");
    let status = |live: &Live<Settings>| {
        let health = live.health();
        health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
    };
    assert_eq!(status(&live), SecretStatus::Previous);
    for _ in 0..3 {
        assert_eq!(live.refresh_now().await.unwrap(), None, "what was refused does not come back by itself");
    }
    assert_eq!(status(&live), SecretStatus::Previous);
    service.rotate("third");
    live.refresh_now().await.unwrap();
    assert_eq!((live.current().password.as_str(), status(&live)), ("third", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn if_both_versions_are_rejected_the_latest_is_used_without_a_loop() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = live.report_rejected("password").await.unwrap();
        seen.push((answer, live.current().password.clone()));
        sleep(MINUTE).await;
    }
    let expected = [
        (CredentialCheck::Previous, "first".to_owned()),
        (CredentialCheck::Changed, "second".to_owned()),
        (CredentialCheck::Same, "second".to_owned()),
        (CredentialCheck::Same, "second".to_owned()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_never_had_the_previous_version_fetches_it() {
    let service = Service::new();
    let disabled = |properties: &mut keyvault::SecretProperties| properties.set_enabled(false);
    service.vault.set_with("password", "never", disabled).unwrap();
    service.rotate("second");
    let live: Live<Settings> = service.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Previous);
    assert_eq!(live.current().password, "first", "the last that is enabled");
    let service = Service::new();
    let live: Live<Settings> = service.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same, "there is only one version");
}

#[tokio::test(start_paused = true)]
async fn a_previous_version_that_validation_refuses_is_not_used() {
    let service = Service::new();
    let check = |settings: &Settings| -> Result<(), ValidationError> {
        if settings.password == "old" { Err(ValidationError::new("password is too old")) } else { Ok(()) }
    };
    let before = SystemTime::now() - MINUTE * 30;
    service.vault.set_with("password", "old", |properties| properties.set_created(before)).unwrap();
    service.rotate("second");
    let builder = service.layered().previous_version(PreviousVersion::Try).validate(check);
    let live: Live<Settings> = builder.start().await.unwrap();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same);
    assert_eq!(live.current().password, "second");
    assert_eq!(live.health().last_error.unwrap().kind(), ErrorKind::InvalidSettings, "the attempt is seen");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_the_call_fails_at_once_with_the_time_to_wait() {
    let service = Service::new();
    let live: Live<Settings> =
        service.layered().refresh_every(HOUR).rejection_budget(3, Duration::from_secs(20)).start().await.unwrap();
    for _ in 0..3 {
        assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same);
        sleep(Duration::from_secs(1)).await;
    }
    let (asked, gets) = (Instant::now(), service.vault.reads().gets);
    for _ in 0..1_000 {
        let error = live.report_rejected("password").await.unwrap_err();
        let ErrorKind::Throttled { retry_after: Some(wait) } = error.kind() else { panic!("{error}") };
        assert!(wait <= Duration::from_secs(20), "{wait:?}");
    }
    assert_eq!((asked.elapsed(), service.vault.reads().gets), (Duration::ZERO, gets), "no wait and no request");
    assert_eq!(
        live.report_rejected("user").await.unwrap(),
        CredentialCheck::Same,
        "another secret has a budget of its own"
    );
    sleep(Duration::from_secs(20)).await;
    service.rotate("second");
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed);
}

/// Simulates many rejected callers that report as fast as they can during a rotation, short or long.
#[tokio::test(start_paused = true)]
async fn a_new_version_is_found_within_twice_the_time_it_took_to_appear() {
    for takes in [0.05, 0.6, 2.0, 5.0].map(Duration::from_secs_f64) {
        let service = Service::new();
        let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
        let gets = service.vault.reads().gets;
        let used = live.published().origins().get("password").unwrap().secrets()[0].clone();
        let refused = async |caller: u64| {
            while live.report_rejected(&used).await.unwrap() == CredentialCheck::Same {
                sleep(Duration::from_millis(5 + caller)).await;
            }
            Instant::now()
        };
        let (begun, rotating) = (Instant::now(), async {
            sleep(takes).await;
            service.rotate("second");
        });
        let (found, ()) = tokio::join!(futures::future::join_all((0..8).map(refused)), rotating);
        let slowest = found.into_iter().max().unwrap() - begun;
        assert!(slowest <= takes * 2 + Duration::from_millis(150), "{slowest:?} for {takes:?}");
        assert_eq!(live.current().password, "second");
        let asked = service.vault.reads().gets - gets;
        assert!(asked <= 8, "{asked} requests in {takes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_report_does_not_delay_the_next_one() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    for _ in 0..2 {
        assert_eq!(live.report_rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    service.vault.fail(None);
    service.rotate("second");
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed);
}

#[tokio::test(start_paused = true)]
async fn a_report_about_an_older_version_needs_no_request() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
    let used = live.published().origins().get("password").unwrap().secrets()[0].clone();
    service.rotate("second");
    live.refresh_now().await.unwrap();
    let reads = service.vault.reads();
    assert_eq!(live.report_rejected(&used).await.unwrap(), CredentialCheck::Changed);
    assert_eq!(service.vault.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_secret_is_an_error() {
    let service = Service::new();
    let live: Live<Settings> = service.layered().refresh_every(HOUR).start().await.unwrap();
    for unknown in ["nothing", "pass", "passwords"] {
        assert_eq!(live.report_rejected(unknown).await.unwrap_err().kind(), ErrorKind::Invalid, "{unknown}");
    }
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    assert_eq!(live.report_rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(live.current().password, "first");
    live.shutdown().await;
    assert_eq!(live.report_rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_version_is_never_replaced() {
    let service = Service::new();
    let version = service.password();
    service.write("password", &format!("@KeyVault(SecretName=password;SecretVersion={version})"));
    service.rotate("second");
    let live: Live<Settings> = service.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    let reads = service.vault.reads();
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Same);
    assert_eq!(service.vault.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_mapped_secret_is_followed_in_the_same_way() {
    let service = Service::new();
    let live: Live<Settings> =
        service.by_name().names(NameMap::new()).previous_version(PreviousVersion::Try).start().await.unwrap();
    service.rotate("second");
    let lists = service.vault.reads().lists;
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Changed);
    assert_eq!(service.vault.reads().lists, lists, "the vault is not listed");
    assert_eq!(live.report_rejected("password").await.unwrap(), CredentialCheck::Previous);
    for _ in 0..2 {
        assert_eq!(live.refresh_now().await.unwrap(), None, "a list does not restore a rejected version");
    }
    assert_eq!(service.vault.get(&id("password")).await.unwrap().expose_secret(), "second");
    assert_eq!(live.current().password, "first");
}
