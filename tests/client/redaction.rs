//! `Debug` output, errors and logs contain no value and no token.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use keyvault::client::{SecretBackup, VersionProperties};
use keyvault::credential::DefaultCredential;
use keyvault::settings::{ConfigValue, Key, MappedSecrets, Mismatch, Resolved, Scalar, Tree};
use keyvault::{
    Error, InMemory, Layers, LiveBuilder, NameMap, Reference, Resolver, Secret, SecretClient, SecretId,
    SecretProperties, SecretStore, Template, Vault,
};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::{client_of, transport_to};
use keyvault_test_support::log::Log;
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Unexpected, value};

#[track_caller]
fn assert_redacted(value: &impl Debug) {
    assert_free_of(&format!("{value:?}\n{value:#?}"), &CANARIES);
}

fn in_memory() -> InMemory {
    let vault = InMemory::new(CONTOSO.parse().unwrap());
    vault.set("password", VALUE).unwrap();
    vault.set("json", format!(r#"{{"user":"{VALUE}"}}"#)).unwrap();
    vault
}

#[tokio::test]
async fn debug_of_a_type_with_a_secret_shows_no_value() {
    let vault = in_memory();
    assert_redacted(&vault);
    assert_redacted(&vault.reads());
    let id = SecretId::parse(&format!("{CONTOSO}/secrets/password")).unwrap();
    let secret: Secret = vault.get(&id).await.unwrap();
    assert_redacted(&secret);
    assert_redacted(&secret.clone());
    assert_redacted(&Arc::new(secret.clone()));
    let properties: &SecretProperties = secret.properties();
    assert_redacted(properties);

    let builder = Resolver::builder(vault.clone());
    assert_redacted(&builder);
    let resolver = builder.build().unwrap();
    let in_cache = resolver.get(&id).await.unwrap();
    assert_eq!(in_cache.expose_secret(), VALUE);
    assert_redacted(&resolver);
    let resolved: Resolved = resolver.resolve("@KeyVault(SecretName=json;Property=user)").await.unwrap().unwrap();
    assert_eq!(resolved.expose_secret(), VALUE);
    assert_redacted(&resolved);
    let literal = resolver.resolve(VALUE).await.unwrap().unwrap();
    assert_redacted(&literal);
    let named: MappedSecrets = resolver.mapped(&NameMap::new()).await.unwrap();
    assert!(named.iter().any(|(_, secret)| secret.expose_secret() == VALUE));
    assert_redacted(&named);
    assert_redacted(&named.iter().collect::<Vec<_>>());
}

#[test]
fn debug_of_a_type_about_a_secret_shows_nothing_confidential() {
    let text = format!("Server={VALUE};Password=@KeyVault(SecretName=password)");
    assert_redacted(&Template::parse(&text).unwrap());
    assert_redacted(&Reference::parse("@KeyVault(SecretName=password)").unwrap());
    assert_redacted(&ConfigValue::text(Key::root().member("a"), "settings.toml", VALUE));
    assert_redacted(&ConfigValue::other(Key::root().member("a"), "settings.toml", VALUE));
    assert_redacted(&Scalar::text(VALUE));
    assert_redacted(&Mismatch::invalid_value(Unexpected::Str(VALUE), &VALUE));
    // Text that is no reference, name or URL is usually a misplaced secret.
    for error in [
        Template::parse(&format!("@KeyVault(SecretName={VALUE}!)")).unwrap_err(),
        Template::parse(&format!("@KeyVault({VALUE}")).unwrap_err(),
        Reference::parse(VALUE).unwrap_err(),
        Reference::parse(&format!("@KeyVault(SecretUri={VALUE})")).unwrap_err(),
        Reference::parse(&format!("@KeyVault(SecretName=a;{VALUE}=b)")).unwrap_err(),
        Reference::parse(&format!("@KeyVault(SecretName=a;Property={VALUE};Property=b)")).unwrap_err(),
        Vault::parse(&format!("https://user:{VALUE}@contoso.vault.azure.net")).map_err(Error::from).unwrap_err(),
        Vault::parse(VALUE).map_err(Error::from).unwrap_err(),
        SecretId::parse(&format!("{CONTOSO}/secrets/{VALUE}!")).map_err(Error::from).unwrap_err(),
        SecretId::parse(VALUE).map_err(Error::from).unwrap_err(),
        keyvault::SecretName::parse(&format!("{VALUE}!")).map_err(Error::from).unwrap_err(),
        keyvault::SecretVersion::parse(&format!("{VALUE}!")).map_err(Error::from).unwrap_err(),
    ] {
        assert_value_free(&error, &CANARIES);
        assert_free_of(&error.report(), &CANARIES);
    }
}

#[tokio::test]
async fn debug_of_a_client_shows_no_token() {
    let emulator = Arc::new(Emulator::builder().accept_any_token().start().await.unwrap());
    emulator.vault("contoso").set("password", VALUE);
    let wire = transport_to(&emulator);
    let builder = wire.client(&FakeCredential::fixed(TOKEN));
    assert_redacted(&builder);
    assert_redacted(&SecretClient::builder(format!("https://user:{VALUE}@contoso.vault.azure.net")));
    let client = builder.build().unwrap();
    let secret = client.get("password").await.unwrap();
    assert_redacted(&client);
    assert_redacted(&secret);
    assert_redacted(&client.list().try_collect::<Vec<_>>().await.unwrap());
    assert_redacted(&Resolver::from(client));
    // The fakes must hide it too: a failing test prints them.
    assert_redacted(&wire);
    assert_redacted(&wire.sent());
    assert_redacted(&FakeCredential::fixed(TOKEN));
}

#[tokio::test]
async fn debug_of_writes_and_deletions_shows_no_value() {
    let emulator = Emulator::builder().accept_any_token().start().await.unwrap();
    let client = client_of(&emulator, &FakeCredential::fixed(TOKEN)).build().unwrap();
    assert_redacted(&VersionProperties::new().content_type("text/plain").tag("a", "b"));
    assert_redacted(&client.set("password", VALUE).await.unwrap());
    let backup = client.backup("password").await.unwrap();
    assert_redacted(&backup);
    assert_redacted(&SecretBackup::new(VALUE.as_bytes()));
    assert_redacted(&client.list().page_size(1));
    let pages: Vec<_> = client.list().pages().try_collect().await.unwrap();
    assert_redacted(&pages);
    let deletion = client.begin_delete("password").await.unwrap();
    assert_redacted(&deletion);
    assert_redacted(&deletion.await.unwrap());
    assert_redacted(&client.begin_recover("password").await.unwrap());
    let secrets = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", VALUE)];
    let credential = DefaultCredential::builder().variables(secrets);
    assert_redacted(&credential);
    assert_redacted(&credential.build().unwrap());
}

#[tokio::test(start_paused = true)]
async fn debug_of_live_settings_shows_no_value() {
    let vault = in_memory();
    let layers = || |_: &MappedSecrets| Ok(Line("@KeyVault(SecretName=password)".to_owned()));
    let resolver = Resolver::from(vault.clone());
    let tree = layers().merge(&MappedSecrets::default()).unwrap();
    let loaded = resolver.resolve_tree(tree).await.unwrap();
    assert_redacted(&loaded);
    assert_redacted(loaded.origins());
    assert_eq!(loaded.into_tree().0, VALUE);

    let builder = LiveBuilder::new(resolver, layers());
    assert_redacted(&builder);
    let live = builder.start::<String>().await.unwrap();
    assert_eq!(*live.current(), VALUE);
    let mut watcher = live.watch();
    assert_redacted(&live);
    assert_redacted(&live.current());
    assert_redacted(&live.published());
    assert_redacted(live.published().snapshot());
    assert_redacted(&live.health());
    assert_redacted(&watcher);

    vault.set("password", format!("{VALUE}, rotated")).unwrap();
    assert_redacted(&live.refresh_now().await.unwrap().expect("the secret was rotated"));
    assert_redacted(&watcher.next().await.unwrap());
    vault.fail(Error::new(keyvault::ErrorKind::Denied, "access denied"));
    assert_value_free(&live.refresh_now().await.unwrap_err(), &CANARIES);
    assert_redacted(&watcher.next().await.unwrap());
    assert_redacted(&live.health());
}

#[tokio::test]
async fn a_mismatch_is_reported_without_the_value() {
    let layers = |_: &MappedSecrets| Ok(Line("@KeyVault(SecretName=password)".to_owned()));
    let error =
        LiveBuilder::new(in_memory(), layers).minimum_failure_delay(Duration::ZERO).start::<u16>().await.unwrap_err();
    assert_value_free(&error, &CANARIES);
    assert_free_of(&error.report(), &CANARIES);
    let resolver = Resolver::from(in_memory());
    for text in ["@KeyVault(SecretName=password;Property=a)", "@KeyVault(SecretName=json;Property=none)"] {
        let error = resolver.resolve(text).await.unwrap_err();
        assert_value_free(&error, &CANARIES);
        assert_free_of(&error.report(), &CANARIES);
    }
}

#[tokio::test]
async fn no_log_at_any_level_contains_a_value_or_a_token() {
    let log = Log::begin();
    let emulator = Arc::new(Emulator::builder().accept_any_token().start().await.unwrap());
    for vault in ["", "contoso"] {
        emulator.vault(vault).set("password", VALUE);
    }
    let credential = FakeCredential::fixed(TOKEN);
    let timeout = Duration::from_secs(5);
    for client in [client_of(&emulator, &credential), transport_to(&emulator).client(&credential)] {
        let client = client.timeout(timeout).build().unwrap();
        let secret = client.get("password").await.unwrap();
        assert_eq!(secret.expose_secret(), VALUE);
        client.get_version("password", &secret.id().version().unwrap().to_string()).await.unwrap();
        client.list().try_collect::<Vec<_>>().await.unwrap();
        client.list_versions("password").try_collect::<Vec<_>>().await.unwrap();
        client.get("missing").await.unwrap_err();
        for fault in [
            Fault::status(403).body(format!(r#"{{"error":{{"code":"{VALUE}","message":"{VALUE}"}}}}"#)),
            Fault::Unauthorized,
            Fault::Challenge(r#"Bearer resource="https://evil.example""#.to_owned()),
            Fault::status(429).retry_after("0"),
            Fault::Reset,
            Fault::Truncated,
            Fault::NotJson,
            Fault::WrongJson,
            Fault::WrongId,
        ] {
            emulator.fault_next(1, fault);
            _ = client.get("password").await;
        }
        let resolver = Resolver::from(client);
        resolver.resolve("@KeyVault(SecretName=password)").await.unwrap();
        resolver.mapped(&NameMap::new()).await.unwrap();
        let layers = |_: &MappedSecrets| Ok(Line("@KeyVault(SecretName=password)".to_owned()));
        let live = LiveBuilder::new(resolver.clone(), layers).start::<String>().await.unwrap();
        live.refresh_now().await.unwrap();
        live.shutdown().await;
        _ = LiveBuilder::new(resolver, layers).minimum_failure_delay(Duration::ZERO).start::<u16>().await.unwrap_err();
    }
    let text = log.text();
    assert!(text.contains("asked the vault") && text.contains("TRACE"), "{} letters were logged", text.len());
    let lines = text.lines().filter(|line| CANARIES.iter().any(|canary| line.contains(canary)));
    assert_eq!(lines.collect::<Vec<_>>(), [""; 0]);
}

/// The smallest tree: one string.
struct Line(String);

impl Tree for Line {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Ok(vec![ConfigValue::text(Key::root().member("line"), "a test", self.0.as_str())])
    }

    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        let text = resolved.into_iter().find_map(|(_, text)| text);
        Ok(text.map_or(self, |text| Line(text.expose_secret().to_owned())))
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        let text: value::StringDeserializer<value::Error> = self.0.into_deserializer();
        T::deserialize(text).map_err(|_| Mismatch::new("not valid"))
    }
}

const VALUE: &str = "value-canary";
const TOKEN: &str = "token-canary.token-canary.token-canary";
const CANARIES: [&str; 2] = ["value-canary", "token-canary"];
