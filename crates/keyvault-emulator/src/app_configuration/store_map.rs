//! Stores by name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store::Store;
use crate::protocol::uri::{LOCAL_SUFFIX, name_under};

/// The stores by lower-case name. The default store has the empty name.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct StoreMap(BTreeMap<String, Store>);

impl StoreMap {
    /// Returns a store, created on first use, after removing the snapshots whose retention has ended.
    pub(crate) fn open(&mut self, name: &str, now: Duration) -> &mut Store {
        let store = self.0.entry(name.to_owned()).or_default();
        store.remove_expired(now);
        store
    }

    /// Removes every store.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns whether every store is one that this program could have written.
    pub(crate) fn is_valid(&self) -> bool {
        self.0.values().all(Store::is_valid)
    }
}

/// Returns the name of the store in a base URL: `contoso` for `https://contoso.azconfig.io`. Any other host is the
/// default store, whose name is empty.
pub(crate) fn store_name(base: &str) -> String {
    name_under(base, &STORE_SUFFIXES).or_else(|| name_under(base, &[LOCAL_SUFFIX])).unwrap_or_default()
}

/// Returns whether the host of a base URL belongs to App Configuration in one of the clouds.
pub(crate) fn is_store_host(base: &str) -> bool {
    name_under(base, &STORE_SUFFIXES).is_some()
}

/// The suffixes of host names that name a store.
const STORE_SUFFIXES: [&str; 5] =
    [".azconfig.io", ".azconfig.azure.us", ".azconfig.azure.cn", ".appconfig.azure.us", ".appconfig.azure.cn"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_under_a_store_suffix_names_a_store() {
        for (base, name, is_store) in [
            ("https://contoso.azconfig.io", "contoso", true),
            ("https://Contoso.AZCONFIG.io:8443", "contoso", true),
            ("https://contoso.azconfig.azure.us", "contoso", true),
            ("https://contoso.localhost:1", "contoso", false),
            ("https://contoso.vault.azure.net", "", false),
            ("https://contoso.azconfig.io.evil.example", "", false),
            ("https://127.0.0.1:1", "", false),
        ] {
            assert_eq!((store_name(base).as_str(), is_store_host(base)), (name, is_store), "{base}");
        }
    }
}
