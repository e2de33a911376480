//! A small service with a vault and a name map, on either framework.

use std::sync::Arc;
use std::time::Duration;

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::live::Current;
use keyvault::settings::Origins;
use keyvault::{InMemory, Live, NameMap, Resolver, Result};
use keyvault_config::KeyVaultSource;
use keyvault_figment::KeyVaultProvider;
use serde::de::DeserializeOwned;

/// A framework, and whether its settings are live or resolved once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    ConfigLive,
    ConfigOnce,
    FigmentLive,
    FigmentOnce,
}

pub(super) const WAYS: [Way; 4] = [Way::ConfigLive, Way::ConfigOnce, Way::FigmentLive, Way::FigmentOnce];
pub(super) const LIVE: [Way; 2] = [Way::ConfigLive, Way::FigmentLive];

/// The bounds of a settings type.
pub(super) trait Settings: DeserializeOwned + Send + Sync + 'static {}

impl<T: DeserializeOwned + Send + Sync + 'static> Settings for T {}

#[derive(Clone)]
pub(super) struct Service {
    pub(super) vault: InMemory,
    resolver: Option<Resolver>,
    map: NameMap,
    file: &'static str,
}

impl Service {
    pub(super) fn new(map: NameMap) -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        Self { vault, resolver: None, map, file: "" }
    }

    pub(super) fn secret(self, name: &str, value: &str) -> Self {
        self.vault.set(name, value).unwrap();
        self
    }

    pub(super) fn json(self, name: &str, value: &str) -> Self {
        let json = |properties: &mut keyvault::SecretProperties| {
            properties.set_content_type("Application/JSON; charset=utf-8".to_owned());
        };
        self.vault.set_with(name, value, json).unwrap();
        self
    }

    /// Adds a settings file above the secrets.
    pub(super) fn file(mut self, toml: &'static str) -> Self {
        self.file = toml;
        self
    }

    pub(super) fn resolver(mut self, resolver: impl Into<Resolver>) -> Self {
        self.resolver = Some(resolver.into());
        self
    }

    pub(super) fn map(mut self, map: NameMap) -> Self {
        self.map = map;
        self
    }

    fn the_resolver(&self) -> Resolver {
        self.resolver.clone().unwrap_or_else(|| self.vault.clone().into())
    }

    pub(super) async fn start<T: Settings>(&self, way: Way) -> Result<Live<T>> {
        let (resolver, map, file) = (self.the_resolver(), self.map.clone(), self.file);
        match way {
            Way::ConfigLive | Way::ConfigOnce => {
                let layers = move || Config::builder().add_source(File::from_str(file, FileFormat::Toml));
                keyvault_config::layered(resolver, layers)
                    .names(map)
                    .event_spread(Duration::ZERO)
                    .minimum_failure_delay(Duration::ZERO)
                    .start()
                    .await
            }
            Way::FigmentLive | Way::FigmentOnce => {
                let layers = move || Figment::from(Toml::string(file));
                keyvault_figment::layered(resolver, layers)
                    .names(map)
                    .event_spread(Duration::ZERO)
                    .minimum_failure_delay(Duration::ZERO)
                    .start()
                    .await
            }
        }
    }

    pub(super) async fn settings<T: Settings>(&self, way: Way) -> Result<Arc<T>> {
        Ok(self.load(way).await?.0)
    }

    /// Returns the settings with their origins.
    pub(super) async fn load<T: Settings>(&self, way: Way) -> Result<(Arc<T>, Origins)> {
        let resolver = self.the_resolver();
        match way {
            Way::ConfigLive | Way::FigmentLive => {
                let live = self.start(way).await?;
                Ok((Current::to_arc(&live.current()), live.published().origins().clone()))
            }
            Way::ConfigOnce => {
                let secrets = KeyVaultSource::fetch(resolver.clone(), &self.map).await?;
                let file = File::from_str(self.file, FileFormat::Toml);
                let config = Config::builder().add_source(secrets).add_source(file).build().unwrap();
                let resolved = keyvault_config::resolve(config, resolver).await?;
                let origins = resolved.origins().clone();
                Ok((Arc::new(resolved.extract()?), origins))
            }
            Way::FigmentOnce => {
                let secrets = KeyVaultProvider::fetch(resolver.clone(), &self.map).await?;
                let figment = Figment::from(secrets).merge(Toml::string(self.file));
                let resolved = keyvault_figment::resolve(figment, resolver).await?;
                let origins = resolved.origins().clone();
                Ok((Arc::new(resolved.extract()?), origins))
            }
        }
    }
}
