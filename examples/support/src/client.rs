//! A client for the emulator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use keyvault::SecretClient;
use keyvault_emulator::Emulator;

/// Creates a client for the emulator. With a vault in Azure, only this function would differ.
///
/// # Errors
///
/// The emulator's CA certificate cannot be parsed.
pub fn client(emulator: &Emulator) -> keyvault::Result<SecretClient> {
    SecretClient::builder(emulator.vault_url())
        .credential(credential(emulator))
        .certificate_authority(emulator.ca_pem())
        .build()
}

/// Creates a credential that returns the emulator's token.
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
        f.debug_struct("EmulatorCredential").finish_non_exhaustive()
    }
}
