//! `delete`, `deleted`, `recover` and `purge`.

use futures::TryStreamExt;
use keyvault::client::DeletedSecret;
use serde_json::Value;

use super::{CommonArguments, input, read};
use crate::failure::Failure;
use crate::output;
use crate::vault::VaultArguments;

/// Whether to wait for an operation that the vault completes later.
#[derive(clap::Args)]
struct WaitArguments {
    /// Do not wait until the vault has completed the operation
    #[arg(long)]
    no_wait: bool,
}

/// Delete a secret with all its versions
///
/// In a vault with soft delete, which every new vault has, the secret can be recovered until it is purged.
#[derive(clap::Args)]
pub(crate) struct Delete {
    /// The name of the secret
    name: String,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    wait: WaitArguments,

    #[command(flatten)]
    common: CommonArguments,
}

impl Delete {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.common.vault.client()?;
        input::confirm(&format!("Delete {} in {} with all its versions?", self.name, client.vault()), self.yes)?;
        let deleted = if self.wait.no_wait {
            client.begin_delete(&self.name).await?.started().clone()
        } else {
            client.delete(&self.name).await?
        };
        print_deleted(&deleted, self.common.json)
    }
}

/// List the deleted secrets that can be recovered, or show one of them
#[derive(clap::Args)]
pub(crate) struct Deleted {
    /// The name of the secret; all deleted secrets if it is not given
    name: Option<String>,

    #[command(flatten)]
    common: CommonArguments,
}

impl Deleted {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.common.vault.client()?;
        if let Some(name) = &self.name {
            return print_deleted(&client.get_deleted(name).await?, self.common.json);
        }
        let listed: Vec<DeletedSecret> = client.list_deleted().try_collect().await?;
        if self.common.json {
            return Ok(output::print_json(&listed.iter().map(output::deleted_json).collect::<Value>())?);
        }
        let row = |item: &DeletedSecret| {
            vec![item.id().name().to_string(), output::date(item.deleted), output::date(item.scheduled_purge)]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        Ok(output::print(&output::table(&["NAME", "DELETED", "PURGED ON"], &rows))?)
    }
}

/// Recover a deleted secret with all its versions
#[derive(clap::Args)]
pub(crate) struct Recover {
    /// The name of the deleted secret
    name: String,

    #[command(flatten)]
    wait: WaitArguments,

    #[command(flatten)]
    common: CommonArguments,
}

impl Recover {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.common.vault.client()?;
        let recovered = if self.wait.no_wait {
            client.begin_recover(&self.name).await?.started().clone()
        } else {
            client.recover(&self.name).await?
        };
        read::print_properties(&recovered, self.common.json)
    }
}

/// Purge a deleted secret, so that it cannot be recovered
#[derive(clap::Args)]
pub(crate) struct Purge {
    /// The name of the deleted secret
    name: String,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Purge {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        input::confirm(&format!("Purge {} in {} for good?", self.name, client.vault()), self.yes)?;
        Ok(client.purge(&self.name).await?)
    }
}

fn print_deleted(deleted: &DeletedSecret, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(output::print_json(&output::deleted_json(deleted))?);
    }
    Ok(output::print(&output::deleted_text(deleted))?)
}
