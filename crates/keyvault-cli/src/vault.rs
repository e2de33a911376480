//! Which vault a command asks, and with what token.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use keyvault::{Cloud, SecretClient, Vault};

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
        let url = if self.vault.contains(['/', ':', '.']) {
            self.vault.clone()
        } else {
            Vault::named(&self.vault, Cloud::Public)?.origin().to_owned()
        };
        let mut builder = SecretClient::builder(url).credential(credential()?).timeout(self.timeout);
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read_to_string(path).map_err(|error| Failure::of_file(path, error))?;
            builder = builder.certificate_authority(pem);
        }
        Ok(builder.build()?)
    }
}

/// A token in the environment, as emulators and scripts have it, or else the chain that a service uses.
fn credential() -> Result<Arc<dyn TokenCredential>, Failure> {
    match env::var("KEYVAULT_TOKEN") {
        Ok(token) if !token.is_empty() => Ok(Arc::new(GivenToken(token))),
        _ => Ok(keyvault::default_credential()?),
    }
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
