//! Which version is the latest, when dates and the vault disagree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use keyvault::{
    Error, ErrorKind, Live, NameMap, Notice, ReferenceStatus, Rejected, SecretEvent, SecretEventKind, SecretId,
    SecretStatus, SecretStore, SecretVersion,
};
use keyvault_test_support::log::Log;
use keyvault_test_support::store::{FakeStore, Switch};

use super::story::{Clock, MINUTE, Settings, Story};

/// A vault that, once it has failed over, knows nothing but the state before the last write of the password.
fn failing_over(story: &Story, over: &Switch, known: &SecretVersion) -> FakeStore {
    failing_over_with(story, over, known, |id| Error::new(ErrorKind::NotFound, "secret not found").about(id))
}

/// The same, with an answer of its own to whoever asks for a version that it does not know.
fn failing_over_with(
    story: &Story,
    over: &Switch,
    known: &SecretVersion,
    answer: impl Fn(&SecretId) -> Error + Copy + Send + Sync + 'static,
) -> FakeStore {
    let (over, known) = (over.clone(), known.clone());
    FakeStore::new(&story.vault).get(move |vault, id| {
        let (is_over, known) = (over.is_on(), known.clone());
        async move {
            if !is_over || id.name().as_str() != "password" {
                return vault.get(&id).await;
            }
            match id.version() {
                Some(version) if *version != known => Err(answer(&id)),
                _ => vault.get(&id.with_version(known)).await,
            }
        }
    })
}

fn status(live: &Live<Settings>) -> SecretStatus {
    let health = live.health();
    health.secrets.iter().find(|secret| secret.id.name().as_str() == "password").unwrap().status
}

