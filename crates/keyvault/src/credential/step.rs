//! The steps of a credential, and their outcomes.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential};

use crate::error::{Error, ErrorKind};

/// A place where a [`DefaultCredential`](crate::credential::DefaultCredential) looks for an identity.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CredentialStep {
    /// An application with a secret: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
    Environment,
    /// An application with a federated token: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, and a token [in the
    /// file](https://learn.microsoft.com/azure/aks/workload-identity-overview) of `AZURE_FEDERATED_TOKEN_FILE`, as in
    /// AKS. Without a file, the token of the job in GitHub Actions (with the permission `id-token: write`) or Azure
    /// Pipelines (with `SYSTEM_ACCESSTOKEN` and the service connection of an Azure task).
    WorkloadIdentity,
    /// The identity that Azure assigns to a machine: that of App Service, Functions and Container Apps if
    /// `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are set, otherwise that of a virtual machine if its metadata service
    /// answers within a second. `AZURE_CLIENT_ID` selects a user-assigned identity.
    ManagedIdentity,
    /// The user who signed in with `az login`.
    AzureCli,
    /// The user who signed in with `azd auth login`.
    AzureDeveloperCli,
}

/// The outcome of a step, from [`DefaultCredential::diagnose`](crate::credential::DefaultCredential::diagnose).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum StepOutcome {
    /// The step returned a token. The credential uses it.
    Serves,
    /// The step is not configured here, for this reason.
    DoesNotApply(String),
    /// The step is configured, but only in part or for an identity that is not supported, for this reason. The
    /// credential tries the next step.
    Unusable(String),
    /// The step is configured but failed. The credential tries no further step.
    Fails(Error),
    /// An earlier step serves or fails.
    NotTried,
}

/// The credential of a step with its first token, or the reason why there is none.
pub(super) type Attempt = Result<(Arc<dyn TokenCredential>, AccessToken), StepOutcome>;

impl CredentialStep {
    /// Every step, in the order in which a credential tries them.
    pub const ALL: [Self; 5] =
        [Self::Environment, Self::WorkloadIdentity, Self::ManagedIdentity, Self::AzureCli, Self::AzureDeveloperCli];

    /// Returns the steps that a value of `AZURE_TOKEN_CREDENTIALS` selects, as in the [other SDKs of
    /// Azure](https://learn.microsoft.com/azure/developer/go/sdk/authentication/credential-chains): `prod` (environment,
    /// workload identity, managed identity), `dev` (the command-line tools), or one of `EnvironmentCredential`,
    /// `WorkloadIdentityCredential`, `ManagedIdentityCredential`, `AzureCliCredential` and
    /// `AzureDeveloperCliCredential`. Case does not matter.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for any other value. The error lists the values.
    pub fn select(value: &str) -> Result<Vec<Self>, Error> {
        let is = |name: &str| value.trim().eq_ignore_ascii_case(name);
        let named = Self::ALL.into_iter().find(|step| is(step.credential()));
        match named {
            Some(step) => Ok(vec![step]),
            None if is("dev") => Ok(Self::ALL.into_iter().filter(|step| step.is_tool()).collect()),
            None if is("prod") => Ok(Self::ALL.into_iter().filter(|step| !step.is_tool()).collect()),
            None => {
                let names = Self::ALL.map(Self::credential).join(", ");
                const CLAUSE: &str = "AZURE_TOKEN_CREDENTIALS must be one of";
                Err(Error::from_clause(ErrorKind::Invalid, CLAUSE, format!("{CLAUSE}: dev, prod, {names}")))
            }
        }
    }

    /// Returns the name of the step's credential in the SDKs of Azure.
    fn credential(self) -> &'static str {
        match self {
            Self::Environment => "EnvironmentCredential",
            Self::WorkloadIdentity => "WorkloadIdentityCredential",
            Self::ManagedIdentity => "ManagedIdentityCredential",
            Self::AzureCli => "AzureCliCredential",
            Self::AzureDeveloperCli => "AzureDeveloperCliCredential",
        }
    }

    /// Returns whether the step runs a command-line tool.
    pub(super) fn is_tool(self) -> bool {
        matches!(self, Self::AzureCli | Self::AzureDeveloperCli)
    }
}

impl fmt::Display for CredentialStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::WorkloadIdentity => "workload identity",
            Self::ManagedIdentity => "managed identity",
            Self::AzureCli => "Azure CLI",
            Self::AzureDeveloperCli => "Azure Developer CLI",
        })
    }
}

/// Wraps an error of this crate in one of the SDK, from which [`SecretClient`](crate::SecretClient) unwraps it.
pub(super) fn sdk_error(error: Error) -> azure_core::Error {
    let text = error.to_string();
    azure_core::Error::with_error(azure_core::error::ErrorKind::Credential, error, text)
}
