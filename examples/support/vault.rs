//! A client for an emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use keyvault::SecretClient;
use keyvault_emulator::Emulator;

/// Makes a client for the emulator, which is all that would be different with a vault in Azure.
///
/// # Errors
///
/// The emulator's certificate authority cannot be read.
pub fn client(emulator: &Emulator) -> keyvault::Result<SecretClient> {
    SecretClient::builder(emulator.vault_url())
        .credential(credential(emulator))
        .certificate_authority(emulator.ca_pem())
        .build()
}

/// Makes a credential that has the emulator's token at hand.
pub fn credential(emulator: &Emulator) -> Arc<dyn TokenCredential> {
    Arc::new(EmulatorCredential(emulator.token()))
}

struct EmulatorCredential(String);

#[async_trait::async_trait]
impl TokenCredential for EmulatorCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl fmt::Debug for EmulatorCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmulatorCredential")
    }
}
