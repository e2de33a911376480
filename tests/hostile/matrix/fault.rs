//! The faults of the matrix.

use std::time::Duration;

use keyvault_emulator::{Denial, Fault as EmulatorFault};

use super::situation::Scene;

/// A fault that lasts from now on.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) begin: fn(&Scene),
}

/// The state of the network to the vault.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Network {
    #[default]
    Open,
    UnknownHost,
    PortRefused,
    UntrustedCertificate,
    /// Every page of a list links to another.
    EndlessList,
}

/// The behaviour of the credential.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Tokens {
    #[default]
    Good,
    /// Tokens expire, and the endpoint issues no new ones.
    Down,
    /// Each token takes eight seconds.
    Slow,
}

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "none", begin: |_| {} },
    Fault { name: "429", begin: |scene| scene.inject(EmulatorFault::status(429)) },
    Fault { name: "429, `Retry-After: 0`", begin: |scene| scene.inject(EmulatorFault::status(429).retry_after("0")) },
    Fault {
        name: "429, `Retry-After: 3600`",
        begin: |scene| scene.inject(EmulatorFault::status(429).retry_after("3600")),
    },
    Fault {
        name: "429, `Retry-After` with a date",
        begin: |scene| scene.inject(EmulatorFault::status(429).retry_after("Sun, 06 Nov 2044 08:49:37 GMT")),
    },
    Fault {
        name: "429, `Retry-After: soon`",
        begin: |scene| scene.inject(EmulatorFault::status(429).retry_after("soon")),
    },
    Fault { name: "one 429", begin: |scene| scene.inject_once(EmulatorFault::status(429).retry_after("1")) },
    Fault { name: "500", begin: |scene| scene.inject(EmulatorFault::status(500)) },
    Fault { name: "503", begin: |scene| scene.inject(EmulatorFault::status(503)) },
    Fault { name: "one 503", begin: |scene| scene.inject_once(EmulatorFault::status(503)) },
    Fault { name: "401 every time", begin: |scene| scene.inject(EmulatorFault::Unauthorized) },
    Fault { name: "401, claims wanted", begin: |scene| scene.inject(EmulatorFault::InsufficientClaims) },
    Fault {
        name: "401, challenge for another host",
        begin: |scene| {
            let challenge = r#"Bearer authorization="https://evil.example/", resource="https://management.azure.com""#;
            scene.inject(EmulatorFault::Challenge(challenge.to_owned()));
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
        begin: |scene| {
            scene.inject(EmulatorFault::status(404).body(r#"{"error":{"code":"VaultNotFound","message":""}}"#))
        },
    },
    Fault {
        name: "redirect",
        begin: |scene| scene.inject(EmulatorFault::Redirect("https://evil.example/".to_owned())),
    },
    Fault { name: "hangs before the headers", begin: |scene| scene.inject(EmulatorFault::Hang) },
    Fault { name: "hangs in the body", begin: |scene| scene.inject(EmulatorFault::HangInBody) },
    Fault { name: "one hang", begin: |scene| scene.inject_once(EmulatorFault::Hang) },
    Fault { name: "connection reset", begin: |scene| scene.inject(EmulatorFault::Reset) },
    Fault { name: "body truncated", begin: |scene| scene.inject(EmulatorFault::Truncated) },
    Fault { name: "body oversized", begin: |scene| scene.inject(EmulatorFault::Oversized(1 << 30)) },
    Fault { name: "not JSON", begin: |scene| scene.inject(EmulatorFault::NotJson) },
    Fault { name: "wrong JSON", begin: |scene| scene.inject(EmulatorFault::WrongJson) },
    Fault { name: "id of another secret", begin: |scene| scene.inject(EmulatorFault::WrongId) },
    Fault { name: "empty pages in a loop", begin: |scene| scene.inject(EmulatorFault::EmptyPage) },
    Fault {
        name: "next page on another host",
        begin: |scene| scene.inject(EmulatorFault::NextLink("https://evil.example/secrets".to_owned())),
    },
    Fault { name: "list without an end", begin: |scene| scene.set_network(Network::EndlessList) },
    Fault { name: "host name unknown", begin: |scene| scene.set_network(Network::UnknownHost) },
    Fault { name: "port refused", begin: |scene| scene.set_network(Network::PortRefused) },
    Fault { name: "certificate not trusted", begin: |scene| scene.set_network(Network::UntrustedCertificate) },
    Fault { name: "token endpoint down", begin: |scene| scene.set_tokens(Tokens::Down) },
    Fault { name: "token slow", begin: |scene| scene.set_tokens(Tokens::Slow) },
    Fault { name: "vault's clock an hour ahead", begin: |scene| scene.emulator.advance_clock(HOUR) },
    Fault {
        name: "vault's clock an hour behind",
        begin: |scene| {
            scene.emulator.rewind_clock(HOUR);
            // The later version has the earlier date.
            scene.rotate();
        },
    },
];

const HOUR: Duration = Duration::from_secs(3_600);
