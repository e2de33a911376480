//! Host names of vaults.

use crate::protocol::uri::{LOCAL_SUFFIX, name_under};

/// The suffixes of host names that name a vault: those of the clouds, and the one for this machine.
pub(crate) const VAULT_SUFFIXES: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", LOCAL_SUFFIX];

/// Returns the name of the vault in a base URL: `contoso` for `https://contoso.vault.azure.net`. Any other host is the
/// default vault, whose name is empty.
pub(crate) fn vault_name(base: &str) -> String {
    name_under(base, &VAULT_SUFFIXES).unwrap_or_default()
}

/// Returns whether the host of a base URL belongs to Key Vault in one of the clouds.
pub(crate) fn is_vault_host(base: &str) -> bool {
    VAULT_SUFFIXES.iter().any(|suffix| *suffix != LOCAL_SUFFIX && name_under(base, &[suffix]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_under_a_vault_suffix_names_a_vault() {
        for (base, name) in [
            ("https://contoso.vault.azure.net", "contoso"),
            ("https://Contoso.VAULT.azure.net:8443", "contoso"),
            ("https://contoso.vault.azure.cn", "contoso"),
            ("http://contoso.localhost:1", "contoso"),
            ("https://a.b.vault.azure.net", ""),
            ("https://vault.azure.net", ""),
            ("https://contoso.vault.azure.net.evil.example", ""),
            ("https://localhost:1", ""),
            ("https://[::1]:1", ""),
        ] {
            assert_eq!(vault_name(base), name, "{base}");
        }
    }
}
