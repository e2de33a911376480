//! The vault takes a secret away.

use keyvault::{Error, ErrorKind, Live, NameMap, Notice, Revocation};

use super::story::{Settings, Story};

type Way = fn(&Story);

const WAYS: [(&str, Way); 3] = [
    ("deleted", |story| _ = story.vault.delete("password")),
    ("disabled", |story| {
        story.vault.set_with("password", "x", |properties| properties.set_enabled(false)).unwrap();
    }),
    ("forbidden", |story| {
        let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
        story.vault.fail(Error::new(ErrorKind::Denied, "access denied").about(&id));
    }),
];

#[tokio::test(start_paused = true)]
async fn where_it_counts_health_is_red_at_once_and_settings_can_still_be_read() {
    for (way, take_away) in WAYS {
        let story = Story::begin();
        let live: Live<Settings> = story.layered().revocation(Revocation::Revoke).start().await.unwrap();
        let mut watcher = live.watch();
        take_away(&story);
        live.refresh_now().await.unwrap_err();
        assert!(!live.health().is_healthy() && live.health().is_revoked, "{way}");
        assert!(matches!(watcher.next().await, Some(Notice::Revoked(_))), "{way}");
        assert_eq!(live.current().password, "first", "{way}");
        story.vault.fail(None);
        story.rotate("second");
        live.refresh_now().await.unwrap();
        assert!(live.health().is_healthy(), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_default_the_last_good_settings_stand_and_health_is_green() {
    for (way, take_away) in WAYS {
        let story = Story::begin();
        let live: Live<Settings> = story.layered().start().await.unwrap();
        let mut watcher = live.watch();
        take_away(&story);
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_healthy(), "{way}");
        assert!(matches!(watcher.next().await, Some(Notice::Failed(_))), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_nothing_away() {
    let story = Story::begin();
    let live: Live<Settings> = story.layered().revocation(Revocation::Revoke).start().await.unwrap();
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled { retry_after: None }] {
        story.vault.fail(Error::new(kind, "vault is down"));
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_healthy(), "{kind:?}");
    }
    story.vault.fail(None);
    story.write("password", "@KeyVault(VaultName=elsewhere;SecretName=x)");
    live.refresh_now().await.unwrap_err();
    assert!(live.health().is_healthy(), "a reference that was edited is nothing that the vault took away");
}

#[tokio::test(start_paused = true)]
async fn a_secret_by_name_that_is_no_longer_listed_was_taken_away() {
    for (way, take_away) in WAYS {
        let story = Story::begin();
        let builder = story.by_name().revocation(Revocation::Revoke);
        let live: Live<Settings> = builder.names(NameMap::new()).start().await.unwrap();
        assert_eq!(live.current().password, "first");
        take_away(&story);
        live.refresh_now().await.unwrap_err();
        assert!(live.health().is_revoked, "{way}");
        story.vault.fail(None);
        story.rotate("second");
        live.refresh_now().await.unwrap();
        assert!(live.health().is_healthy(), "{way}");
    }
}
