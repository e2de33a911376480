//! `get`, `show`, `list` and `versions`.

use futures::{StreamExt, TryStreamExt};
use keyvault::{Secret, SecretProperties};
use serde_json::{Value, json};

use super::CommonArguments;
use crate::failure::Failure;
use crate::output;
use crate::vault::{SecretTarget, VaultArguments, with_item_timeout};

/// The secret to read.
#[derive(clap::Args)]
struct SecretArguments {
    /// The name of the secret, or its URL
    name: String,

    /// Use this version instead of the latest
    #[arg(long)]
    version: Option<String>,
}

impl SecretArguments {
    async fn fetch(&self, vault: &VaultArguments) -> Result<Secret, Failure> {
        let SecretTarget { client, name, version } = vault.secret(&self.name)?;
        Ok(match self.version.as_ref().or(version.as_ref()) {
            Some(version) => client.get_version(&name, version).await?,
            None => client.get(&name).await?,
        })
    }
}

/// Print the value of a secret and nothing else
#[derive(clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    secret: SecretArguments,

    /// Print no newline after the value
    #[arg(short = 'n', long, conflicts_with = "json")]
    no_newline: bool,

    #[command(flatten)]
    common: CommonArguments,
}

impl Get {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let secret = self.secret.fetch(&self.common.vault).await?;
        if self.common.json {
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

/// Show the properties of a secret without its value
#[derive(clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    secret: SecretArguments,

    #[command(flatten)]
    common: CommonArguments,
}

impl Show {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let secret = self.secret.fetch(&self.common.vault).await?;
        print_properties(secret.properties(), self.common.json)
    }
}

/// List the secrets of the vault
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    common: CommonArguments,
}

impl List {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let vault = &self.common.vault;
        let client = vault.client()?;
        let listed: Vec<SecretProperties> =
            with_item_timeout(client.list().boxed(), vault.timeout()).try_collect().await?;
        let row = |item: &SecretProperties| {
            vec![item.id().name().to_string(), state(item), output::date(item.updated()), output::date(item.expires())]
        };
        print_list(&listed, self.common.json, &["NAME", "STATE", "UPDATED", "EXPIRES"], row)
    }
}

/// List the versions of a secret, newest first
#[derive(clap::Args)]
pub(crate) struct Versions {
    /// The name of the secret, or its URL
    name: String,

    #[command(flatten)]
    common: CommonArguments,
}

impl Versions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let vault = &self.common.vault;
        let SecretTarget { client, name, .. } = vault.secret(&self.name)?;
        let versions = with_item_timeout(client.list_versions(&name).boxed(), vault.timeout());
        let mut listed: Vec<SecretProperties> = versions.try_collect().await?;
        // The vault does not list versions by time.
        listed.sort_by_key(|version| std::cmp::Reverse(version.created()));
        let row = |item: &SecretProperties| {
            let version = item.id().version().map(ToString::to_string).unwrap_or_default();
            vec![version, state(item), output::date(item.created()), output::date(item.expires())]
        };
        print_list(&listed, self.common.json, &["VERSION", "STATE", "CREATED", "EXPIRES"], row)
    }
}

fn print_list(
    listed: &[SecretProperties],
    json: bool,
    header: &[&str],
    row: impl Fn(&SecretProperties) -> Vec<String>,
) -> Result<(), Failure> {
    if json {
        return Ok(output::print_json(&listed.iter().map(output::properties_json).collect::<Value>())?);
    }
    let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
    Ok(output::print(&output::table(header, &rows))?)
}

pub(super) fn print_properties(properties: &SecretProperties, json: bool) -> Result<(), Failure> {
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
