//! The credential of a command.

use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use clap::builder::{PossibleValue, PossibleValuesParser};
use keyvault::credential::{CredentialStep, DefaultCredential};

use crate::failure::Failure;

/// The option that selects a credential.
#[derive(Clone, clap::Args)]
pub(crate) struct CredentialArguments {
    /// Sign in with these credentials only, as with AZURE_TOKEN_CREDENTIALS, and not with KEYVAULT_TOKEN: prod
    /// (environment, workload identity, managed identity), dev (Azure CLI, Azure Developer CLI), or one by its name
    #[arg(
        long = "credential",
        value_name = "NAME",
        env = "KEYVAULT_CREDENTIAL",
        value_parser = PossibleValuesParser::new(selections()),
        ignore_case = true
    )]
    selection: Option<String>,
}

/// The values of `AZURE_TOKEN_CREDENTIALS`.
const SELECTIONS: [&str; 7] = [
    "dev",
    "prod",
    "EnvironmentCredential",
    "WorkloadIdentityCredential",
    "ManagedIdentityCredential",
    "AzureCliCredential",
    "AzureDeveloperCliCredential",
];

/// Returns the values of the option. CI systems set an empty variable where a setting has no value.
fn selections() -> impl Iterator<Item = PossibleValue> {
    SELECTIONS.into_iter().map(PossibleValue::new).chain([PossibleValue::new("").hide(true)])
}

impl CredentialArguments {
    /// Returns the selected credential, otherwise the token of `KEYVAULT_TOKEN` if it is set, otherwise the credential
    /// that a service uses by default.
    pub(super) fn credential(&self) -> Result<Arc<dyn TokenCredential>, Failure> {
        match self.environment_token() {
            Some(token) => Ok(token),
            None => Ok(self.chain()?),
        }
    }

    /// Returns the managed identity with this client id, unless a credential is selected or `KEYVAULT_TOKEN` is set.
    pub(super) fn managed_identity(&self, client_id: &str) -> Result<Arc<dyn TokenCredential>, Failure> {
        if self.selection().is_some() || environment_token().is_some() {
            return self.credential();
        }
        let variables =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables = variables.chain([("AZURE_CLIENT_ID".to_owned(), client_id.to_owned())]);
        Ok(DefaultCredential::builder().steps([CredentialStep::ManagedIdentity]).variables(variables).build()?)
    }

    /// Returns the token of `KEYVAULT_TOKEN`. `None` if it is not set, or a credential is selected.
    pub(crate) fn environment_token(&self) -> Option<Arc<dyn TokenCredential>> {
        if self.selection().is_some() { None } else { environment_token() }
    }

    /// Returns the credential without `KEYVAULT_TOKEN`.
    pub(crate) fn chain(&self) -> keyvault::Result<Arc<DefaultCredential>> {
        let builder = DefaultCredential::builder();
        match self.selection() {
            Some(selection) => builder.steps(CredentialStep::select(selection)?).build(),
            None => builder.build(),
        }
    }

    fn selection(&self) -> Option<&str> {
        self.selection.as_deref().filter(|selection| !selection.is_empty())
    }
}

/// Returns the token of `KEYVAULT_TOKEN`, which emulators and scripts set. `None` if it is not set.
fn environment_token() -> Option<Arc<dyn TokenCredential>> {
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

/// Returns the variables that configure the credential chain and the platform's identities.
///
/// A program that `keyvault run` or `keyvault render --then` starts does not inherit them. The variable of the App
/// Configuration store is among them, because a connection string has an access key.
pub(crate) fn credential_variables() -> impl Iterator<Item = &'static str> {
    let ours = ["KEYVAULT_TOKEN", "KEYVAULT_APP_CONFIGURATION"];
    // The SDKs of other languages also read these.
    let further = ["AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_USERNAME", "AZURE_PASSWORD"];
    ours.into_iter().chain(further).chain(DefaultCredential::VARIABLES.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_takes_the_values_of_the_variable() {
        for selection in SELECTIONS {
            assert!(CredentialStep::select(selection).is_ok(), "{selection}");
        }
        let error = CredentialStep::select("").unwrap_err().to_string();
        assert!(error.ends_with(&SELECTIONS.join(", ")), "{error}");
    }
}
