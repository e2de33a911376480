//! Applications of Microsoft Entra: with a secret, and with a federated token.

use std::path::Path;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_core::time::Duration;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::job_token;
use super::step::{Attempt, StepOutcome};
use super::variables::Variables;
use crate::error::Error;
use crate::http::credential_error;
use crate::http::transport_for_tokens;
use crate::report::ReferenceStatus;

/// Tries the application with a secret.
pub(super) async fn with_secret(variables: &Variables, options: &ClientOptions, scope: &str) -> Attempt {
    let application = variables.secret()?;
    let options = ClientSecretCredentialOptions { client_options: client_options(variables, options)? };
    let (client, secret) = (application.client.to_owned(), Secret::new(application.secret_or_file.to_owned()));
    let credential = ClientSecretCredential::new(application.tenant, client, secret, Some(options));
    attempt(credential.map_err(|_| malformed("AZURE_TENANT_ID or AZURE_AUTHORITY_HOST is malformed"))?, scope).await
}

/// Tries the application with a federated token: in a file, or from the CI system that runs this job.
pub(super) async fn with_federated_token(variables: &Variables, options: &ClientOptions, scope: &str) -> Attempt {
    let application = match variables.token_file() {
        Ok(application) => application,
        Err(StepOutcome::DoesNotApply(reason)) => {
            return job_token::attempt(variables, client_options(variables, options)?, scope, reason).await;
        }
        Err(outcome) => return Err(outcome),
    };
    if matches!(Path::new(application.secret_or_file).try_exists(), Ok(false)) {
        return Err(StepOutcome::Unusable("file in AZURE_FEDERATED_TOKEN_FILE does not exist".to_owned()));
    }
    let credential = WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: client_options(variables, options)? },
        client_id: Some(application.client.to_owned()),
        tenant_id: Some(application.tenant.to_owned()),
        token_file_path: Some(application.secret_or_file.into()),
    }));
    attempt(credential.map_err(|_| malformed("file in AZURE_FEDERATED_TOKEN_FILE cannot be read"))?, scope).await
}

/// Requests a token. The application is configured, so its failure is final.
async fn attempt(credential: Arc<impl TokenCredential + 'static>, scope: &str) -> Attempt {
    match credential.get_token(&[scope], None).await {
        Ok(token) => Ok((credential, token)),
        Err(error) => Err(StepOutcome::Fails(credential_error(&error))),
    }
}

/// Returns options with an explicit authority, so that the SDK reads no variables of the process.
fn client_options(variables: &Variables, options: &ClientOptions) -> Result<ClientOptions, StepOutcome> {
    let authority = variables.get("AZURE_AUTHORITY_HOST").map(|host| {
        let mut custom = CustomConfiguration::default();
        host.clone_into(&mut custom.authority_host);
        CloudConfiguration::Custom(custom)
    });
    let retry = ExponentialRetryOptions {
        max_retries: 3,
        max_total_elapsed: Duration::seconds(6),
        ..ExponentialRetryOptions::default()
    };
    let cloud = options.cloud.clone().or(authority.map(Arc::new));
    let public = || Arc::new(CloudConfiguration::AzurePublic);
    let transport = match &options.transport {
        Some(transport) => transport.clone(),
        None => transport_for_tokens().map_err(StepOutcome::Fails)?,
    };
    Ok(ClientOptions {
        cloud: Some(cloud.unwrap_or_else(public)),
        transport: Some(transport),
        retry: RetryOptions::exponential(retry),
        ..options.clone()
    })
}

fn malformed(clause: &'static str) -> StepOutcome {
    StepOutcome::Fails(Error::invalid(clause).with_status(ReferenceStatus::MsiNotEnabled))
}
