//! The operator, who rotates the key and breaks the vault.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use azure_core::error::ErrorKind as SdkKind;
use fastrand::Rng;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{SecretClient, SecretId};
use keyvault_emulator::{Denial, Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::{FakeCredential, valid_for};
use keyvault_test_support::emulator::transport_to;
use tokio::time::{Instant, sleep};

use super::service::Service;
use super::{BOUND, DEADLINE, LONGEST_FAULT, ROTATIONS, Server};

/// An operator whose vault fails often.
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

    /// Returns a client of the vault.
    pub(super) fn client(&self) -> SecretClient {
        let no_tokens = Arc::clone(&self.no_tokens);
        // Tokens expire at once, so that each call needs the token endpoint.
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

    /// Rotates the key repeatedly. Before each rotation the vault fails for a while, and then clients have time to
    /// recover.
    pub(super) async fn work(&self, service: &Service) {
        let mut rng = Rng::with_seed(7);
        for round in 0..ROTATIONS {
            let fault = &FAULTS[round as usize % FAULTS.len()];
            // The fault begins before, during or after the rotation.
            let before = Duration::from_secs(rng.u64(..60));
            let lasts = Duration::from_secs(rng.u64(1..LONGEST_FAULT.as_secs()));
            self.server.vault_is_well(false);
            (fault.begin)(self);
            sleep(before.min(lasts)).await;
            let id = self.put(self.server.rotate());
            // Pushes an event for every other rotation, during the fault.
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

    fn inject(&self, fault: Fault) {
        self.emulator.fault(fault);
    }

    /// Injects the fault into one request in three, at random.
    fn inject_some(&self, fault: Fault) {
        self.emulator.fault_matching(None, |_| fastrand::u8(..3) == 0, fault);
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operator")
    }
}

/// A fault of the vault, until it is cleared.
struct InjectedFault {
    name: &'static str,
    begin: fn(&Operator),
}

const FAULTS: &[InjectedFault] = &[
    InjectedFault { name: "nothing", begin: |_| {} },
    InjectedFault { name: "429", begin: |it| it.inject(Fault::status(429)) },
    InjectedFault { name: "429 for an hour", begin: |it| it.inject(Fault::status(429).retry_after("3600")) },
    InjectedFault { name: "some 429", begin: |it| it.inject_some(Fault::status(429).retry_after("2")) },
    InjectedFault { name: "500", begin: |it| it.inject(Fault::status(500)) },
    InjectedFault { name: "some 503", begin: |it| it.inject_some(Fault::status(503)) },
    InjectedFault { name: "hang", begin: |it| it.inject(Fault::Hang) },
    InjectedFault { name: "some hang", begin: |it| it.inject_some(Fault::Hang) },
    InjectedFault { name: "hang in the body", begin: |it| it.inject(Fault::HangInBody) },
    InjectedFault { name: "connection reset", begin: |it| it.inject(Fault::Reset) },
    InjectedFault { name: "truncated", begin: |it| it.inject(Fault::Truncated) },
    InjectedFault { name: "some truncated", begin: |it| it.inject_some(Fault::Truncated) },
    InjectedFault { name: "oversized", begin: |it| it.inject(Fault::Oversized(1 << 30)) },
    InjectedFault { name: "no JSON", begin: |it| it.inject(Fault::NotJson) },
    InjectedFault { name: "wrong JSON", begin: |it| it.inject(Fault::WrongJson) },
    InjectedFault { name: "wrong id", begin: |it| it.inject(Fault::WrongId) },
    InjectedFault { name: "some wrong ids", begin: |it| it.inject_some(Fault::WrongId) },
    InjectedFault { name: "pages in a circle", begin: |it| it.inject(Fault::EmptyPage) },
    InjectedFault {
        name: "next page elsewhere",
        begin: |it| it.inject(Fault::NextLink("https://evil.example/secrets".into())),
    },
    InjectedFault { name: "redirect", begin: |it| it.inject(Fault::Redirect("https://evil.example/".into())) },
    InjectedFault { name: "401", begin: |it| it.inject(Fault::Unauthorized) },
    InjectedFault { name: "403", begin: |it| it.emulator.deny_all(Denial::Rbac) },
    InjectedFault { name: "firewall", begin: |it| it.emulator.deny_all(Denial::Firewall) },
    InjectedFault { name: "no tokens", begin: |it| it.no_tokens.store(true, Ordering::Relaxed) },
    InjectedFault { name: "slow", begin: |it| it.emulator.set_latency(DEADLINE / 8) },
];
