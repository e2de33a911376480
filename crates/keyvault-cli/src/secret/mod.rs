//! `keyvault secret`: every operation of the secrets API.
//!
//! `read` prints secrets, `write` creates and updates them, `delete` deletes, recovers and purges them, and `backup`
//! saves and restores them. `input` reads values, dates and confirmations.

mod backup;
mod delete;
mod input;
mod read;
mod write;

use clap::Subcommand;

use crate::failure::Failure;
use crate::vault::VaultArguments;

/// Set, read, list, delete and recover secrets
///
/// The token comes from the first of these that is available: KEYVAULT_TOKEN, the environment, a workload or managed
/// identity, the Azure CLI, the Azure Developer CLI. --credential or AZURE_TOKEN_CREDENTIALS selects among them.
#[derive(Subcommand)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) enum SecretCommand {
    Set(write::Set),
    Get(read::Get),
    Show(read::Show),
    List(read::List),
    Versions(read::Versions),
    Update(write::Update),
    Delete(delete::Delete),
    Deleted(delete::Deleted),
    Recover(delete::Recover),
    Purge(delete::Purge),
    Backup(backup::Backup),
    Restore(backup::Restore),
}

const EXAMPLES: &str = "\
Examples:
  keyvault secret set db-password --vault contoso     (prompts for the value)
  openssl rand -base64 24 | keyvault secret set db-password --vault contoso
  keyvault secret get -n tls-key --vault contoso > key.pem
  keyvault secret list --vault contoso --json | jq -r '.[].name'";

/// The options of each subcommand that prints properties.
#[derive(clap::Args)]
struct CommonArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl SecretCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Set(set) => set.run().await,
            Self::Get(get) => get.run().await,
            Self::Show(show) => show.run().await,
            Self::List(list) => list.run().await,
            Self::Versions(versions) => versions.run().await,
            Self::Update(update) => update.run().await,
            Self::Delete(delete) => delete.run().await,
            Self::Deleted(deleted) => deleted.run().await,
            Self::Recover(recover) => recover.run().await,
            Self::Purge(purge) => purge.run().await,
            Self::Backup(backup) => backup.run().await,
            Self::Restore(restore) => restore.run().await,
        }
    }
}
