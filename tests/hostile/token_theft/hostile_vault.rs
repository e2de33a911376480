//! A vault that turns hostile at a chosen moment and records each token that it receives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use futures::TryStreamExt;
use keyvault::{Resolver, Result, SecretClient};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::transport::{FakeResponse, FakeTransport, SentRequest};

use super::responses::{Attack, Operation};

/// The moment of an attack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    First,
    Second,
    Hundredth,
    /// The vault refuses a valid token, and answers the next request with the attack.
    AfterRefusal,
}

impl Moment {
    pub(super) const ALL: [Self; 4] = [Self::First, Self::Second, Self::Hundredth, Self::AfterRefusal];

    /// Returns the number of successful calls before.
    pub(super) fn calls_before(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second | Self::AfterRefusal => 1,
            Self::Hundredth => 99,
        }
    }
}

/// Two allowed vaults with an identity each, and every other host.
pub(super) struct HostileVault {
    wire: Arc<FakeTransport>,
    /// The next response of contoso, instead of the honest one.
    attacks: Arc<Mutex<VecDeque<FakeResponse>>>,
    pub(super) contoso: SecretClient,
    pub(super) resolver: Resolver,
    credentials: [Arc<FakeCredential>; 2],
}

pub(super) const SHARED: &str = "https://shared.vault.azure.net";

impl HostileVault {
    pub(super) fn new() -> Self {
        let attacks = Arc::<Mutex<VecDeque<FakeResponse>>>::default();
        let queued = Arc::clone(&attacks);
        let wire = FakeTransport::scripted(move |sent| {
            let attack = (sent.origin() == CONTOSO).then(|| queued.lock().unwrap().pop_front()).flatten();
            Ok(attack.unwrap_or_else(|| honest(sent)))
        });
        let credentials = ["contoso", "shared"].map(identity);
        let client = |url: &str, credential: &Arc<FakeCredential>| {
            let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
            SecretClient::builder(url).credential(credential).client_options(wire.options()).build().unwrap()
        };
        let contoso = client(CONTOSO, &credentials[0]);
        let shared = client(SHARED, &credentials[1]);
        let resolver = Resolver::builder(contoso.clone()).vault(shared).max_age(Duration::ZERO).build().unwrap();
        Self { wire, attacks, contoso, resolver, credentials }
    }

    /// Sends requests up to `moment`, then the one that is attacked.
    pub(super) async fn live_through(&self, attack: &Attack, moment: Moment) -> Result<()> {
        for _ in 0..moment.calls_before() {
            self.call(attack.operation).await.unwrap();
        }
        let mut answers = attack.answers.clone();
        if matches!(moment, Moment::AfterRefusal) {
            answers.insert(0, refusal());
        }
        *self.attacks.lock().unwrap() = answers.into();
        let outcome = self.call(attack.operation).await;
        self.attacks.lock().unwrap().clear();
        outcome
    }

    async fn call(&self, operation: Operation) -> Result<()> {
        let client = &self.contoso;
        match operation {
            Operation::Get => {
                let secret = client.get("a").await?;
                assert_eq!((secret.expose_secret(), secret.id().vault()), ("a value", client.vault()));
            }
            Operation::List => drop(client.list().try_collect::<Vec<_>>().await?),
            Operation::ListVersions => drop(client.list_versions("a").try_collect::<Vec<_>>().await?),
            Operation::ListDeleted => drop(client.list_deleted().try_collect::<Vec<_>>().await?),
            Operation::Set => drop(client.set("a", "a value").await?),
            Operation::Delete => drop(client.delete("a").await?),
            Operation::Recover => drop(client.recover("a").await?),
        }
        Ok(())
    }

    /// Asserts that each token was requested for the scope of its vault and sent to this vault only.
    #[track_caller]
    pub(super) fn assert_every_token_stayed_at_home(&self, what: &str) {
        for sent in self.wire.sent() {
            let Some(header) = sent.header("authorization") else {
                assert!([CONTOSO, SHARED].contains(&&*sent.origin()), "{what}: {sent:?} went out, if without a token");
                continue;
            };
            let name = header.trim_start_matches("Bearer token-of-").split('.').next().unwrap();
            let home = format!("https://{name}.vault.azure.net");
            assert_eq!(sent.origin(), home, "{what}: the token of {name} went to {}", sent.origin());
        }
        for credential in &self.credentials {
            for scope in credential.scopes() {
                assert_eq!(
                    scope, "https://vault.azure.net/.default",
                    "{what}: a token for another resource was requested"
                );
            }
        }
    }

    /// Asserts that an attack has no lasting effect.
    pub(super) async fn assert_it_still_works(&self, what: &str) {
        for _ in 0..2 {
            self.call(Operation::Get).await.unwrap_or_else(|error| panic!("{what}, after: {error:?}"));
        }
        let both = "@KeyVault(SecretName=a)@KeyVault(VaultName=shared;SecretName=a)";
        let both = self.resolver.resolve(both).await.unwrap_or_else(|error| panic!("{what}, after: {error:?}"));
        assert_eq!(both.unwrap().expose_secret(), "a valuea value", "{what}");
        self.assert_every_token_stayed_at_home(what);
    }

    /// Returns the number of requests so far.
    pub(super) fn sent(&self) -> usize {
        self.wire.sent().len()
    }
}

/// Creates an identity that issues a new token each time. Each token contains the name of the identity.
fn identity(name: &'static str) -> Arc<FakeCredential> {
    let issued = Mutex::new(0);
    FakeCredential::new(move |_| {
        let mut issued = issued.lock().unwrap();
        *issued += 1;
        std::future::ready(Ok(valid_for(HOUR, format!("token-of-{name}.{issued}"))))
    })
}

/// Responds like an honest vault, for any host.
fn honest(sent: &SentRequest) -> FakeResponse {
    let path: Vec<&str> = sent.url.path().split('/').filter(|part| !part.is_empty()).collect();
    let id = |name: &str| format!("{}/secrets/{name}", sent.origin());
    match (sent.method.as_str(), &path[..]) {
        ("GET", ["secrets"]) => {
            FakeResponse::new(200, format!(r#"{{"value":[{{"id":"{}"}}],"nextLink":null}}"#, id("a")))
        }
        ("GET", ["deletedsecrets"] | [_, _, "versions"]) => FakeResponse::new(200, r#"{"value":[],"nextLink":null}"#),
        ("DELETE", [_, name]) => {
            let recovery = format!("{}/deletedsecrets/{name}", sent.origin());
            FakeResponse::new(200, format!(r#"{{"id":"{}/0af1","recoveryId":"{recovery}"}}"#, id(name)))
        }
        (_, [_, name, ..]) => FakeResponse::new(200, format!(r#"{{"value":"a value","id":"{}/0af1"}}"#, id(name))),
        _ => FakeResponse::new(404, ""),
    }
}

/// Returns the honest refusal of a token by a vault.
pub(super) fn refusal() -> FakeResponse {
    let challenge = r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#;
    FakeResponse::new(401, "").header("www-authenticate", challenge)
}
