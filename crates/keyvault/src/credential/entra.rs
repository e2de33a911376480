//! Applications of Entra: with a secret, and with a federated token.

use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_core::time::Duration;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::step::Outcome;
use super::variables::Variables;
use crate::client::credential_error;
use crate::client::transport::transport_for_tokens;
use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;

pub(super) async fn with_secret(variables: &Variables, options: &ClientOptions, scope: &str) -> Outcome {
    let application = match variables.secret() {
        Ok(Some(application)) => application,
        Ok(None) => return Outcome::DoesNotApply("AZURE_CLIENT_SECRET is not set".to_owned()),
        Err(error) => return Outcome::Fails(error),
    };
    let options = ClientSecretCredentialOptions { client_options: client_options(variables, options) };
    let client = application.client.to_owned();
    match ClientSecretCredential::new(application.tenant, client, application.proof, Some(options)) {
        Ok(credential) => asked(credential, scope).await,
        Err(_) => Outcome::Fails(malformed("AZURE_TENANT_ID or AZURE_AUTHORITY_HOST is malformed")),
    }
}

pub(super) async fn with_file(variables: &Variables, options: &ClientOptions, scope: &str) -> Outcome {
    let application = match variables.token_file() {
        Ok(Some(application)) => application,
        Ok(None) => return Outcome::DoesNotApply("AZURE_FEDERATED_TOKEN_FILE is not set".to_owned()),
        Err(error) => return Outcome::Fails(error),
    };
    let options = WorkloadIdentityCredentialOptions {
        credential_options: ClientAssertionCredentialOptions { client_options: client_options(variables, options) },
        client_id: Some(application.client.to_owned()),
        tenant_id: Some(application.tenant.to_owned()),
        token_file_path: Some(application.proof.into()),
    };
    match WorkloadIdentityCredential::new(Some(options)) {
        Ok(credential) => asked(credential, scope).await,
        Err(_) => Outcome::Fails(malformed("the file of AZURE_FEDERATED_TOKEN_FILE cannot be read")),
    }
}

/// An application that is configured is meant: its failure is final.
async fn asked(credential: Arc<impl TokenCredential + 'static>, scope: &str) -> Outcome {
    match credential.get_token(&[scope], None).await {
        Ok(token) => Outcome::Serves(credential, token),
        Err(error) => Outcome::Fails(credential_error(&error)),
    }
}

/// The authority is said in full, so that nothing is read from the variables of the process.
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
