//! The options that name a store and choose its key-values.

use keyvault_appconfig::Selector;

use super::address::StoreAddress;
use super::selection;
use super::settings_store::SettingsStore;
use crate::failure::Failure;
use crate::vault::ConnectionArguments;

/// The option that names a store.
#[derive(Clone, clap::Args)]
pub(crate) struct StoreArguments {
    /// The App Configuration store: its name in Azure, its host, its endpoint or its connection string; a connection
    /// string is a secret and belongs in the variable, because every user of the machine can see arguments
    #[arg(long, value_name = "STORE", env = "KEYVAULT_APP_CONFIGURATION", hide_env_values = true)]
    app_configuration: Option<String>,
}

impl StoreArguments {
    /// Returns the store. `None` if none is named.
    pub(crate) fn address(&self) -> Result<Option<StoreAddress>, Failure> {
        Ok(self.named().map(StoreAddress::parse).transpose()?)
    }

    /// Returns the text of the option. CI systems set an empty variable where a setting has no value.
    fn named(&self) -> Option<&str> {
        self.app_configuration.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// The options of a command that reads key-values.
#[derive(Clone, clap::Args)]
pub(crate) struct SelectedStoreArguments {
    #[command(flatten)]
    store: StoreArguments,

    /// Read these key-values of the store: a key, or a prefix and *, and the label after @; repeat it, the later one
    /// wins, and each must match; without it, all key-values without a label
    #[arg(long, value_name = "KEY[@LABEL]", value_parser = selection::parse)]
    select: Vec<Selector>,
}

impl SelectedStoreArguments {
    pub(crate) fn is_named(&self) -> bool {
        self.store.named().is_some()
    }

    /// Creates the client of the store, if one is named. Does no I/O to the store.
    pub(crate) fn connect(
        &self,
        prefixes: &StorePrefixArguments,
        connection: &ConnectionArguments,
    ) -> Result<Option<SettingsStore>, Failure> {
        let Some(address) = self.store.address()? else {
            let options = [("--select", self.select.is_empty()), ("--trim-prefix", prefixes.trim_prefix.is_empty())];
            return match options.into_iter().find(|(_, is_absent)| !is_absent) {
                Some((option, _)) => {
                    Err(Failure::usage(format!("{option} needs a store: name it with --app-configuration")))
                }
                None => Ok(None),
            };
        };
        let selections = match self.select.as_slice() {
            [] => vec![selection::all_without_label()],
            selections => selections.to_vec(),
        };
        SettingsStore::new(&address, selections, prefixes.trim_prefix.clone(), connection).map(Some)
    }
}

/// The option that shortens keys before they become the names of settings.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct StorePrefixArguments {
    /// Remove this prefix from the keys of the store; repeat it: the longest one that fits is removed
    #[arg(long, value_name = "PREFIX", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    trim_prefix: Vec<String>,
}