#[tokio::test(start_paused = true)]
async fn after_a_failover_the_newer_version_is_kept_and_that_is_said() {
    let log = Log::begin();
    let (story, over) = (Story::begin(), Switch::default());
    let store = failing_over(&story, &over, &story.password());
    let live: Live<Settings> = story.layered_over(store).start().await.unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    let mut watcher = live.watch();
    over.turn(true);
    for _ in 0..3 {
        assert_eq!(live.refresh_now().await.unwrap(), None);
        assert_eq!(live.current().password, "second");
    }
    assert_eq!(status(&live), SecretStatus::Ahead);
    assert!(live.health().is_healthy());
    let told = watcher.next().await.unwrap();
    assert!(matches!(told, Notice::Secret(secret) if secret.status == SecretStatus::Ahead));
    assert!(futures::FutureExt::now_or_never(watcher.next()).is_none(), "told once");
    assert_eq!(log.text().matches("ahead of the vault").count(), 1, "{}", log.text());
    over.turn(false);
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(status(&live), SecretStatus::Current);
    story.rotate("third");
    live.refresh_now().await.unwrap();
    assert_eq!(live.current().password, "third");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_this_process_never_saw_is_known_as_older_all_the_same() {
    let (story, over) = (Story::begin(), Switch::default());
    let store = failing_over(&story, &over, &story.password());
    story.rotate("second");
    let live: Live<Settings> = story.layered_over(store).start().await.unwrap();
    over.turn(true);
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead));
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_is_kept_is_given_up_when_a_server_refuses_it() {
    let (story, over) = (Story::begin(), Switch::default());
    let store = failing_over(&story, &over, &story.password());
    let live: Live<Settings> = story.layered_over(store).start().await.unwrap();
    story.rotate("second");
    live.refresh_now().await.unwrap();
    over.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(live.rejected("password").await.unwrap(), Rejected::Changed);
    assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_is_kept_is_given_up_when_it_expires() {
    let (story, over, clock) = (Story::begin(), Switch::default(), Clock::begin());
    let store = failing_over(&story, &over, &story.password());
    let expires = Some(clock.now() + MINUTE * 20);
    let live: Live<Settings> = story.layered_over(store).wall_clock(clock.told()).start().await.unwrap();
    story.vault.set_with("password", "second", |properties| properties.set_expires(expires)).unwrap();
    live.refresh_now().await.unwrap();
    over.turn(true);
    tokio::time::sleep(MINUTE * 10).await;
    assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead));
    tokio::time::sleep(MINUTE * 12).await;
    assert_eq!((live.current().password.as_str(), status(&live)), ("first", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn a_version_of_a_clock_that_went_back_is_the_latest_if_the_vault_knows_both() {
    let story = Story::begin();
    story.rotate("second");
    let live: Live<Settings> = story.layered().start().await.unwrap();
    let yesterday = SystemTime::now() - MINUTE * 60 * 24;
    let dated = |properties: &mut keyvault::SecretProperties| {
        properties.set_created(yesterday);
        properties.set_updated(yesterday);
    };
    story.vault.set_with("password", "third", dated).unwrap();
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!((live.current().password.as_str(), status(&live)), ("third", SecretStatus::Current));
}

#[tokio::test(start_paused = true)]
async fn two_versions_of_one_second_are_told_apart_by_reference_and_by_name() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().start().await.unwrap();
    for text in ["second", "third", "fourth"] {
        story.rotate(text);
        live.refresh_now().await.unwrap();
        assert_eq!(live.current().password, text);
    }
    story.write("password", "plain");
    let named: Live<Settings> = story.layered().names(NameMap::new()).start().await.unwrap();
    for text in ["fifth", "sixth"] {
        story.rotate(text);
        named.refresh_now().await.unwrap();
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
        assert_eq!(story.vault.get(&id).await.unwrap().expose_secret(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_first_of_two_versions_of_one_second_does_not_hide_the_second() {
    let story = Story::begin();
    let live: Live<Settings> = story.by_name().event_spread(Duration::ZERO).start().await.unwrap();
    // Long enough ago for a list to be believed.
    let made = SystemTime::now() - MINUTE * 10;
    let dated = |properties: &mut keyvault::SecretProperties| {
        properties.set_created(made);
        properties.set_updated(made);
    };
    let second = story.vault.set_with("password", "second", dated).unwrap();
    story.vault.set_with("password", "third", dated).unwrap();
    let id = SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
    live.notify(SecretEvent::new(id.with_version(second), SecretEventKind::NewVersion));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(live.current().password, "second", "what the event told");
    let gets = story.vault.reads().gets;
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!(live.current().password, "third", "the dates in the list are those of both");
    assert_eq!(live.refresh_now().await.unwrap(), None);
    assert_eq!(story.vault.reads().gets, gets + 1, "and once that is known, the list is believed");
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_and_where_it_is_denied_nobody_decides_which_version_is_the_latest() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Denied] {
        let (story, over) = (Story::begin(), Switch::default());
        let first = story.password();
        story.rotate("second");
        let store = failing_over_with(&story, &over, &first, move |_| Error::new(kind, "vault does not say"));
        let live: Live<Settings> = story.layered_over(store).start().await.unwrap();
        over.turn(true);
        assert_eq!(live.refresh_now().await.unwrap(), None, "{kind:?}");
        assert_eq!((live.current().password.as_str(), status(&live)), ("second", SecretStatus::Ahead), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_settings_on_one_secret_have_the_same_version_though_the_vault_changes_its_mind() {
    let (story, over) = (Story::begin(), Switch::default());
    let first = story.password();
    story.rotate("second");
    let (flag, asked) = (over.clone(), Arc::new(AtomicU32::new(0)));
    let store = FakeStore::new(&story.vault).get(move |vault, id| {
        let (is_over, known, asked) = (flag.is_on(), first.clone(), Arc::clone(&asked));
        async move {
            match (is_over && id.name().as_str() == "password", id.version()) {
                (true, None) => vault.get(&id.with_version(known)).await,
                // The machine that is asked first does not know the newer version, and the next one does.
                (true, Some(_)) if asked.fetch_add(1, Ordering::Relaxed) == 0 => {
                    Err(Error::new(ErrorKind::NotFound, "secret not found").about(&id))
                }
                _ => vault.get(&id).await,
            }
        }
    });
    let live: Live<BTreeMap<String, String>> = story.by_name_and_again_over(store).start().await.unwrap();
    over.turn(true);
    live.refresh_now().await.unwrap();
    assert_eq!(live.current()["password"], live.current()["again"]);
    assert_eq!(live.current()["password"], "second");
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_was_disabled_is_not_kept() {
    let (story, over) = (Story::begin(), Switch::default());
    let first = story.password();
    story.rotate("second");
    let store = failing_over_with(&story, &over, &first, |_| {
        Error::new(ErrorKind::NotFound, "secret is disabled").with_status(ReferenceStatus::AccessToKeyVaultDenied)
    });
    let live: Live<Settings> = story.layered_over(store).start().await.unwrap();
    over.turn(true);
    assert!(live.refresh_now().await.unwrap().is_some());
    assert_eq!(live.current().password, "first");
}
