//! A service with a vault, a settings file and a place for its sealed snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Config, File};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Error, ErrorKind, InMemory, Layers, Live, LiveBuilder, Resolver, Result, SealedSnapshot, SealingKey};
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framework {
    Config,
    Figment,
}

pub(super) const BOTH: [Framework; 2] = [Framework::Config, Framework::Figment];

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    pub(super) host: String,
    /// By the name of its secret.
    pub(super) user: String,
    /// By reference.
    pub(super) password: String,
    /// By optional reference.
    pub(super) token: Option<String>,
}

pub(super) const FILE: &str = "host = 'db'\npassword = '<@KeyVault(SecretName=db-password)>'\n\
                               token = '@KeyVault(SecretName=token;Optional=true)'";
/// Base64 of the key, which nothing may show.
pub(super) const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";
pub(super) const KEY_BYTES: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// A start gives up after it.
pub(super) const DEADLINE: Duration = Duration::from_secs(100);

pub(super) struct Depot {
    pub(super) vault: InMemory,
    pub(super) directory: Arc<TempDir>,
}

impl Depot {
    /// Opens with the secrets `User`, whose name is a setting, and `db-password`.
    pub(super) fn open() -> Self {
        let vault = vault("contoso");
        vault.set("User", "ann").unwrap();
        vault.set("db-password", "canary-one").unwrap();
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let depot = Self { vault, directory };
        fs::create_dir(depot.path().parent().unwrap()).unwrap();
        depot.write(FILE);
        depot
    }

    /// Edits the settings file.
    pub(super) fn write(&self, text: &str) {
        fs::write(self.directory.path().join("settings.toml"), text).unwrap();
    }

    /// Where the secrets are sealed, in a directory that has nothing else in it.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("state").join("app.sealed")
    }

    pub(super) fn sealed(&self) -> SealedSnapshot {
        SealedSnapshot::new(self.path(), SealingKey::from_base64(KEY).unwrap()).identity("shop")
    }

    pub(super) fn resolver(&self) -> Resolver {
        self.vault.clone().into()
    }

    pub(super) async fn start(&self, framework: Framework) -> Result<Live<Settings>> {
        self.start_with(framework, self.sealed()).await
    }

    pub(super) async fn start_with(&self, framework: Framework, sealed: SealedSnapshot) -> Result<Live<Settings>> {
        self.start_on(framework, self.resolver(), sealed).await
    }

    pub(super) async fn start_on(
        &self,
        framework: Framework,
        resolver: impl Into<Resolver>,
        sealed: SealedSnapshot,
    ) -> Result<Live<Settings>> {
        let file = self.directory.path().join("settings.toml");
        match framework {
            Framework::Config => {
                let layers = move || Config::builder().add_source(File::from(file.as_path()));
                begin(keyvault_config::layered(resolver, layers), sealed).await
            }
            Framework::Figment => {
                let layers = move || Figment::new().merge(Toml::file(&file));
                begin(keyvault_figment::layered(resolver, layers), sealed).await
            }
        }
    }

    /// Runs once, so that the secrets are sealed, and ends.
    pub(super) async fn run_once(&self, framework: Framework) {
        let live = self.start(framework).await.unwrap();
        live.shutdown().await;
        assert!(live.health().sealed.unwrap().saved.is_some(), "{:?}", live.health());
    }

    pub(super) fn go_down(&self) {
        self.vault.fail(down());
    }

    pub(super) fn come_back(&self) {
        self.vault.fail(None);
    }
}

async fn begin(builder: LiveBuilder<impl Layers>, sealed: SealedSnapshot) -> Result<Live<Settings>> {
    builder.sealed(sealed).startup_deadline(DEADLINE).start().await
}

pub(super) fn vault(name: &str) -> InMemory {
    InMemory::new(format!("https://{name}.vault.azure.net").parse().unwrap())
}

pub(super) fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "vault is down")
}

/// Gives the names of everything in `directory`.
pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
