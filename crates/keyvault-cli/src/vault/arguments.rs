//! The options that name vaults and say how to connect to them.

use std::path::PathBuf;
use std::time::Duration;

use keyvault::client::SecretClientBuilder;
use keyvault::{Cloud, SecretClient, Vault};

use super::credential::credential;
use crate::failure::Failure;

/// The options for the connection to a vault.
#[derive(Clone, clap::Args)]
pub(crate) struct ConnectionArguments {
    /// Also trust the certificate authority in this PEM file, for example an emulator's
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// Give up on a request to a vault, with its retries, after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    timeout: Duration,
}

impl ConnectionArguments {
    /// Creates a client for the vault at `url`.
    pub(super) fn client(&self, url: &str) -> Result<SecretClient, Failure> {
        Ok(self.client_builder(url)?.credential(credential()?).build()?)
    }

    /// Creates a client builder without a credential.
    pub(crate) fn client_builder(&self, url: &str) -> Result<SecretClientBuilder, Failure> {
        let builder = SecretClient::builder(url).timeout(self.timeout);
        Ok(match &self.ca_file {
            None => builder,
            Some(path) => {
                let pem = std::fs::read_to_string(path).map_err(|error| Failure::of_file(path, error))?;
                builder.certificate_authority(pem)
            }
        })
    }
}

/// The options of a command that uses one vault.
#[derive(clap::Args)]
pub(crate) struct VaultArguments {
    /// The vault: its name in Azure, or its URL
    #[arg(long, value_name = "URL|NAME", env = "KEYVAULT_VAULT")]
    vault: String,

    #[command(flatten)]
    connection: ConnectionArguments,
}

impl VaultArguments {
    /// Creates a client. A vault on the command line needs no other permission, whatever its host is.
    pub(crate) fn client(&self) -> Result<SecretClient, Failure> {
        let url = if is_url(&self.vault) {
            self.vault.clone()
        } else {
            Vault::named(&self.vault, Cloud::Public)?.origin().to_owned()
        };
        self.connection.client(&url)
    }
}

/// The options of a command that resolves references.
#[derive(Clone, clap::Args)]
pub(crate) struct AllowedVaultsArguments {
    /// A vault that may be contacted: its name in Azure, or its URL; repeat it for each vault that references name; the
    /// first is the default, and no other vault is contacted
    #[arg(long = "vault", value_name = "URL|NAME", env = "KEYVAULT_VAULT", value_delimiter = ',')]
    vaults: Vec<String>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

impl AllowedVaultsArguments {
    /// Returns the vaults in order, without duplicates. A name is in the cloud of the first URL.
    pub(crate) fn vaults(&self) -> Result<Vec<Vault>, Failure> {
        let urls = self.vaults.iter().filter(|name| is_url(name));
        let cloud = urls.filter_map(|url| Vault::parse(url).ok()?.cloud()).next().unwrap_or(Cloud::Public);
        let mut vaults = Vec::new();
        for name in self.vaults.iter().filter(|name| !name.is_empty()) {
            let vault = if is_url(name) { Vault::parse(name)? } else { Vault::named(name, cloud)? };
            if !vaults.contains(&vault) {
                vaults.push(vault);
            }
        }
        Ok(vaults)
    }
}

fn is_url(vault: &str) -> bool {
    vault.contains(['/', ':', '.'])
}
