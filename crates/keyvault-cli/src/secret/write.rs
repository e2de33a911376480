//! `set` and `update`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use keyvault::client::VersionProperties;

use super::{CommonArguments, input, read};
use crate::failure::Failure;
use crate::vault::SecretTarget;

/// Set a secret: create it, or create a new version of it
///
/// The value comes from --value-file, from standard input or from a prompt. It is no argument, because other users of
/// the machine can see arguments. A final newline of standard input is removed; a file is taken as it is.
/// An empty value is refused, except at the prompt.
#[derive(clap::Args)]
pub(crate) struct Set {
    /// The name of the secret, or its URL
    name: String,

    /// Read the value from this file
    #[arg(long, value_name = "PATH")]
    value_file: Option<PathBuf>,

    #[command(flatten)]
    properties: PropertyArguments,

    #[command(flatten)]
    common: CommonArguments,
}

/// The properties of a version.
#[derive(clap::Args)]
struct PropertyArguments {
    /// The type of the value, for example text/plain or application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,

    /// A tag; repeat it for several tags
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = input::tag)]
    tags: Vec<(String, String)>,

    /// When the value expires
    #[arg(long, value_name = "DATE", value_parser = input::date)]
    expires: Option<SystemTime>,

    /// When the value becomes valid
    #[arg(long, value_name = "DATE", value_parser = input::date)]
    not_before: Option<SystemTime>,

    /// Disable the version, so that it cannot be read
    #[arg(long)]
    disable: bool,
}

impl PropertyArguments {
    fn into_properties(self) -> VersionProperties {
        let mut properties = VersionProperties::new();
        for (name, value) in self.tags {
            properties = properties.tag(name, value);
        }
        if let Some(content_type) = self.content_type {
            properties = properties.content_type(content_type);
        }
        if let Some(time) = self.expires {
            properties = properties.expires(time);
        }
        if let Some(time) = self.not_before {
            properties = properties.not_before(time);
        }
        if self.disable {
            properties = properties.enabled(false);
        }
        properties
    }
}

impl Set {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let SecretTarget { client, name, version } = self.common.vault.secret(&self.name)?;
        if version.is_some() {
            return Err(Failure::usage(
                "a new version gets its identifier from the vault: name the secret without one",
            ));
        }
        let value = input::value(self.value_file.as_deref())?;
        let set = client.set_with(&name, value, self.properties.into_properties()).await?;
        read::print_properties(set.properties(), self.common.json)
    }
}

/// Update the properties of a version; its value cannot be changed
///
/// A property that is not given stays as it is. --tag replaces all tags.
#[derive(clap::Args)]
pub(crate) struct Update {
    /// The name of the secret, or its URL
    name: String,

    /// Use this version instead of the latest
    #[arg(long)]
    version: Option<String>,

    #[command(flatten)]
    properties: PropertyArguments,

    /// Enable the version
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// Remove all tags
    #[arg(long, conflicts_with = "tags")]
    no_tags: bool,

    #[command(flatten)]
    common: CommonArguments,
}

impl Update {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let SecretTarget { client, name, version } = self.common.vault.secret(&self.name)?;
        let mut properties = self.properties.into_properties();
        if self.no_tags {
            properties = properties.tags(BTreeMap::new());
        }
        if self.enable {
            properties = properties.enabled(true);
        }
        let updated = match self.version.or(version) {
            Some(version) => client.update_version(&name, &version, properties).await?,
            None => client.update(&name, properties).await?,
        };
        read::print_properties(&updated, self.common.json)
    }
}
