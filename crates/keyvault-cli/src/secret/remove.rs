//! Removing and bringing back: `delete`, `deleted`, `recover`, `purge`, `backup`, `restore`.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use keyvault::{DeletedSecret, SecretBackup};
use serde_json::Value;

use super::{input, read};
use crate::failure::Failure;
use crate::output;
use crate::vault::VaultArguments;

/// Delete a secret with all its versions
///
/// Where the vault has soft delete, as every new one has, it can be recovered until it is purged.
#[derive(clap::Args)]
pub(crate) struct Delete {
    /// The secret
    name: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Do not wait until the vault is done
    #[arg(long)]
    no_wait: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Delete {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        input::confirm(&format!("Delete {} in {} with all its versions?", self.name, client.vault()), self.yes)?;
        let deleted = if self.no_wait {
            client.begin_delete(&self.name).await?.deleted().clone()
        } else {
            client.delete(&self.name).await?
        };
        print_deleted(&deleted, self.json)
    }
}

/// List the deleted secrets that can be recovered, or show one
#[derive(clap::Args)]
pub(crate) struct Deleted {
    /// The secret; all if none is named
    name: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Deleted {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        if let Some(name) = &self.name {
            return print_deleted(&client.get_deleted(name).await?, self.json);
        }
        let listed: Vec<DeletedSecret> = client.list_deleted().try_collect().await?;
        if self.json {
            return Ok(output::print_json(&listed.iter().map(output::deleted_json).collect::<Value>())?);
        }
        let row = |item: &DeletedSecret| {
            vec![item.id().name().to_string(), output::date(item.deleted), output::date(item.scheduled_purge)]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        Ok(output::print(&output::table(&["NAME", "DELETED", "PURGED ON"], &rows))?)
    }
}

/// Bring back a deleted secret with all its versions
#[derive(clap::Args)]
pub(crate) struct Recover {
    /// The secret
    name: String,

    /// Do not wait until the vault is done
    #[arg(long)]
    no_wait: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Recover {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        let recovered = if self.no_wait {
            client.begin_recover(&self.name).await?.recovered().clone()
        } else {
            client.recover(&self.name).await?
        };
        read::print_properties(&recovered, self.json)
    }
}

/// Remove a deleted secret for good
#[derive(clap::Args)]
pub(crate) struct Purge {
    /// The deleted secret
    name: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Purge {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        input::confirm(&format!("Purge {} in {} for good?", self.name, client.vault()), self.yes)?;
        Ok(client.purge(&self.name).await?)
    }
}

/// Write a backup of a secret with all its versions
///
/// Only a vault of the same subscription and geography can read it.
#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The secret
    name: String,

    /// Write to this new file, which only you can read, and not to standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Backup {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.output.is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage("name a file with --output, or pipe the backup on"));
        }
        let backup = self.vault.client()?.backup(&self.name).await?;
        match &self.output {
            Some(path) => write_new(path, backup.expose_secret()).map_err(|error| Failure::of_file(path, error)),
            None => Ok(io::stdout().lock().write_all(backup.expose_secret())?),
        }
    }
}

/// Bring back a secret from its backup, where its name is free
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The file with the backup; standard input if none is named
    file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Restore {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let backup = SecretBackup::new(input::bytes(self.file.as_deref())?);
        let restored = self.vault.client()?.restore(&backup).await?;
        read::print_properties(&restored, self.json)
    }
}

fn print_deleted(deleted: &DeletedSecret, json: bool) -> Result<(), Failure> {
    if json {
        return Ok(output::print_json(&output::deleted_json(deleted))?);
    }
    let lines = [("deleted", output::date(deleted.deleted)), ("purged on", output::date(deleted.scheduled_purge))];
    let present = lines.iter().filter(|(_, date)| !date.is_empty());
    let dates: String = present.map(|(name, date)| format!("{name:<10}  {date}\n")).collect();
    Ok(output::print(&(output::properties_text(&deleted.properties) + &dates))?)
}

/// Never over a file that is there: it may be the only backup.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
