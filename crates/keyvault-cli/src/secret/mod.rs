//! `keyvault secret`: every operation on secrets.

mod input;
mod read;
mod remove;
mod write;

use clap::Subcommand;

use crate::failure::Failure;

/// Set, read, list, delete and bring back secrets
///
/// The token comes from KEYVAULT_TOKEN if it is set, else from the environment, a workload or managed identity, the Azure
/// CLI or the Azure Developer CLI, in this order.
#[derive(Subcommand)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) enum Command {
    Set(write::Set),
    Get(read::Get),
    Show(read::Show),
    List(read::List),
    Versions(read::Versions),
    Update(write::Update),
    Delete(remove::Delete),
    Deleted(remove::Deleted),
    Recover(remove::Recover),
    Purge(remove::Purge),
    Backup(remove::Backup),
    Restore(remove::Restore),
}

const EXAMPLES: &str = "\
Examples:
  keyvault secret set db-password --vault contoso     (asks for the value)
  openssl rand -base64 24 | keyvault secret set db-password --vault contoso
  psql \"password=$(keyvault secret get -n db-password --vault contoso)\"
  keyvault secret list --vault contoso --json | jq -r '.[].name'";

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Set(set) => set.run().await,
        Command::Get(get) => get.run().await,
        Command::Show(show) => show.run().await,
        Command::List(list) => list.run().await,
        Command::Versions(versions) => versions.run().await,
        Command::Update(update) => update.run().await,
        Command::Delete(delete) => delete.run().await,
        Command::Deleted(deleted) => deleted.run().await,
        Command::Recover(recover) => recover.run().await,
        Command::Purge(purge) => purge.run().await,
        Command::Backup(backup) => backup.run().await,
        Command::Restore(restore) => restore.run().await,
    }
}
