//! A service with a vault, a settings file and variables, on either framework.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, Environment, File};
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use keyvault::live::{Current, Validate};
use keyvault::settings::Origins;
use keyvault::{InMemory, Layers, Live, LiveBuilder, NameMap, Policy, Report, Resolver, Result};
use keyvault_config::{KeyVaultSource, ResolvedConfig};
use keyvault_figment::{KeyVaultProvider, ResolvedFigment};
pub(super) use keyvault_test_support::framework::{BOTH, Framework};
pub(super) use keyvault_test_support::variables::with_variables;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// The way in which settings are loaded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Live, by `layered`.
    Started,
    /// Once, by `resolve`, above the mapped secrets.
    Resolved,
}

pub(super) const WAYS: [(Framework, Way); 4] = [
    (Framework::Config, Way::Started),
    (Framework::Config, Way::Resolved),
    (Framework::Figment, Way::Started),
    (Framework::Figment, Way::Resolved),
];

/// The position of the vault among the layers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Bottom,
    Between,
    Top,
}

/// One setting called `value`.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct One<T> {
    pub(super) value: T,
}

#[derive(Clone)]
pub(super) struct Service {
    pub(super) vault: InMemory,
    pub(super) file: Arc<TemporaryFile>,
    resolver: Option<Resolver>,
    place: Place,
    names: Option<NameMap>,
    policies: Vec<(&'static str, Policy)>,
    app_configuration: bool,
}

impl Service {
    /// Creates a service with a settings file and the empty vault contoso.
    pub(super) fn new(settings: &str) -> Self {
        Self {
            vault: vault("contoso"),
            file: Arc::new(TemporaryFile::new(settings)),
            resolver: None,
            place: Place::Bottom,
            names: Some(NameMap::new()),
            policies: Vec::new(),
            app_configuration: false,
        }
    }

    pub(super) fn secret(self, name: &str, value: &str) -> Self {
        self.vault.set(name, value).unwrap();
        self
    }

    pub(super) fn resolver(mut self, resolver: impl Into<Resolver>) -> Self {
        self.resolver = Some(resolver.into());
        self
    }

    pub(super) fn vault_at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(super) fn names(mut self, map: NameMap) -> Self {
        self.names = Some(map);
        self
    }

    pub(super) fn policy(mut self, pattern: &'static str, policy: Policy) -> Self {
        self.policies.push((pattern, policy));
        self
    }

    pub(super) fn app_configuration(mut self) -> Self {
        self.resolver = Some(Resolver::builder(self.vault.clone()).app_configuration_references().build().unwrap());
        self.app_configuration = true;
        self
    }

    pub(super) fn references_only(mut self) -> Self {
        self.names = None;
        self
    }

    pub(super) async fn start<T: Settings>(&self, framework: Framework) -> Result<Live<T>> {
        self.start_validated(framework, |_: &T| Ok(())).await
    }

    pub(super) async fn start_validated<T: Settings>(
        &self,
        framework: Framework,
        hook: impl Validate<T>,
    ) -> Result<Live<T>> {
        let (vault, file, place) = (self.resolver_or_vault(), self.file.path(), self.place);
        match (framework, place) {
            (Framework::Config, Place::Bottom) => {
                self.begin(keyvault_config::layered(vault, move || config(&file)), hook).await
            }
            (Framework::Figment, Place::Bottom) => {
                self.begin(keyvault_figment::layered(vault, move || figment(&file)), hook).await
            }
            (Framework::Config, _) => {
                let layers = move |secrets: KeyVaultSource| match place {
                    Place::Between => Config::builder().add_source(toml(&file)).add_source(secrets).add_source(env()),
                    _ => config(&file).add_source(secrets),
                };
                self.begin(keyvault_config::layered_with(vault, layers), hook).await
            }
            (Framework::Figment, _) => {
                let layers = move |secrets: KeyVaultProvider| match place {
                    Place::Between => Figment::new().merge(Toml::file(&file)).merge(secrets).merge(figment_env()),
                    _ => figment(&file).merge(secrets),
                };
                self.begin(keyvault_figment::layered_with(vault, layers), hook).await
            }
        }
    }

