//! `delete`, `deleted`, `recover` and `purge`.

use futures::{StreamExt, TryStreamExt};
use keyvault::client::DeletedSecret;
use serde_json::Value;

use super::{CommonArguments, input, read};
use crate::failure::Failure;
use crate::output;
use crate::vault::{SecretTarget, VaultArguments, with_item_timeout};

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
        let SecretTarget { client, name, version } = self.common.vault.secret(&self.name)?;
        if version.is_some() {
            return Err(Failure::usage("a single version cannot be deleted: name the secret without one"));
        }
        input::confirm(&format!("Delete {name} in {} with all its versions?", client.vault()), self.yes)?;
        let operation = client.begin_delete(&name).await?;
        let deleted = if self.wait.no_wait {
            operation.started().clone()
        } else {
            operation.deadline(self.common.vault.timeout()).await?
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
        let vault = &self.common.vault;
        if let Some(name) = &self.name {
            let SecretTarget { client, name, .. } = vault.secret(name)?;
            return print_deleted(&client.get_deleted(&name).await?, self.common.json);
        }
        let client = vault.client()?;
        let deleted = with_item_timeout(client.list_deleted().boxed(), vault.timeout());
        let listed: Vec<DeletedSecret> = deleted.try_collect().await?;
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
        let SecretTarget { client, name, .. } = self.common.vault.secret(&self.name)?;
        let operation = client.begin_recover(&name).await?;
        let recovered = if self.wait.no_wait {
            operation.started().clone()
        } else {
            operation.deadline(self.common.vault.timeout()).await?
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
        let SecretTarget { client, name, .. } = self.vault.secret(&self.name)?;
        input::confirm(&format!("Purge {name} in {} for good?", client.vault()), self.yes)?;
        Ok(client.purge(&name).await?)
    }
}

fn print_deleted(deleted: &DeletedSecret, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(output::print_json(&output::deleted_json(deleted))?);
    }
    Ok(output::print(&output::deleted_text(deleted))?)
}
