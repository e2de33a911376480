//! Examines the credential chain.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use keyvault::credential::{CredentialStep, StepOutcome};
use keyvault::{Cloud, Error, ErrorKind};
use tokio::time::timeout;

use super::finding::{Finding, Health};
use crate::vault::CredentialArguments;

/// Returns the credential that commands use, with one finding for each step of the chain.
pub(super) async fn examine(
    arguments: &CredentialArguments,
    cloud: Cloud,
    time: Duration,
) -> (Option<Arc<dyn TokenCredential>>, Vec<Finding>) {
    if let Some(credential) = arguments.environment_token() {
        let finding =
            Finding::new("KEYVAULT_TOKEN", Health::Healthy, "is set and used instead of the credential chain");
        return (Some(credential), vec![finding]);
    }
    let credential = match arguments.chain() {
        Ok(credential) => credential,
        Err(error) => return (None, vec![Finding::failed("environment", &error)]),
    };
    let Ok(outcomes) = timeout(time, credential.diagnose(cloud)).await else {
        let error = Error::new(ErrorKind::Unavailable, "no step of the credential chain answers in time");
        return (None, vec![Finding::failed("all", &error)]);
    };
    let has_token = outcomes.iter().any(|(_, outcome)| matches!(outcome, StepOutcome::Serves));
    let has_failure = outcomes.iter().any(|(_, outcome)| matches!(outcome, StepOutcome::Fails(_)));
    let mut findings: Vec<Finding> = outcomes.iter().map(|(step, outcome)| finding(step, outcome)).collect();
    if !has_token && !has_failure {
        findings.push(
            Finding::new("all", Health::Failed, "no step returns a token")
                .with_code(4)
                .with_advice("run `az login` on a laptop, or assign a managed identity in Azure"),
        );
    }
    let credential = has_token.then_some(credential as Arc<dyn TokenCredential>);
    (credential, findings)
}

fn finding(step: &CredentialStep, outcome: &StepOutcome) -> Finding {
    let subject = step.to_string();
    match outcome {
        StepOutcome::Serves => Finding::new(subject, Health::Healthy, "is used"),
        StepOutcome::DoesNotApply(reason) | StepOutcome::Unusable(reason) => {
            Finding::new(subject, Health::Unknown, reason.clone())
        }
        StepOutcome::Fails(error) => Finding::failed(subject, error),
        _ => Finding::new(subject, Health::Unknown, "not tried, because an earlier step is used"),
    }
}
