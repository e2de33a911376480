//! A server refuses a credential, and the application says so.

use std::time::{Duration, SystemTime};

use keyvault::{
    Error, ErrorKind, Live, NameMap, PreviousVersion, Rejected, Rejection, SecretId, SecretStatus, SecretStore,
};
use tokio::time::{Instant, sleep};

use super::story::{MINUTE, Settings, Story};

const HOUR: Duration = Duration::from_secs(3_600);

fn id(name: &str) -> SecretId {
    SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_newer_version_is_there_when_the_answer_is() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
    for (round, subject) in ["password", "PASSWORD"].into_iter().enumerate() {
        let text = format!("password {round}");
        story.rotate(&text);
        let gets = story.vault.reads().gets;
        assert_eq!(live.rejected(subject).await.unwrap(), Rejected::Changed, "{subject}");
        assert_eq!(live.current().password, text, "{subject}");
        assert_eq!(story.vault.reads().gets, gets + 1, "{subject}: only that secret is asked for");
    }
    story.rotate("by id");
    assert_eq!(live.rejected(id("password")).await.unwrap(), Rejected::Changed);
    assert_eq!(live.current().password, "by id");
}

#[tokio::test(start_paused = true)]
async fn all_who_are_refused_share_one_request() {
    let story = Story::begin();
    story.vault.on_get(|_| async move {
        sleep(Duration::from_millis(100)).await;
        Ok(())
    });
    let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
    story.rotate("second");
    let gets = story.vault.reads().gets;
    let late = async {
        sleep(Duration::from_millis(50)).await;
        live.rejected("password").await
    };
    let together = futures::future::join_all((0..100).map(|_| live.rejected("password")));
    let (together, late) = tokio::join!(together, late);
    assert!(together.iter().chain([&late]).all(|answer| *answer.as_ref().unwrap() == Rejected::Changed));
    assert_eq!(story.vault.reads().gets, gets + 1);
}

#[tokio::test(start_paused = true)]
async fn with_nothing_newer_the_answer_is_the_same() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Same);
    assert_eq!(live.current().password, "second", "the version before is not tried unless that is allowed");
    assert_eq!(live.published().generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_version_before_is_used_until_there_is_a_newer_one() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Previous);
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
    story.rotate("third");
    live.refresh_now().await.unwrap();
    assert_eq!((live.current().password.as_str(), status(&live)), ("third", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn when_both_are_refused_the_latest_is_used_again_and_nothing_goes_round_in_circles() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = live.rejected("password").await.unwrap();
        seen.push((answer, live.current().password.clone()));
        sleep(MINUTE).await;
    }
    let expected = [
        (Rejected::Previous, "first".to_owned()),
        (Rejected::Changed, "second".to_owned()),
        (Rejected::Same, "second".to_owned()),
        (Rejected::Same, "second".to_owned()),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_never_held_the_version_before_asks_the_vault_for_it() {
    let story = Story::begin();
    let disabled = |properties: &mut keyvault::SecretProperties| properties.set_enabled(false);
    story.vault.set_with("password", "never", disabled).unwrap();
    story.rotate("second");
    let live: Live<Settings> = story.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Previous);
    assert_eq!(live.current().password, "first", "the last that is enabled");
    let story = Story::begin();
    let live: Live<Settings> = story.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Same, "there is only one version");
}

