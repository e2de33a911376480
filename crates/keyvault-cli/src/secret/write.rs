//! Writing: `set`, `update`.

use std::path::PathBuf;
use std::time::SystemTime;

use keyvault::{NewSecret, SecretUpdate};

use super::{input, read};
use crate::failure::Failure;
use crate::vault::VaultArguments;

/// Set a secret: make a new version of it, or the first one
///
/// The value is read from --value-file, from standard input, or asked for. It is no argument, for those are seen by
/// everybody on the machine. A newline at the end of what is piped in is cut off; a file is taken as it is.
#[derive(clap::Args)]
pub(crate) struct Set {
    /// The secret
    name: String,

    /// Read the value from this file
    #[arg(long, value_name = "PATH")]
    value_file: Option<PathBuf>,

    #[command(flatten)]
    about: About,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

/// What can be said about a version.
#[derive(clap::Args)]
struct About {
    /// What kind of value it is: text/plain, application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// A tag; may be given several times
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = input::tag)]
    tags: Vec<(String, String)>,

    /// When the value stops being valid
    #[arg(long, value_name = "DATE", value_parser = input::date)]
    expires: Option<SystemTime>,

    /// When the value begins to be valid
    #[arg(long, value_name = "DATE", value_parser = input::date)]
    not_before: Option<SystemTime>,

    /// Disable the version: nobody can read it
    #[arg(long)]
    disable: bool,
}

impl Set {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        let mut secret = NewSecret::new(input::value(self.value_file.as_ref())?);
        for (name, value) in self.about.tags {
            secret = secret.tag(name, value);
        }
        if let Some(content_type) = self.about.content_type {
            secret = secret.content_type(content_type);
        }
        if let Some(time) = self.about.expires {
            secret = secret.expires(time);
        }
        if let Some(time) = self.about.not_before {
            secret = secret.not_before(time);
        }
        if self.about.disable {
            secret = secret.disabled();
        }
        let set = client.set(&self.name, secret).await?;
        read::print_properties(set.properties(), self.json)
    }
}

/// Change what is said about a version; its value cannot be changed
///
/// What is not given stays as it is. Tags are replaced all at once.
#[derive(clap::Args)]
pub(crate) struct Update {
    /// The secret
    name: String,

    /// This version and not the latest
    #[arg(long)]
    version: Option<String>,

    #[command(flatten)]
    about: About,

    /// Enable the version
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// Take all tags away
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    vault: VaultArguments,
}

impl Update {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.vault.client()?;
        let mut update = SecretUpdate::new();
        if let Some(version) = self.version {
            update = update.version(version);
        }
        if let Some(content_type) = self.about.content_type {
            update = update.content_type(content_type);
        }
        if self.no_tags || !self.about.tags.is_empty() {
            update = update.tags(self.about.tags.into_iter().collect());
        }
        if let Some(time) = self.about.expires {
            update = update.expires(time);
        }
        if let Some(time) = self.about.not_before {
            update = update.not_before(time);
        }
        if self.enable {
            update = update.enabled();
        }
        if self.about.disable {
            update = update.disabled();
        }
        let updated = client.update(&self.name, update).await?;
        read::print_properties(&updated, self.json)
    }
}
