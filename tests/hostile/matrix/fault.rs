//! What goes wrong.

use std::time::Duration;

use keyvault_emulator::{Denial, Fault as Strike};

use super::situation::Scene;

/// Something that goes wrong from now on.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) begin: fn(&Scene),
}

/// What the way to the vault is like.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Road {
    #[default]
    Open,
    NoName,
    NoPort,
    NoTrust,
    /// Every page of a list leads to another.
    NoEnd,
}

/// What the credential does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Tokens {
    #[default]
    Good,
    /// What there is expires, and nobody issues another.
    Down,
    /// It takes eight seconds.
    Slow,
}

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "none", begin: |_| {} },
    Fault { name: "429", begin: |scene| scene.strike(Strike::status(429)) },
    Fault { name: "429, `Retry-After: 0`", begin: |scene| scene.strike(Strike::status(429).retry_after("0")) },
    Fault { name: "429, `Retry-After: 3600`", begin: |scene| scene.strike(Strike::status(429).retry_after("3600")) },
    Fault {
        name: "429, `Retry-After` with a date",
        begin: |scene| scene.strike(Strike::status(429).retry_after("Sun, 06 Nov 2044 08:49:37 GMT")),
    },
    Fault { name: "429, `Retry-After: soon`", begin: |scene| scene.strike(Strike::status(429).retry_after("soon")) },
    Fault { name: "one 429", begin: |scene| scene.strike_once(Strike::status(429).retry_after("1")) },
    Fault { name: "500", begin: |scene| scene.strike(Strike::status(500)) },
    Fault { name: "503", begin: |scene| scene.strike(Strike::status(503)) },
    Fault { name: "one 503", begin: |scene| scene.strike_once(Strike::status(503)) },
    Fault { name: "401 again and again", begin: |scene| scene.strike(Strike::Unauthorized) },
    Fault { name: "401, claims wanted", begin: |scene| scene.strike(Strike::InsufficientClaims) },
    Fault {
        name: "401, challenge to elsewhere",
        begin: |scene| {
            let challenge = r#"Bearer authorization="https://evil.example/", resource="https://management.azure.com""#;
            scene.strike(Strike::Challenge(challenge.to_owned()));
        },
    },
    Fault { name: "403, access policy", begin: |scene| scene.emulator.deny_all(Denial::AccessPolicy) },
    Fault { name: "403, role", begin: |scene| scene.emulator.deny_all(Denial::Rbac) },
    Fault { name: "403, firewall", begin: |scene| scene.emulator.deny_all(Denial::Firewall) },
    Fault { name: "403, private link", begin: |scene| scene.emulator.deny_all(Denial::PrivateLink) },
    Fault { name: "403, secret disabled", begin: |scene| scene.disable() },
    Fault { name: "404, secret deleted", begin: |scene| scene.delete() },
    Fault {
        name: "404, vault deleted",
        begin: |scene| scene.strike(Strike::status(404).body(r#"{"error":{"code":"VaultNotFound","message":""}}"#)),
    },
    Fault { name: "redirect", begin: |scene| scene.strike(Strike::Redirect("https://evil.example/".to_owned())) },
    Fault { name: "hangs before the headers", begin: |scene| scene.strike(Strike::Hang) },
    Fault { name: "hangs in the body", begin: |scene| scene.strike(Strike::HangInBody) },
    Fault { name: "one hang", begin: |scene| scene.strike_once(Strike::Hang) },
    Fault { name: "connection reset", begin: |scene| scene.strike(Strike::Reset) },
    Fault { name: "body truncated", begin: |scene| scene.strike(Strike::Truncated) },
    Fault { name: "body oversized", begin: |scene| scene.strike(Strike::Oversized(1 << 30)) },
    Fault { name: "not JSON", begin: |scene| scene.strike(Strike::NotJson) },
    Fault { name: "wrong JSON", begin: |scene| scene.strike(Strike::WrongJson) },
    Fault { name: "id of another secret", begin: |scene| scene.strike(Strike::WrongId) },
    Fault { name: "empty pages in a circle", begin: |scene| scene.strike(Strike::EmptyPage) },
    Fault {
        name: "next page elsewhere",
        begin: |scene| scene.strike(Strike::NextLink("https://evil.example/secrets".to_owned())),
    },
    Fault { name: "list without an end", begin: |scene| scene.set_road(Road::NoEnd) },
    Fault { name: "host name unknown", begin: |scene| scene.set_road(Road::NoName) },
    Fault { name: "port refused", begin: |scene| scene.set_road(Road::NoPort) },
    Fault { name: "certificate not trusted", begin: |scene| scene.set_road(Road::NoTrust) },
    Fault { name: "token endpoint down", begin: |scene| scene.set_tokens(Tokens::Down) },
    Fault { name: "token slow", begin: |scene| scene.set_tokens(Tokens::Slow) },
    Fault { name: "vault's clock an hour ahead", begin: |scene| scene.emulator.advance_clock(HOUR) },
    Fault {
        name: "vault's clock an hour behind",
        begin: |scene| {
            scene.emulator.rewind_clock(HOUR);
            // What was set later is dated earlier.
            scene.rotate();
        },
    },
];

const HOUR: Duration = Duration::from_secs(3_600);
