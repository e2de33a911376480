//! The credential of a command.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;

use crate::failure::Failure;

/// Returns the token of `KEYVAULT_TOKEN` if it is set, otherwise the credential that a service uses by default.
pub(super) fn credential() -> Result<Arc<dyn TokenCredential>, Failure> {
    match environment_token() {
        Some(token) => Ok(token),
        None => Ok(keyvault::default_credential()?),
    }
}

/// Returns the token of `KEYVAULT_TOKEN`, which emulators and scripts set. `None` if it is not set.
pub(crate) fn environment_token() -> Option<Arc<dyn TokenCredential>> {
    let token = env::var("KEYVAULT_TOKEN").ok().filter(|token| !token.is_empty())?;
    Some(Arc::new(EnvironmentToken(token)))
}

struct EnvironmentToken(String);

#[async_trait::async_trait]
impl TokenCredential for EnvironmentToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        // The expiry is unknown. The vault refuses an expired token.
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl fmt::Debug for EnvironmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvironmentToken")
    }
}

/// The variables that configure the credential chain and the platform's identities.
///
/// A program that `keyvault run` or `keyvault render --then` starts does not inherit them.
pub(crate) const CREDENTIAL_VARIABLES: [&str; 17] = [
    "KEYVAULT_TOKEN",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_AUTHORITY_HOST",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
];
