//! Host names of vaults.

use crate::protocol::uri::host_and_port;

/// The suffixes of host names that name a vault: those of the clouds, and the one for this machine.
pub(crate) const VAULT_SUFFIXES: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", LOCAL_SUFFIX];

/// The suffix for this machine.
pub(crate) const LOCAL_SUFFIX: &str = ".localhost";

/// Returns the name of the vault in a base URL: `contoso` for `https://contoso.vault.azure.net`. Any other host is the
/// default vault, whose name is empty.
pub(crate) fn vault_name(base: &str) -> String {
    let authority = host_and_port(base);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    let name = VAULT_SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix));
    name.filter(|name| !name.contains('.')).unwrap_or_default().to_owned()
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
