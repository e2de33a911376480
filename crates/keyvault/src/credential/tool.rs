//! Command-line tools that a user signed in with: `az` and `azd`.

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

use super::step::{Attempt, CredentialStep, StepOutcome};
use super::variables::Variables;

/// Tries the tool of `step`.
pub(super) async fn attempt(step: CredentialStep, variables: &Variables, scope: &str) -> Attempt {
    let executor: Arc<dyn Executor> = Arc::new(ToolExecutor { path: variables.get("PATH").map(OsString::from) });
    let (tool, login, credential): (_, _, azure_core::Result<Arc<dyn TokenCredential>>) = match step {
        CredentialStep::AzureDeveloperCli => {
            let options = AzureDeveloperCliCredentialOptions { executor: Some(executor), ..Default::default() };
            ("azd", "azd auth login", AzureDeveloperCliCredential::new(Some(options)).map(|credential| credential as _))
        }
        _ => {
            let options = AzureCliCredentialOptions { executor: Some(executor), ..Default::default() };
            ("az", "az login", AzureCliCredential::new(Some(options)).map(|credential| credential as _))
        }
    };
    let credential = credential.map_err(|_| StepOutcome::DoesNotApply(format!("{tool} cannot be run")))?;
    // A tool can print anything, so no message quotes its output.
    let reason = match timeout(LONGEST_TOOL, credential.get_token(&[scope], None)).await {
        Ok(Ok(token)) => return Ok((credential, token)),
        Ok(Err(error)) if error.to_string().contains("not found on PATH") => format!("{tool} is not on the PATH"),
        Ok(Err(_)) => format!("{tool} gave no token: run `{login}`"),
        Err(_) => format!("{tool} gave no token within {} seconds", LONGEST_TOOL.as_secs()),
    };
    Err(StepOutcome::DoesNotApply(reason))
}

/// Runs a tool without standard input, and kills it when the future is dropped.
#[derive(Debug)]
struct ToolExecutor {
    path: Option<OsString>,
}

#[async_trait::async_trait]
impl Executor for ToolExecutor {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command.output().await
    }
}

/// Less than the time of a search, minus the second for the metadata service.
const LONGEST_TOOL: Duration = Duration::from_secs(7);
