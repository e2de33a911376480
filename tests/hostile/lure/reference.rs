//! What whoever writes settings, events or links may try.

use std::time::Duration;

use figment::Figment;
use futures::TryStreamExt;
use keyvault::{Live, PageToken, SecretEvent, SecretEventKind, SecretId};
use keyvault_test_support::CONTOSO;

use super::attack::elsewhere;
use super::trap::{Moment, SHARED, Trap};

#[tokio::test(start_paused = true)]
async fn no_reference_lures_a_token_away_at_any_moment() {
    let trap = Trap::new();
    // One resolver for all of it: the moments are what went well before.
    let honest = "@KeyVault(SecretName=a)";
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            trap.resolver.resolve(honest).await.unwrap();
        }
        let sent = trap.sent();
        for url in elsewhere("/secrets/a").into_iter().filter(|url| !url.starts_with(SHARED)) {
            let shown: String = url.chars().take(90).collect();
            for text in [
                format!("@Microsoft.KeyVault(SecretUri={url})"),
                format!("Server=db;Password=@KeyVault(SecretUri={url};Optional=true)"),
                format!("{honest}@KeyVault(SecretUri={url}/0af1)"),
            ] {
                let before = trap.sent();
                let outcome = trap.resolver.resolve(&text).await;
                assert!(outcome.is_err(), "{shown:?}, {moment:?}");
                let asked_honestly = usize::from(text.starts_with(honest));
                assert!(trap.sent() - before <= asked_honestly, "{shown:?}, {moment:?}: something was sent");
            }
            if let Ok(id) = SecretId::parse(&url) {
                assert!(trap.resolver.get(&id).await.is_err(), "{shown:?}, {moment:?}");
            }
        }
        for name in [
            "evil",
            "fabrikam",
            "contoso.vault.azure.net.evil.example",
            "evil.example#",
            "evil.example/",
            "x@y",
            "con toso",
            "contoso.",
            "\u{441}ontoso",
        ] {
            let text = format!("@KeyVault(VaultName={name};SecretName=a)");
            assert!(trap.resolver.resolve(&text).await.is_err(), "{name}, {moment:?}");
        }
        for secret in ["../keys/a", "a/../../keys/a", "a?x", "a#x", "a%2f..", "..", "a\\b", "a b", ""] {
            let text = format!("@KeyVault(SecretName={secret})");
            assert!(trap.resolver.resolve(&text).await.is_err(), "{secret}, {moment:?}");
        }
        trap.assert_every_token_stayed_at_home("references");
        assert!(trap.sent() >= sent);
    }
    // In capitals it is the same vault.
    let capitals = "@KeyVault(SecretUri=HTTPS://CONTOSO.VAULT.AZURE.NET:443/secrets/a)";
    assert_eq!(trap.resolver.resolve(capitals).await.unwrap().unwrap().expose_secret(), "a value");
    trap.assert_it_still_works("references").await;
}

#[tokio::test(start_paused = true)]
async fn no_link_that_was_kept_lures_a_token_away() {
    let trap = Trap::new();
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            trap.contoso.list().try_collect::<Vec<_>>().await.unwrap();
        }
        for link in elsewhere("/secrets?api-version=2025-07-01&$skiptoken=x") {
            let (shown, before) = (link.chars().take(90).collect::<String>(), trap.sent());
            let listed = trap.contoso.list().resume(&PageToken::new(link)).try_collect::<Vec<_>>().await;
            assert!(listed.is_err(), "{shown:?}, {moment:?}");
            assert_eq!(trap.sent(), before, "{shown:?}, {moment:?}");
        }
    }
    trap.assert_it_still_works("links").await;
}

#[tokio::test(start_paused = true)]
async fn no_event_lures_a_token_away() {
    let trap = Trap::new();
    let layers = || Figment::from(("value", "@KeyVault(SecretName=a)"));
    let builder = keyvault_figment::layered(trap.resolver.clone(), layers).event_spread(Duration::ZERO);
    let live: Live<serde_json::Value> = builder.references_only().start().await.unwrap();
    for url in elsewhere("/secrets/a/0af2") {
        let Ok(id) = SecretId::parse(&url) else { continue };
        let before = trap.sent();
        for kind in [SecretEventKind::NewVersion, SecretEventKind::NearExpiry] {
            live.notify(SecretEvent::new(id.clone(), kind));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(trap.sent(), before, "{url}");
    }
    // An event about a secret of these settings is heeded.
    let before = trap.sent();
    let id = SecretId::parse(&format!("{CONTOSO}/secrets/a/0af2")).unwrap();
    live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(trap.sent() > before);
    trap.assert_every_token_stayed_at_home("events");
    live.shutdown().await;
}
