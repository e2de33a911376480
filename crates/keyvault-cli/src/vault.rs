//! Which vault a command asks, and with what token.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use keyvault::{Cloud, SecretClient, SecretClientBuilder, Vault};

use crate::failure::Failure;

/// The vault, the same for every command.
#[derive(clap::Args)]
pub(crate) struct VaultArguments {
    /// The vault: its name in Azure, or its URL
    #[arg(long, value_name = "URL|NAME", env = "KEYVAULT_VAULT")]
    vault: String,

    /// Trust the certificate authority in this file, too: an emulator's
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// Give up after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    timeout: Duration,
}

impl VaultArguments {
    /// Makes a client. To name a vault on the command line is to allow it.
    pub(crate) fn client(&self) -> Result<SecretClient, Failure> {
        let url = if is_url(&self.vault) {
            self.vault.clone()
        } else {
            Vault::named(&self.vault, Cloud::Public)?.origin().to_owned()
        };
        Connection { ca_file: self.ca_file.as_deref(), timeout: self.timeout }.client(&url)
    }
}

/// Tells a vault's URL from its name.
pub(crate) fn is_url(vault: &str) -> bool {
    vault.contains(['/', ':', '.'])
}

/// How vaults are reached.
pub(crate) struct Connection<'a> {
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) timeout: Duration,
}

impl Connection<'_> {
    /// Makes a client of the vault at `url`.
    pub(crate) fn client(&self, url: &str) -> Result<SecretClient, Failure> {
        Ok(self.builder(url)?.credential(credential()?).build()?)
    }

    /// Begins a client that has no credential yet.
    pub(crate) fn builder(&self, url: &str) -> Result<SecretClientBuilder, Failure> {
        let builder = SecretClient::builder(url).timeout(self.timeout);
        Ok(match self.ca_file {
            None => builder,
            Some(path) => {
                let pem = std::fs::read_to_string(path).map_err(|error| Failure::of_file(path, error))?;
                builder.certificate_authority(pem)
            }
        })
    }
}

/// A token in the environment, as emulators and scripts have it, or else the chain that a service uses.
fn credential() -> Result<Arc<dyn TokenCredential>, Failure> {
    match given_token() {
        Some(token) => Ok(token),
        None => Ok(keyvault::default_credential()?),
    }
}

/// Gives the token of `KEYVAULT_TOKEN`, if it is set.
pub(crate) fn given_token() -> Option<Arc<dyn TokenCredential>> {
    let token = env::var("KEYVAULT_TOKEN").ok().filter(|token| !token.is_empty())?;
    Some(Arc::new(GivenToken(token)))
}

/// A token that somebody else got.
struct GivenToken(String);

#[async_trait::async_trait]
impl TokenCredential for GivenToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        // Nobody told when it expires; the vault will.
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenToken")
    }
}
