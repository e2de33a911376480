//! The settings of a credential.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use azure_core::http::ClientOptions;

use super::default_credential::DefaultCredential;
use super::step::CredentialStep;
use super::variables::Variables;
use crate::error::{Error, Result};

/// Creates the credential that suits most programs: the identity of the place where the program runs.
///
/// It tries the steps of [`CredentialStep::ALL`] in order; [`DefaultCredential::builder`] selects among them. This
/// reads the environment variables. Everything else happens at the first token.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) if only some of the variables of a step are set. The error names the missing
/// ones.
///
/// # Examples
///
/// ```no_run
/// # fn example() -> keyvault::Result<()> {
/// let client = keyvault::SecretClient::builder("https://contoso.vault.azure.net")
///     .credential(keyvault::default_credential()?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub fn default_credential() -> Result<Arc<DefaultCredential>> {
    DefaultCredential::builder().build()
}

impl DefaultCredential {
    /// Starts building a credential with selected steps, variables or transport.
    pub fn builder() -> DefaultCredentialBuilder {
        DefaultCredentialBuilder {
            steps: CredentialStep::ALL.to_vec(),
            variables: None,
            options: ClientOptions::default(),
        }
    }
}

/// Builds a [`DefaultCredential`]. Nothing before [`build`](DefaultCredentialBuilder::build) has an effect.
#[must_use]
pub struct DefaultCredentialBuilder {
    steps: Vec<CredentialStep>,
    variables: Option<BTreeMap<String, String>>,
    options: ClientOptions,
}

impl DefaultCredentialBuilder {
    /// Sets the steps and their order. Command-line tools run last, concurrently. Default: [`CredentialStep::ALL`].
    pub fn steps(mut self, steps: impl IntoIterator<Item = CredentialStep>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Sets the variables that configure the steps, instead of those of the process. `PATH` locates the tools.
    pub fn variables<K: Into<String>, V: Into<String>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.variables = Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Sets the options of the pipeline to Microsoft Entra: transport, cloud. Their retry options are ignored.
    ///
    /// Requests to a managed identity use no proxy, and a transport of their own.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the credential. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there are no steps, or only some of the variables of a step are set.
    /// The error names the missing ones.
    pub fn build(self) -> Result<Arc<DefaultCredential>> {
        if self.steps.is_empty() {
            return Err(Error::invalid("credential has no steps"));
        }
        let variables = match &self.variables {
            Some(variables) => Variables::new(|name| variables.get(name).cloned()),
            None => Variables::new(|name| std::env::var(name).ok()),
        };
        if self.steps.contains(&CredentialStep::Environment) {
            variables.secret()?;
        }
        if self.steps.contains(&CredentialStep::WorkloadIdentity) {
            variables.token_file()?;
        }
        Ok(Arc::new(DefaultCredential::new(self.steps, variables, self.options)))
    }
}

impl fmt::Debug for DefaultCredentialBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentialBuilder").field("steps", &self.steps).finish_non_exhaustive()
    }
}