    async fn begin<T: Settings>(&self, builder: LiveBuilder<impl Layers>, hook: impl Validate<T>) -> Result<Live<T>> {
        let mut builder = match &self.names {
            Some(map) => builder.names(map.clone()),
            None => builder.references_only(),
        };
        for (pattern, policy) in &self.policies {
            builder = builder.policy(pattern, *policy);
        }
        if self.app_configuration {
            builder = builder.app_configuration_references();
        }
        builder.minimum_failure_delay(Duration::ZERO).validate(hook).start().await
    }

    /// Resolves once, above the mapped secrets of the vault.
    pub(super) async fn resolve(&self, framework: Framework) -> Result<Resolved> {
        let (vault, file) = (self.resolver_or_vault(), self.file.path());
        let map = self.names.clone().unwrap_or_else(|| NameMap::new().prefix("none-of-all--"));
        Ok(match framework {
            Framework::Config => {
                let secrets = KeyVaultSource::fetch(vault.clone(), &map).await?;
                let layers = config(&file).build().unwrap();
                let all = Config::builder().add_source(secrets).add_source(layers).build().unwrap();
                Resolved::Config(keyvault_config::resolve(all, vault).await?)
            }
            Framework::Figment => {
                let secrets = KeyVaultProvider::fetch(vault.clone(), &map).await?;
                Resolved::Figment(keyvault_figment::resolve(figment(&file).join(secrets), vault).await?)
            }
        })
    }

    /// Loads settings in one of the ways.
    pub(super) async fn settings<T: Settings>(&self, (framework, way): (Framework, Way)) -> Result<Arc<T>> {
        match way {
            Way::Started => Ok(Current::to_arc(&self.start(framework).await?.current())),
            Way::Resolved => Ok(Arc::new(self.resolve(framework).await?.extract()?)),
        }
    }

    fn resolver_or_vault(&self) -> Resolver {
        self.resolver.clone().unwrap_or_else(|| self.vault.clone().into())
    }
}

/// The bounds of a settings type.
pub(super) trait Settings: DeserializeOwned + Send + Sync + 'static {}

impl<T: DeserializeOwned + Send + Sync + 'static> Settings for T {}

pub(super) fn vault(name: &str) -> InMemory {
    InMemory::new(format!("https://{name}.vault.azure.net").parse().unwrap())
}

/// Returns the file below the variables, for config.
pub(super) fn config(file: &Path) -> ConfigBuilder<DefaultState> {
    Config::builder().add_source(toml(file)).add_source(env())
}

/// Returns the file below the variables, for figment.
pub(super) fn figment(file: &Path) -> Figment {
    Figment::new().merge(Toml::file(file)).merge(figment_env())
}

fn toml(file: &Path) -> File<config::FileSourceFile, config::FileFormat> {
    File::from(file)
}

fn env() -> Environment {
    Environment::with_prefix("SHOP").prefix_separator("_").separator("__")
}

fn figment_env() -> Env {
    Env::prefixed("SHOP_").split("__")
}

#[derive(Debug)]
pub(super) enum Resolved {
    Config(ResolvedConfig),
    Figment(ResolvedFigment),
}

impl Resolved {
    pub(super) fn extract<T: DeserializeOwned>(self) -> Result<T> {
        match self {
            Resolved::Config(config) => config.extract(),
            Resolved::Figment(figment) => figment.extract(),
        }
    }

    pub(super) fn origins(&self) -> &Origins {
        match self {
            Resolved::Config(config) => config.origins(),
            Resolved::Figment(figment) => figment.origins(),
        }
    }

    pub(super) fn report(&self) -> &Report {
        match self {
            Resolved::Config(config) => config.report(),
            Resolved::Figment(figment) => figment.report(),
        }
    }
}

/// A file `settings.toml` in a temporary directory of its own.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    directory: TempDir,
}

impl TemporaryFile {
    pub(super) fn new(text: &str) -> Self {
        let file = Self { directory: tempfile::tempdir().unwrap() };
        file.write(text);
        file
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("settings.toml")
    }

    pub(super) fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    pub(super) fn remove(&self) {
        fs::remove_file(self.path()).unwrap();
    }
}

pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
