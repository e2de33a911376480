//! No response, redirect, setting, event or link obtains a token for another host.
//!
//! Each attack runs at several moments: on the first call, on the second, on the hundredth, and right after the vault
//! refused a token. (The official client of 2025 was safe on the first and not on the second.) The transport reaches
//! every host by its name, and every host responds like a vault, so only the rules of the client keep a token from
//! leaving. Two vaults are allowed, each with its own identity.

mod hostile_vault;
mod inputs;
mod redirects;
mod responses;

use keyvault::ErrorKind;

use self::hostile_vault::{HostileVault, Moment};
use self::responses::{Attack, Outcome, attacks};

#[tokio::test(start_paused = true)]
async fn no_response_of_a_vault_obtains_a_token_at_any_moment() {
    for attack in attacks() {
        for moment in Moment::ALL {
            let hostile = HostileVault::new();
            let outcome = hostile.live_through(&attack, moment).await;
            let what = format!("{}, {moment:?}", attack.name);
            match attack.outcome {
                Outcome::Refused(kind) => assert_eq!(outcome.map_err(|error| error.kind()), Err(kind), "{what}"),
                // Two consecutive refusals of a token end a call, whatever they contain.
                Outcome::Harmless if attack.name.starts_with("challenge") && matches!(moment, Moment::AfterRefusal) => {
                    assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::Denied), "{what}");
                }
                Outcome::Harmless => outcome.unwrap_or_else(|error| panic!("{what}: {error:?}")),
                Outcome::Either => {}
            }
            hostile.assert_every_token_stayed_at_home(&what);
            hostile.assert_it_still_works(&what).await;
        }
    }
}

#[test]
fn every_kind_of_attack_has_many_distinct_cases() {
    let attacks = attacks();
    let mut names: Vec<&str> = attacks.iter().map(|attack: &Attack| attack.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), attacks.len());
    for (kind, least) in [("next page", 80), ("challenge", 25), ("redirect", 20), ("header", 14), ("body", 10)] {
        let count = names.iter().filter(|name| name.starts_with(kind)).count();
        assert!(count >= least, "{count} of {kind}");
    }
}

/// Without this, no test here could fail.
#[tokio::test(start_paused = true)]
async fn without_the_rules_of_the_client_an_attacker_would_succeed() {
    let hostile = HostileVault::new();
    for url in ["https://evil.vault.azure.net", "https://fabrikam.vault.azure.net"] {
        let client = hostile.contoso.with_vault(url).unwrap();
        assert_eq!(client.get("a").await.unwrap().expose_secret(), "a value");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "went to https://evil.vault.azure.net")]
async fn the_harness_detects_a_token_at_a_foreign_host() {
    let hostile = HostileVault::new();
    hostile.contoso.with_vault("https://evil.vault.azure.net").unwrap().get("a").await.unwrap();
    hostile.assert_every_token_stayed_at_home("on purpose");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the token of contoso went to https://shared.vault.azure.net")]
async fn the_harness_detects_a_token_at_the_other_vault() {
    let hostile = HostileVault::new();
    hostile.contoso.with_vault("https://shared.vault.azure.net").unwrap().get("a").await.unwrap();
    hostile.assert_every_token_stayed_at_home("on purpose");
}
