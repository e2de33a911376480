//! A program without a runtime uses either framework.

use config::Config;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::blocking::block_on;
use keyvault::{InMemory, Live};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Settings {
    url: String,
    pool: u16,
}

const URL: &str = "app:@KeyVault(SecretName=password)@db";

fn vault() -> InMemory {
    let vault = InMemory::new(keyvault_test_support::CONTOSO.parse().unwrap());
    vault.set("password", "first").unwrap();
    vault.set("pool", "5").unwrap();
    vault
}

#[test]
fn both_frameworks_start_and_follow() {
    let figment = |vault: InMemory| {
        let layers = || Figment::from(Serialized::default("url", URL));
        keyvault_figment::layered(vault, layers).start_blocking::<Settings>()
    };
    let config = |vault: InMemory| {
        let layers = || Config::builder().set_default("url", URL).unwrap();
        keyvault_config::layered(vault, layers).start_blocking::<Settings>()
    };
    for start in [&figment as &dyn Fn(InMemory) -> keyvault::Result<Live<Settings>>, &config] {
        let vault = vault();
        let live = start(vault.clone()).unwrap();
        assert_eq!((live.current().url.as_str(), live.current().pool), ("app:first@db", 5));
        vault.set("password", "second").unwrap();
        block_on(live.refresh_now()).unwrap().unwrap();
        assert_eq!(live.current().url, "app:second@db");
        assert!(live.health().is_healthy());
    }
}

#[test]
fn both_frameworks_resolve_once() {
    let figment = Figment::from(Serialized::default("url", URL)).merge(Serialized::default("pool", 1));
    let settings: Settings = block_on(keyvault_figment::resolve(figment, vault())).unwrap().extract().unwrap();
    assert_eq!((settings.url.as_str(), settings.pool), ("app:first@db", 1));
    let config = Config::builder().set_default("url", URL).unwrap().set_default("pool", 1).unwrap().build().unwrap();
    let settings: Settings = block_on(keyvault_config::resolve(config, vault())).unwrap().extract().unwrap();
    assert_eq!((settings.url.as_str(), settings.pool), ("app:first@db", 1));
}