#[tokio::test(start_paused = true)]
async fn a_version_before_that_the_application_refuses_is_not_used() {
    let story = Story::begin();
    let check = |settings: &Settings| -> Result<(), Rejection> {
        if settings.password == "old" { Err(Rejection::new("password is too old")) } else { Ok(()) }
    };
    let before = SystemTime::now() - MINUTE * 30;
    story.vault.set_with("password", "old", |properties| properties.set_created(before)).unwrap();
    story.rotate("second");
    let builder = story.layered().previous_version(PreviousVersion::Try).validate(check);
    let live: Live<Settings> = builder.start().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Same);
    assert_eq!(live.current().password, "second");
    assert_eq!(live.health().last_error.unwrap().kind(), ErrorKind::Rejected, "the attempt is seen");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_the_answer_comes_at_once_and_tells_how_long_to_wait() {
    let story = Story::begin();
    let live: Live<Settings> =
        story.layered().refresh_every(HOUR).rejection_budget(3, Duration::from_secs(20)).start().await.unwrap();
    for _ in 0..3 {
        assert_eq!(live.rejected("password").await.unwrap(), Rejected::Same);
        sleep(Duration::from_secs(1)).await;
    }
    let (asked, gets) = (Instant::now(), story.vault.reads().gets);
    for _ in 0..1_000 {
        let error = live.rejected("password").await.unwrap_err();
        let ErrorKind::Throttled { retry_after: Some(wait) } = error.kind() else { panic!("{error}") };
        assert!(wait <= Duration::from_secs(20), "{wait:?}");
    }
    assert_eq!((asked.elapsed(), story.vault.reads().gets), (Duration::ZERO, gets), "nobody sleeps, nobody asks");
    assert_eq!(live.rejected("user").await.unwrap(), Rejected::Same, "another secret has a budget of its own");
    sleep(Duration::from_secs(20)).await;
    story.rotate("second");
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Changed);
}

/// Many are refused and ask as fast as they can while a rotation is half done, be it for a moment or for long.
#[tokio::test(start_paused = true)]
async fn a_new_version_is_found_within_twice_the_time_that_it_took_to_come() {
    for takes in [0.05, 0.6, 2.0, 5.0].map(Duration::from_secs_f64) {
        let story = Story::begin();
        let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
        let gets = story.vault.reads().gets;
        let used = live.published().origins().get("password").unwrap().secrets()[0].clone();
        let refused = async |caller: u64| {
            while live.rejected(&used).await.unwrap() == Rejected::Same {
                sleep(Duration::from_millis(5 + caller)).await;
            }
            Instant::now()
        };
        let (begun, rotating) = (Instant::now(), async {
            sleep(takes).await;
            story.rotate("second");
        });
        let (found, ()) = tokio::join!(futures::future::join_all((0..8).map(refused)), rotating);
        let slowest = found.into_iter().max().unwrap() - begun;
        assert!(slowest <= takes * 2 + Duration::from_millis(150), "{slowest:?} for {takes:?}");
        assert_eq!(live.current().password, "second");
        let asked = story.vault.reads().gets - gets;
        assert!(asked <= 8, "{asked} requests in {takes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_no_answer_when_the_vault_could_not_be_asked() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
    story.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    for _ in 0..2 {
        assert_eq!(live.rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    story.vault.fail(None);
    story.rotate("second");
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Changed);
}

#[tokio::test(start_paused = true)]
async fn whoever_used_an_older_version_is_answered_without_a_request() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
    let used = live.published().origins().get("password").unwrap().secrets()[0].clone();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    let reads = story.vault.reads();
    assert_eq!(live.rejected(&used).await.unwrap(), Rejected::Changed);
    assert_eq!(story.vault.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_for_is_told() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().refresh_every(HOUR).start().await.unwrap();
    for unknown in ["nothing", "pass", "passwords"] {
        assert_eq!(live.rejected(unknown).await.unwrap_err().kind(), ErrorKind::Invalid, "{unknown}");
    }
    story.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    assert_eq!(live.rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(live.current().password, "first");
    live.shutdown().await;
    assert_eq!(live.rejected("password").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_named_in_a_reference_has_no_other() {
    let story = Story::begin();
    let version = story.password();
    story.write("password", &format!("@KeyVault(SecretName=password;SecretVersion={version})"));
    story.rotate("second");
    let live: Live<Settings> = story.layered().previous_version(PreviousVersion::Try).start().await.unwrap();
    let reads = story.vault.reads();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Same);
    assert_eq!(story.vault.reads(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_secret_by_name_is_followed_in_the_same_way() {
    let story = Story::begin();
    let live: Live<Settings> =
        story.by_name().names(NameMap::new()).previous_version(PreviousVersion::Try).start().await.unwrap();
    story.rotate("second");
    let lists = story.vault.reads().lists;
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Changed);
    assert_eq!(story.vault.reads().lists, lists, "the vault is not listed");
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Previous);
    for _ in 0..2 {
        assert_eq!(live.refresh_now().await.unwrap(), None, "a list does not bring back what was refused");
    }
    assert_eq!(story.vault.get(&id("password")).await.unwrap().expose_secret(), "second");
    assert_eq!(live.current().password, "first");
}
