//! A service with a vault, a settings file and a sealed snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Config, File};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Error, ErrorKind, InMemory, Layers, Live, LiveBuilder, Resolver, Result, SealedSnapshot, SealingKey};
pub(super) use keyvault_test_support::framework::{BOTH, Framework};
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    pub(super) host: String,
    /// Mapped by the name of its secret.
    pub(super) user: String,
    /// Set by a reference.
    pub(super) password: String,
    /// Set by an optional reference.
    pub(super) token: Option<String>,
}

pub(super) const FILE: &str = "host = 'db'\npassword = '<@KeyVault(SecretName=db-password)>'\n\
                               token = '@KeyVault(SecretName=token;Optional=true)'";
/// The key in base64. No output may show it.
pub(super) const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";
pub(super) const KEY_BYTES: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// The start-up deadline.
pub(super) const DEADLINE: Duration = Duration::from_secs(100);

pub(super) struct Service {
    pub(super) vault: InMemory,
    pub(super) directory: Arc<TempDir>,
}

impl Service {
    /// Creates a service with the secrets `User`, which is mapped by name, and `db-password`.
    pub(super) fn new() -> Self {
        let vault = vault("contoso");
        vault.set("User", "ann").unwrap();
        vault.set("db-password", "canary-one").unwrap();
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let service = Self { vault, directory };
        fs::create_dir(service.path().parent().unwrap()).unwrap();
        service.write(FILE);
        service
    }

    /// Edits the settings file.
    pub(super) fn write(&self, text: &str) {
        fs::write(self.directory.path().join("settings.toml"), text).unwrap();
    }

    /// Returns the path of the sealed file, in a directory of its own.
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

    /// Starts and stops the service, so that the secrets are sealed.
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

/// Returns the names of all entries of `directory`.
pub(super) fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
