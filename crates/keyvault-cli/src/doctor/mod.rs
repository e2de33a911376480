//! `keyvault doctor`: finds out why secrets cannot be read.
//!
//! In reading order: `finding` is one result and its text and JSON, `credential` tries the credential chain, `vault`
//! sends requests to one vault and `store` one to an App Configuration store, and `timing` records how long they take
//! and what their clocks say.

mod credential;
mod finding;
mod store;
mod timing;
mod vault;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use keyvault::Vault;
use serde_json::{Value, json};

use self::finding::{Finding, Health, json_section, text_section};
use crate::failure::Failure;
use crate::output;
use crate::report::combined_exit_code;
use crate::store::{StoreAddress, StoreArguments};
use crate::terminal::Style;
use crate::vault::AllowedVaultsArguments;

/// Find out why secrets cannot be read
///
/// Reports which credential is used, and for each vault whether it responds, whether the clocks agree, and whether the
/// credential may read and list secrets; for an App Configuration store, whether key-values may be read. Adds advice
/// for everything that fails. Prints no value and no token, and changes nothing.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Also read this secret of the first vault and discard it, for an identity that may read some secrets only
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,

    /// Also read this certificate of the first vault with its private key, and check that it can be used now
    #[arg(long, value_name = "NAME")]
    certificate: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreArguments,

    #[command(flatten)]
    vaults: AllowedVaultsArguments,
}

const EXAMPLES: &str = r#"Examples:
  On the laptop, in the pod, in the pipeline:
    keyvault doctor --vault contoso

  For an identity that may read a single secret:
    keyvault doctor --vault contoso --secret db-password

  For a service that reads App Configuration too:
    keyvault doctor --vault contoso --app-configuration contoso

  For a server that reads its certificate:
    keyvault doctor --vault contoso --certificate tls

  In a script:
    keyvault doctor --vault contoso --json | jq .healthy

To test the permission to read, the command requests a secret that does not
exist: "not found" means that reading is permitted. Only loading secrets by
name needs the permission to list, so its absence is a warning. A store with a
connection string needs no credential; KEYVAULT_TOKEN is for vaults alone.

Exit codes: 0 healthy, 4 no credential or no permission, 5 a vault or store is
unavailable or throttles, 1 several of these or anything else, 2 wrong usage"#;

impl Doctor {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let (vaults, store) = (self.vaults.vaults()?, self.store.address()?);
        let cloud = vaults.first().and_then(Vault::cloud).unwrap_or_default();
        let connection = &self.vaults.connection;
        let mut sections = Vec::new();
        let mut credential = None;
        if !vaults.is_empty() || store.as_ref().is_none_or(StoreAddress::needs_credential) {
            let (found, findings) = credential::examine(&connection.credential, cloud, connection.timeout()).await;
            credential = found;
            sections.push(("credential".to_owned(), findings));
        }
        for (index, vault) in vaults.iter().enumerate() {
            let named = if index == 0 { (&self.secret[..], &self.certificate[..]) } else { (&[][..], &[][..]) };
            let findings = match &credential {
                Some(credential) => vault::examine(connection, vault, Arc::clone(credential), named).await?,
                None => Vec::new(),
            };
            sections.push((format!("vault {vault}"), findings));
        }
        if vaults.is_empty() && store.is_none() {
            let finding = Finding::new("vaults", Health::Unknown, "no --vault was given");
            sections.push((
                "vaults".to_owned(),
                vec![finding.with_advice("name the vaults of your program: --vault NAME")],
            ));
        }
        if let Some(store) = &store {
            let findings = match credential.is_some() || !store.needs_credential() {
                true => store::examine(connection, store).await?,
                false => Vec::new(),
            };
            sections.push((format!("App Configuration {}", store.endpoint), findings));
        }
        self.print(&sections)
    }

    fn print(&self, sections: &[(String, Vec<Finding>)]) -> Result<ExitCode, Failure> {
        let findings = sections.iter().flat_map(|(_, findings)| findings);
        let code = combined_exit_code(findings.filter_map(Finding::exit_code));
        if self.json {
            let sections: Vec<Value> = sections.iter().map(|(name, findings)| json_section(name, findings)).collect();
            output::print_json(&json!({ "healthy": code == 0, "sections": sections }))?;
        } else {
            let style = Style::of(&io::stdout());
            let text: Vec<String> =
                sections.iter().map(|(name, findings)| text_section(name, findings, style)).collect();
            output::print(&text.join("\n"))?;
        }
        Ok(ExitCode::from(code))
    }
}
