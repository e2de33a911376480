//! A credential of the Azure SDK for Rust whose tokens the emulator accepts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;

use super::emulator::Emulator;
use crate::identity::{LIFETIME, VAULT_AUDIENCE};
use crate::service::Service;

/// A credential that issues a new token of one emulator each time, without a request. [`Emulator::credential`] creates
/// it.
///
/// A token is valid for an hour, by the emulator's clock in the vaults and by the system's clock in the client.
pub struct EmulatorCredential(Arc<Service>);

/// A ready credential.
impl Emulator {
    /// Returns a credential whose tokens the vaults accept, for clients of the Azure SDK for Rust and of `keyvault`.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use azure_core::credentials::TokenCredential;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = keyvault_emulator::Emulator::start().await?;
    /// let credential: Arc<dyn TokenCredential> = emulator.credential();
    /// let token = credential.get_token(&["https://vault.azure.net/.default"], None).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn credential(&self) -> Arc<EmulatorCredential> {
        Arc::new(EmulatorCredential(Arc::clone(&self.router.service)))
    }
}

#[async_trait]
impl TokenCredential for EmulatorCredential {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or(VAULT_AUDIENCE);
        let audience = scope.strip_suffix("/.default").unwrap_or(scope);
        let service = &self.0;
        let token = service.token_issuer(&mut service.state()).issue(audience, &service.registration.tenant_id);
        Ok(AccessToken::new(token, OffsetDateTime::now_utc() + LIFETIME))
    }
}

/// Shows no token.
impl fmt::Debug for EmulatorCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorCredential").finish_non_exhaustive()
    }
}
