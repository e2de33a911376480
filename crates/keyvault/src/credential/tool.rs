//! Tools that somebody signed in with: `az` and `azd`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential, AzureDeveloperCliCredentialOptions,
    Executor,
};
use tokio::process::Command;
use tokio::time::timeout;

use super::CredentialStep;
use super::step::Outcome;
use super::variables::Variables;

pub(super) async fn attempt(step: CredentialStep, variables: &Variables, scope: &str) -> Outcome {
    let executor: Arc<dyn Executor> = Arc::new(Shell { path: variables.get("PATH").map(OsString::from) });
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match step {
        CredentialStep::AzureDeveloperCli => {
            let options = AzureDeveloperCliCredentialOptions { executor: Some(executor), ..Default::default() };
            AzureDeveloperCliCredential::new(Some(options)).map(|credential| credential as _)
        }
        _ => {
            let options = AzureCliCredentialOptions { executor: Some(executor), ..Default::default() };
            AzureCliCredential::new(Some(options)).map(|credential| credential as _)
        }
    };
    let (tool, login) = match step {
        CredentialStep::AzureDeveloperCli => ("azd", "azd auth login"),
        _ => ("az", "az login"),
    };
    let Ok(credential) = credential else {
        return Outcome::DoesNotApply(format!("{tool} cannot be asked"));
    };
    // What a tool prints may be anything: none of it is repeated.
    match timeout(LONGEST_TOOL, credential.get_token(&[scope], None)).await {
        Ok(Ok(token)) => Outcome::Serves(credential, token),
        Ok(Err(error)) if error.to_string().contains("not found on PATH") => {
            Outcome::DoesNotApply(format!("{tool} is not on the PATH"))
        }
        Ok(Err(_)) => Outcome::DoesNotApply(format!("{tool} gave no token: run `{login}`")),
        Err(_) => Outcome::DoesNotApply(format!("{tool} gave no token within {} seconds", LONGEST_TOOL.as_secs())),
    }
}

/// Together with the second for the metadata service less than a search may take.
const LONGEST_TOOL: Duration = Duration::from_secs(7);

/// Runs a tool that cannot ask back, and ends it when nobody waits for it any more.
#[derive(Debug)]
struct Shell {
    path: Option<OsString>,
}

#[async_trait::async_trait]
impl Executor for Shell {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command.output().await
    }
}
