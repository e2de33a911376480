//! `backup` and `restore`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use keyvault::client::SecretBackup;

use super::{CommonArguments, input, read};
use crate::access::Access;
use crate::atomic_file::{self, Existing};
use crate::failure::Failure;
use crate::output;
use crate::vault::{SecretTarget, VaultArguments};

/// Back up a secret with all its versions
///
/// Only a vault of the same subscription and geography can restore it.
#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The name of the secret, or its URL
    name: String,

    /// Write to this new file instead of standard output. Only you can read it; on Windows it gets the permissions of
    /// its directory
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if self.output.is_none() && io::stdout().is_terminal() {
            return Err(Failure::usage("standard output is a terminal: name a file with --output, or use a pipe"));
        }
        let SecretTarget { client, name, .. } = self.vault.secret(&self.name)?;
        let backup = client.backup(&name).await?;
        let bytes = backup.expose_secret();
        match &self.output {
            // An existing file may be the only backup.
            Some(path) => atomic_file::write(path, bytes, &Access::private(), Existing::Keep)
                .map_err(|error| Failure::of_file(path, error)),
            None => Ok(output::write(bytes)?),
        }
    }
}

/// Restore a secret from its backup, if the vault has no secret of its name
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup file; standard input if it is not given
    file: Option<PathBuf>,

    #[command(flatten)]
    common: CommonArguments,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let backup = SecretBackup::new(input::backup(self.file.as_deref())?);
        let restored = self.common.vault.client()?.restore(&backup).await?;
        read::print_properties(&restored, self.common.json)
    }
}
