//! Everything that could lure a token away, at every moment: on the first call, on the second, on the hundredth, and right
//! after a token was refused. (The official client of 2025 was safe on the first and not on the second.)
//!
//! The transport reaches every host by its name, and whoever is asked answers as a vault would: only the client's own rules
//! keep a token from going out. Two vaults are allowed, each with an identity of its own.

mod attack;
mod redirect;
mod reference;
mod trap;

use keyvault::ErrorKind;

use self::attack::{Attack, Outcome, attacks};
use self::trap::{Moment, Trap};

#[tokio::test(start_paused = true)]
async fn no_answer_of_a_vault_lures_a_token_away_at_any_moment() {
    for attack in attacks() {
        for moment in Moment::ALL {
            let trap = Trap::new();
            let outcome = trap.live_through(&attack, moment).await;
            let what = format!("{}, {moment:?}", attack.name);
            match attack.outcome {
                Outcome::Refused(kind) => assert_eq!(outcome.map_err(|error| error.kind()), Err(kind), "{what}"),
                // Two refusals of a token in a row end a call, whatever they say.
                Outcome::Harmless if attack.name.starts_with("challenge") && matches!(moment, Moment::AfterRefusal) => {
                    assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::Denied), "{what}");
                }
                Outcome::Harmless => outcome.unwrap_or_else(|error| panic!("{what}: {error:?}")),
                Outcome::Either => {}
            }
            trap.assert_every_token_stayed_at_home(&what);
            trap.assert_it_still_works(&what).await;
        }
    }
}

#[test]
fn there_are_many_attacks_of_every_kind_and_none_stands_twice() {
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

/// Without it, none of these tests could fail.
#[tokio::test(start_paused = true)]
async fn whoever_stands_behind_a_lure_would_be_believed() {
    let trap = Trap::new();
    for url in ["https://evil.vault.azure.net", "https://fabrikam.vault.azure.net"] {
        let client = trap.contoso.with_vault(url).unwrap();
        assert_eq!(client.get("a").await.unwrap().expose_secret(), "a value");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "went to https://evil.vault.azure.net")]
async fn a_token_that_went_out_is_seen() {
    let trap = Trap::new();
    trap.contoso.with_vault("https://evil.vault.azure.net").unwrap().get("a").await.unwrap();
    trap.assert_every_token_stayed_at_home("on purpose");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the token of contoso went to https://shared.vault.azure.net")]
async fn a_token_that_was_shown_to_the_other_vault_is_seen() {
    let trap = Trap::new();
    trap.contoso.with_vault("https://shared.vault.azure.net").unwrap().get("a").await.unwrap();
    trap.assert_every_token_stayed_at_home("on purpose");
}
