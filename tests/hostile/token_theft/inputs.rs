//! Settings, events and links with which an attacker may try to obtain a token.

use std::time::Duration;

use figment::Figment;
use futures::TryStreamExt;
use keyvault::client::PageToken;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{Live, SecretId};
use keyvault_test_support::CONTOSO;

use super::hostile_vault::{HostileVault, Moment, SHARED};
use super::responses::elsewhere;

#[tokio::test(start_paused = true)]
async fn no_reference_obtains_a_token_at_any_moment() {
    let hostile = HostileVault::new();
    // One resolver for all cases: the moment is the number of successful requests before.
    let honest = "@KeyVault(SecretName=a)";
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            hostile.resolver.resolve(honest).await.unwrap();
        }
        for url in elsewhere("/secrets/a").into_iter().filter(|url| !url.starts_with(SHARED)) {
            let shown: String = url.chars().take(90).collect();
            for text in [
                format!("@Microsoft.KeyVault(SecretUri={url})"),
                format!("Server=db;Password=@KeyVault(SecretUri={url};Optional=true)"),
                format!("{honest}@KeyVault(SecretUri={url}/0af1)"),
            ] {
                let before = hostile.sent();
                let outcome = hostile.resolver.resolve(&text).await;
                assert!(outcome.is_err(), "{shown:?}, {moment:?}");
                let asked_honestly = usize::from(text.starts_with(honest));
                assert!(hostile.sent() - before <= asked_honestly, "{shown:?}, {moment:?}: something was sent");
            }
            let before = hostile.sent();
            if let Ok(id) = SecretId::parse(&url) {
                assert!(hostile.resolver.get(&id).await.is_err(), "{shown:?}, {moment:?}");
            }
            assert_eq!(hostile.sent(), before, "{shown:?}, {moment:?}");
        }
        let before = hostile.sent();
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
            assert!(hostile.resolver.resolve(&text).await.is_err(), "{name}, {moment:?}");
            assert_eq!(hostile.sent(), before, "{name}, {moment:?}");
        }
        for secret in ["../keys/a", "a/../../keys/a", "a?x", "a#x", "a%2f..", "..", "a\\b", "a b", ""] {
            let text = format!("@KeyVault(SecretName={secret})");
            assert!(hostile.resolver.resolve(&text).await.is_err(), "{secret}, {moment:?}");
            assert_eq!(hostile.sent(), before, "{secret}, {moment:?}");
        }
        hostile.assert_every_token_stayed_at_home("references");
    }
    // The same vault in capital letters.
    let capitals = "@KeyVault(SecretUri=HTTPS://CONTOSO.VAULT.AZURE.NET:443/secrets/a)";
    assert_eq!(hostile.resolver.resolve(capitals).await.unwrap().unwrap().expose_secret(), "a value");
    hostile.assert_it_still_works("references").await;
}

#[tokio::test(start_paused = true)]
async fn no_stored_link_obtains_a_token() {
    let hostile = HostileVault::new();
    for moment in [Moment::First, Moment::Second, Moment::Hundredth] {
        for _ in 0..moment.calls_before() {
            hostile.contoso.list().try_collect::<Vec<_>>().await.unwrap();
        }
        for link in elsewhere("/secrets?api-version=2025-07-01&$skiptoken=x") {
            let (shown, before) = (link.chars().take(90).collect::<String>(), hostile.sent());
            let listed = hostile.contoso.list().resume(&PageToken::new(link)).try_collect::<Vec<_>>().await;
            assert!(listed.is_err(), "{shown:?}, {moment:?}");
            assert_eq!(hostile.sent(), before, "{shown:?}, {moment:?}");
        }
    }
    hostile.assert_it_still_works("links").await;
}

#[tokio::test(start_paused = true)]
async fn no_event_obtains_a_token() {
    let hostile = HostileVault::new();
    let layers = || Figment::from(("value", "@KeyVault(SecretName=a)"));
    let builder = keyvault_figment::layered(hostile.resolver.clone(), layers).event_spread(Duration::ZERO);
    let live: Live<serde_json::Value> = builder.references_only().start().await.unwrap();
    for url in elsewhere("/secrets/a/0af2") {
        let Ok(id) = SecretId::parse(&url) else { continue };
        let before = hostile.sent();
        for kind in [SecretEventKind::NewVersion, SecretEventKind::NearExpiry] {
            live.notify(SecretEvent::new(id.clone(), kind));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(hostile.sent(), before, "{url}");
    }
    // An event about a secret of these settings is accepted.
    let before = hostile.sent();
    let id = SecretId::parse(&format!("{CONTOSO}/secrets/a/0af2")).unwrap();
    live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(hostile.sent() > before);
    hostile.assert_every_token_stayed_at_home("events");
    live.shutdown().await;
}
