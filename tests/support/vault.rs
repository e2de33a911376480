//! Clients of an emulator.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use keyvault::{SecretClient, SecretClientBuilder};
use keyvault_emulator::Emulator;

use super::wire::Wire;

/// A vault in Azure, for a client whose transport leads elsewhere.
pub(crate) const CONTOSO: &str = "https://contoso.vault.azure.net";

/// Begins a client that reaches `emulator` over TLS on a socket.
pub(crate) fn client_of(emulator: &Emulator, credential: &Arc<impl TokenCredential + 'static>) -> SecretClientBuilder {
    let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
    SecretClient::builder(emulator.vault_url()).credential(credential).certificate_authority(emulator.ca_pem())
}

/// Begins a client of the vault [`CONTOSO`] whose requests go over `wire`.
pub(crate) fn client_over(wire: &Arc<Wire>, credential: &Arc<impl TokenCredential + 'static>) -> SecretClientBuilder {
    let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
    SecretClient::builder(CONTOSO).credential(credential).client_options(wire.options())
}
