//! The data of the service: what the data file contains beside the identity.

use crate::app_configuration::StoreMap;
use crate::vaults::VaultMap;

/// The vaults and the App Configuration stores.
#[derive(Clone, Default)]
pub(crate) struct Data {
    pub(crate) vaults: VaultMap,
    pub(crate) stores: StoreMap,
}
