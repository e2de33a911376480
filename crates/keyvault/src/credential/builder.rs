//! What a credential is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use azure_core::http::ClientOptions;
use tokio::sync::Mutex;

use super::variables::Variables;
use super::{CredentialStep, DefaultCredential};
use crate::error::{Error, Result};

/// Builds a [`DefaultCredential`]; nothing before [`build`](DefaultCredentialBuilder::build) has an effect.
#[must_use]
pub struct DefaultCredentialBuilder {
    steps: Vec<CredentialStep>,
    variables: Option<BTreeMap<String, String>>,
    options: ClientOptions,
}

impl DefaultCredentialBuilder {
    pub(super) fn new() -> Self {
        Self { steps: CredentialStep::ALL.to_vec(), variables: None, options: ClientOptions::default() }
    }

    /// Chooses the steps and their order; tools are asked last, at the same time. Default: [`CredentialStep::ALL`].
    pub fn steps(mut self, steps: impl IntoIterator<Item = CredentialStep>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Sets the variables that steps are configured by, in place of those of the process. `PATH` is where the tools are.
    pub fn variables<K: Into<String>, V: Into<String>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.variables = Some(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        self
    }

    /// Sets the options of the pipeline to Entra: transport, cloud. Their retry options are replaced.
    ///
    /// A managed identity is asked without a proxy, over a transport of its own.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the credential, without I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no step, or the variables of a chosen step are set in part; the
    /// error names those that are missing.
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
        Ok(Arc::new(DefaultCredential {
            steps: self.steps,
            variables,
            options: self.options,
            chosen: Mutex::new(None),
        }))
    }
}

impl fmt::Debug for DefaultCredentialBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultCredentialBuilder").field("steps", &self.steps).finish_non_exhaustive()
    }
}
