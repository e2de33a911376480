//! Applications of Microsoft Entra: with a secret, and with a federated token.

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_core::time::Duration;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::step::StepAttempt;
use super::variables::Variables;
use crate::client::credential_error;
use crate::client::transport::transport_for_tokens;
use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;

/// Tries the application with a secret.
pub(super) async fn with_secret(variables: &Variables, options: &ClientOptions, scope: &str) -> StepAttempt {
    let application = match variables.secret() {
        Ok(Some(application)) => application,
        Ok(None) => return StepAttempt::DoesNotApply("AZURE_CLIENT_SECRET is not set".to_owned()),
        Err(error) => return StepAttempt::Failed(error),
    };
    let options = ClientSecretCredentialOptions { client_options: client_options(variables, options) };
    let client = application.client.to_owned();
    match ClientSecretCredential::new(application.tenant, client, application.secret_or_file, Some(options)) {
        Ok(credential) => attempt(credential, scope).await,
        Err(_) => StepAttempt::Failed(malformed("AZURE_TENANT_ID or AZURE_AUTHORITY_HOST is malformed")),
    }
}

/// Tries the application with a federated token.
pub(super) async fn with_token_file(variables: &Variables, options: &ClientOptions, scope: &str) -> StepAttempt {
    let application = match variables.token_file() {
        Ok(Some(application)) => application,
        Ok(None) => return StepAttempt::DoesNotApply("AZURE_FEDERATED_TOKEN_FILE is not set".to_owned()),
        Err(error) => return StepAttempt::Failed(error),
    };
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: client_options(variables, options) },
        client_id: Some(application.client.to_owned()),
        tenant_id: Some(application.tenant.to_owned()),
        token_file_path: Some(application.secret_or_file.into()),
    };
    match WorkloadIdentityCredential::new(Some(options)) {
        Ok(credential) => attempt(credential, scope).await,
        Err(_) => StepAttempt::Failed(malformed("file in AZURE_FEDERATED_TOKEN_FILE cannot be read")),
    }
}

/// Requests a token. The application is configured, so its failure is final.
async fn attempt(credential: Arc<impl TokenCredential + 'static>, scope: &str) -> StepAttempt {
    match credential.get_token(&[scope], None).await {
        Ok(token) => StepAttempt::Token(credential, token),
        Err(error) => StepAttempt::Failed(credential_error(&error)),
    }
}

/// Returns options with an explicit authority, so that the SDK reads no variables of the process.
fn client_options(variables: &Variables, options: &ClientOptions) -> ClientOptions {
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
    ClientOptions {
        cloud: Some(cloud.unwrap_or_else(public)),
        transport: options.transport.clone().or_else(|| transport_for_tokens().ok()),
        retry: RetryOptions::exponential(retry),
        ..options.clone()
    }
}

fn malformed(clause: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, clause).with_status(ReferenceStatus::MsiNotEnabled)
}
