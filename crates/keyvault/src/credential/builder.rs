//! The settings of a credential.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use azure_core::http::ClientOptions;

use super::default_credential::DefaultCredential;
use super::step::CredentialStep;
use super::variables::{SELECTION, Variables};
use crate::error::{Error, Result};

/// Creates the credential that suits most programs: the identity of the place where the program runs.
///
/// It tries the steps of [`CredentialStep::ALL`] in order. The variable `AZURE_TOKEN_CREDENTIALS`
/// [selects](CredentialStep::select) among them, and so does [`DefaultCredential::builder`]. This reads the environment
/// variables. Everything else happens at the first token.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) if `AZURE_TOKEN_CREDENTIALS` selects no known credential.
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
        DefaultCredentialBuilder { steps: None, variables: None, options: ClientOptions::default() }
    }
}

/// Builds a [`DefaultCredential`]. Nothing before [`build`](DefaultCredentialBuilder::build) has an effect.
#[must_use]
pub struct DefaultCredentialBuilder {
    steps: Option<Vec<CredentialStep>>,
    variables: Option<BTreeMap<String, String>>,
    options: ClientOptions,
}

impl DefaultCredentialBuilder {
    /// Sets the steps and their order. Command-line tools run last, concurrently.
    ///
    /// Default: those that `AZURE_TOKEN_CREDENTIALS` [selects](CredentialStep::select), otherwise
    /// [`CredentialStep::ALL`].
    pub fn steps(mut self, steps: impl IntoIterator<Item = CredentialStep>) -> Self {
        self.steps = Some(steps.into_iter().collect());
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
    /// [`Invalid`](crate::ErrorKind::Invalid) if there are no steps, or `AZURE_TOKEN_CREDENTIALS` selects none.
    pub fn build(self) -> Result<Arc<DefaultCredential>> {
        let variables = match &self.variables {
            Some(variables) => Variables::new(|name| variables.get(name).cloned()),
            None => Variables::new(|name| std::env::var(name).ok()),
        };
        let steps = match (self.steps, variables.get(SELECTION)) {
            (Some(steps), _) => steps,
            (None, Some(selection)) => CredentialStep::select(selection)?,
            (None, None) => CredentialStep::ALL.to_vec(),
        };
        if steps.is_empty() {
            return Err(Error::invalid("credential has no steps"));
        }
        Ok(Arc::new(DefaultCredential::new(steps, variables, self.options)))
    }
}

impl fmt::Debug for DefaultCredentialBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentialBuilder").field("steps", &self.steps).finish_non_exhaustive()
    }
}
