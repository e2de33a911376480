//! Reading: `get`, `show`, `list`, `versions`.

use futures::TryStreamExt;
use keyvault::{Secret, SecretClient, SecretProperties};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;
use crate::vault::VaultArguments;

/// Print the value of a secret, and nothing else
#[derive(clap::Args)]
pub(crate) struct Get {
    /// The secret
    name: String,

    /// This version and not the latest
    #[arg(long)]
    version: Option<String>,

    /// Print no newline after the value
    #[arg(short = 'n', long, conflicts_with = "json")]
    no_newline: bool,

    /// Print the value with everything about it, as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Get {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let secret = fetch(&self.vault.client()?, &self.name, self.version.as_deref()).await?;
        if self.json {
            let mut value = output::properties_json(secret.properties());
            value["value"] = json!(secret.expose_secret());
            output::print_json(&value)?;
        } else {
            output::print(secret.expose_secret())?;
            output::print(if self.no_newline { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Show everything about a secret but its value
#[derive(clap::Args)]
pub(crate) struct Show {
    /// The secret
    name: String,

    /// This version and not the latest
    #[arg(long)]
    version: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Show {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let secret = fetch(&self.vault.client()?, &self.name, self.version.as_deref()).await?;
        print_properties(secret.properties(), self.json)
    }
}

/// List the secrets of the vault
#[derive(clap::Args)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl List {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let listed: Vec<SecretProperties> = self.vault.client()?.list().try_collect().await?;
        if self.json {
            return Ok(output::print_json(&listed.iter().map(output::properties_json).collect::<Value>())?);
        }
        let row = |item: &SecretProperties| {
            vec![item.id().name().to_string(), state(item), output::date(item.updated()), output::date(item.expires())]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        Ok(output::print(&output::table(&["NAME", "STATE", "UPDATED", "EXPIRES"], &rows))?)
    }
}

/// List the versions of a secret, the newest first
#[derive(clap::Args)]
pub(crate) struct Versions {
    /// The secret
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Versions {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut listed: Vec<SecretProperties> = self.vault.client()?.list_versions(&self.name).try_collect().await?;
        // The vault lists them in no order of time.
        listed.sort_by_key(|version| std::cmp::Reverse(version.created()));
        if self.json {
            return Ok(output::print_json(&listed.iter().map(output::properties_json).collect::<Value>())?);
        }
        let row = |item: &SecretProperties| {
            let version = item.id().version().map(ToString::to_string).unwrap_or_default();
            vec![version, state(item), output::date(item.created()), output::date(item.expires())]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        Ok(output::print(&output::table(&["VERSION", "STATE", "CREATED", "EXPIRES"], &rows))?)
    }
}

async fn fetch(client: &SecretClient, name: &str, version: Option<&str>) -> keyvault::Result<Secret> {
    match version {
        Some(version) => client.get_version(name, version).await,
        None => client.get(name).await,
    }
}

pub(crate) fn print_properties(properties: &SecretProperties, json: bool) -> Result<(), Failure> {
    if json {
        output::print_json(&output::properties_json(properties))?;
    } else {
        output::print(&output::properties_text(properties))?;
    }
    Ok(())
}

fn state(properties: &SecretProperties) -> String {
    match (properties.enabled(), properties.managed()) {
        (false, _) => "disabled",
        (true, true) => "certificate",
        (true, false) => "enabled",
    }
    .to_owned()
}
