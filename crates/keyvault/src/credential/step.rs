//! The places where a credential may be found.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential};

use crate::error::Error;

/// A place where a [`DefaultCredential`](crate::DefaultCredential) looks for an identity.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CredentialStep {
    /// An application with a secret: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
    Environment,
    /// [A federated token in a file](https://learn.microsoft.com/azure/aks/workload-identity-overview), as in AKS:
    /// `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// The identity that Azure gives to a machine: of App Service, Functions and Container Apps where `IDENTITY_ENDPOINT`
    /// and `IDENTITY_HEADER` are set, else of a virtual machine whose metadata service answers within a second.
    /// `AZURE_CLIENT_ID` names a user-assigned one.
    ManagedIdentity,
    /// Whoever signed in with `az login`.
    AzureCli,
    /// Whoever signed in with `azd auth login`.
    AzureDeveloperCli,
}

impl CredentialStep {
    /// Every step, in the order in which they are tried.
    pub const ALL: [Self; 5] =
        [Self::Environment, Self::WorkloadIdentity, Self::ManagedIdentity, Self::AzureCli, Self::AzureDeveloperCli];

    /// Tells whether a program on the machine is asked.
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

/// What became of a step when it was tried by [`DefaultCredential::diagnose`](crate::DefaultCredential::diagnose).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum StepOutcome {
    /// It gives a token: it is the one that is used.
    Serves,
    /// It is not meant to serve here, for this reason.
    DoesNotApply(String),
    /// It is meant to serve, and cannot: no other step is tried.
    Fails(Error),
    /// A step before it serves or fails.
    NotTried,
}

/// What became of a step.
pub(super) enum Outcome {
    Serves(Arc<dyn TokenCredential>, AccessToken),
    /// It is not meant to serve here, for a reason in words of ours.
    DoesNotApply(String),
    /// It is meant to serve, and cannot.
    Fails(Error),
}
