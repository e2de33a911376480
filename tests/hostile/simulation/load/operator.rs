//! Who rotates the key, and what happens to the vault meanwhile.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use azure_core::error::ErrorKind as SdkKind;
use fastrand::Rng;
use keyvault::{SecretClient, SecretEvent, SecretEventKind, SecretId};
use keyvault_emulator::{Denial, Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::{FakeCredential, valid_for};
use keyvault_test_support::emulator::transport_to;
use tokio::time::{Instant, sleep};

use super::service::Service;
use super::{BOUND, DEADLINE, LONGEST_FAULT, ROTATIONS, Server};

/// Somebody with a vault, and with bad luck.
pub(super) struct Operator {
    pub(super) emulator: Arc<Emulator>,
    server: Server,
    no_tokens: Arc<AtomicBool>,
}

impl Operator {
    pub(super) async fn hire(server: &Server) -> Self {
        let begun = Instant::now();
        let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + begun.elapsed();
        let emulator = Emulator::builder().accept_any_token().page_size(2).clock(clock).start().await.unwrap();
        let operator = Self { emulator: Arc::new(emulator), server: server.clone(), no_tokens: Arc::default() };
        for name in ["user", "region", "tier"] {
            operator.emulator.vault("contoso").set(name, "constant");
        }
        operator.put(1);
        operator
    }

    /// Gives a client of the vault.
    pub(super) fn client(&self) -> SecretClient {
        let no_tokens = Arc::clone(&self.no_tokens);
        // Tokens of a second, so that each call needs the token endpoint.
        let credential = FakeCredential::new(move |_| {
            let is_down = no_tokens.load(Ordering::Relaxed);
            async move {
                match is_down {
                    true => {
                        Err(azure_core::Error::with_message(SdkKind::Connection, "token endpoint cannot be reached"))
                    }
                    false => Ok(valid_for(Duration::ZERO, "token")),
                }
            }
        });
        transport_to(&self.emulator).client(&credential).build().unwrap()
    }

    fn put(&self, key: u64) -> SecretId {
        let version = self.emulator.vault("contoso").set("key", &key.to_string());
        SecretId::parse(&format!("{CONTOSO}/secrets/key/{version}")).unwrap()
    }

    /// Rotates the key as often as it takes. Before each rotation the vault fails for a while, and a client has its time.
    pub(super) async fn work(&self, service: &Service) {
        let mut rng = Rng::with_seed(7);
        for round in 0..ROTATIONS {
            let fault = &FAULTS[round as usize % FAULTS.len()];
            // The fault begins before the rotation, with it or after it.
            let before = Duration::from_secs(rng.u64(..60));
            let lasts = Duration::from_secs(rng.u64(1..LONGEST_FAULT.as_secs()));
            self.server.vault_is_well(false);
            (fault.begin)(self);
            sleep(before.min(lasts)).await;
            let id = self.put(self.server.rotate());
            // An event for every other rotation, in the middle of the fault.
            if rng.bool() {
                service.live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
            }
            sleep(lasts.saturating_sub(before)).await;
            self.relieve();
            sleep(BOUND + Duration::from_secs(rng.u64(..60))).await;
            assert_eq!(service.key(), self.server.newest().to_string(), "after {}", fault.name);
        }
    }

    /// Ends every fault.
    fn relieve(&self) {
        self.emulator.clear_faults();
        self.emulator.clear_denials();
        self.no_tokens.store(false, Ordering::Relaxed);
        self.emulator.set_latency(Duration::ZERO);
        self.server.vault_is_well(true);
    }

    fn strike(&self, fault: Fault) {
        self.emulator.fault(fault);
    }

    /// One request in three is struck, which ones is left to chance.
    fn strike_some(&self, fault: Fault) {
        self.emulator.fault_matching(None, |_| fastrand::u8(..3) == 0, fault);
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operator")
    }
}

/// Something that happens to the vault, until it is relieved.
struct Misfortune {
    name: &'static str,
    begin: fn(&Operator),
}

const FAULTS: &[Misfortune] = &[
    Misfortune { name: "nothing", begin: |_| {} },
    Misfortune { name: "429", begin: |it| it.strike(Fault::status(429)) },
    Misfortune { name: "429 for an hour", begin: |it| it.strike(Fault::status(429).retry_after("3600")) },
    Misfortune { name: "some 429", begin: |it| it.strike_some(Fault::status(429).retry_after("2")) },
    Misfortune { name: "500", begin: |it| it.strike(Fault::status(500)) },
    Misfortune { name: "some 503", begin: |it| it.strike_some(Fault::status(503)) },
    Misfortune { name: "hang", begin: |it| it.strike(Fault::Hang) },
    Misfortune { name: "some hang", begin: |it| it.strike_some(Fault::Hang) },
    Misfortune { name: "hang in the body", begin: |it| it.strike(Fault::HangInBody) },
    Misfortune { name: "connection reset", begin: |it| it.strike(Fault::Reset) },
    Misfortune { name: "truncated", begin: |it| it.strike(Fault::Truncated) },
    Misfortune { name: "some truncated", begin: |it| it.strike_some(Fault::Truncated) },
    Misfortune { name: "oversized", begin: |it| it.strike(Fault::Oversized(1 << 30)) },
    Misfortune { name: "no JSON", begin: |it| it.strike(Fault::NotJson) },
    Misfortune { name: "wrong JSON", begin: |it| it.strike(Fault::WrongJson) },
    Misfortune { name: "wrong id", begin: |it| it.strike(Fault::WrongId) },
    Misfortune { name: "some wrong ids", begin: |it| it.strike_some(Fault::WrongId) },
    Misfortune { name: "pages in a circle", begin: |it| it.strike(Fault::EmptyPage) },
    Misfortune {
        name: "next page elsewhere",
        begin: |it| it.strike(Fault::NextLink("https://evil.example/secrets".into())),
    },
    Misfortune { name: "redirect", begin: |it| it.strike(Fault::Redirect("https://evil.example/".into())) },
    Misfortune { name: "401", begin: |it| it.strike(Fault::Unauthorized) },
    Misfortune { name: "403", begin: |it| it.emulator.deny_all(Denial::Rbac) },
    Misfortune { name: "firewall", begin: |it| it.emulator.deny_all(Denial::Firewall) },
    Misfortune { name: "no tokens", begin: |it| it.no_tokens.store(true, Ordering::Relaxed) },
    Misfortune { name: "slow", begin: |it| it.emulator.set_latency(DEADLINE / 8) },
];
