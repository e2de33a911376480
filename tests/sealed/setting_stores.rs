//! The sealed snapshot covers the settings of a store too.

use keyvault::{Error, ErrorKind, Live, Resolver, Result};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::settings::FakeSettings;
use tokio::time::{Duration, sleep};

use super::service::{DEADLINE, Service, Settings, down};

async fn start(service: &Service, store: &FakeSettings) -> Result<Live<Settings>> {
    let file = service.directory.path().join("settings.toml");
    let layers = move || {
        use figment::providers::{Format, Toml};
        figment::Figment::new().merge(Toml::file(&file))
    };
    let builder = keyvault_figment::layered(Resolver::from(service.vault.clone()), layers).with_layer(store.clone());
    builder.sealed(service.sealed()).startup_deadline(DEADLINE).start().await
}

#[tokio::test(start_paused = true)]
async fn a_start_in_an_outage_has_the_settings_of_the_store() {
    let (service, store) = (Service::new(), FakeSettings::new());
    store.set("user", "canary-store");
    start(&service, &store).await.unwrap().shutdown().await;
    assert_free_of(&String::from_utf8_lossy(&std::fs::read(service.path()).unwrap()), &["canary"]);
    let contents = service.sealed().check(&service.resolver()).expect("the file is bound to the vaults alone");
    assert!(contents.secrets.len() >= 2, "{contents:?}");
    store.fail(Error::new(ErrorKind::Unavailable, "store is down"));
    for is_vault_down in [true, false] {
        service.vault.fail(is_vault_down.then(down));
        let live = start(&service, &store).await.unwrap();
        let settings = live.current();
        assert_eq!((&*settings.user, &*settings.password), ("canary-store", "<canary-one>"));
        assert!(live.health().is_stale());
    }
    let live = start(&service, &store).await.unwrap();
    service.come_back();
    store.fail(None);
    store.set("user", "two");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(live.current().user, "two");
    assert!(!live.health().is_stale());
}
