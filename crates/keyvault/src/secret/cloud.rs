//! The Azure clouds: the domains of their vaults and the resources of their tokens.

use std::fmt;

/// An Azure cloud: the DNS suffix of its vaults and the resource that their tokens are issued for.
///
/// The suffixes are those of
/// [the Key Vault documentation](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Cloud {
    /// Azure: `*.vault.azure.net`.
    #[default]
    Public,
    /// Azure operated by 21Vianet: `*.vault.azure.cn`.
    China,
    /// Azure Government: `*.vault.usgovcloudapi.net`.
    UsGovernment,
    /// The French sovereign cloud (Bleu): `*.vault.sovcloud-api.fr`.
    France,
    /// The German sovereign cloud (Delos): `*.vault.sovcloud-api.de`.
    Germany,
}

impl Cloud {
    /// Every cloud that this crate knows.
    pub const ALL: [Cloud; 5] = [Cloud::Public, Cloud::China, Cloud::UsGovernment, Cloud::France, Cloud::Germany];

    /// Returns the DNS suffix of every vault in this cloud, without the leading dot: `vault.azure.net`.
    pub fn dns_suffix(self) -> &'static str {
        match self {
            Cloud::Public => "vault.azure.net",
            Cloud::China => "vault.azure.cn",
            Cloud::UsGovernment => "vault.usgovcloudapi.net",
            Cloud::France => "vault.sovcloud-api.fr",
            Cloud::Germany => "vault.sovcloud-api.de",
        }
    }

    /// Returns the cloud of the vault at `host`, which is in lower case.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.vault_name(host).is_some())
    }

    /// Returns the vault's name in `host`, if it is one label in front of this cloud's suffix.
    pub(crate) fn vault_name(self, host: &str) -> Option<&str> {
        let name = host.strip_suffix(self.dns_suffix())?.strip_suffix('.')?;
        is_vault_name(name).then_some(name)
    }

    /// Returns the vault's own host for the name of its private endpoint, such as
    /// `contoso.privatelink.vaultcore.azure.net`
    /// ([private link zones](https://learn.microsoft.com/azure/private-link/private-endpoint-dns)).
    pub(crate) fn own_host(host: &str) -> Option<String> {
        Self::ALL.into_iter().find_map(|cloud| {
            let (_, domain) = cloud.dns_suffix().split_once('.')?;
            let name = host.strip_suffix(domain)?.strip_suffix(".vaultcore.")?;
            let name = name.strip_suffix(".privatelink").unwrap_or(name);
            is_vault_name(name).then(|| format!("{name}.{}", cloud.dns_suffix()))
        })
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cloud::Public => "Azure",
            Cloud::China => "Azure operated by 21Vianet",
            Cloud::UsGovernment => "Azure Government",
            Cloud::France => "the French sovereign cloud",
            Cloud::Germany => "the German sovereign cloud",
        })
    }
}

/// Vault names are 3 to 24 letters, digits and hyphens
/// ([vault name rules](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name)).
pub(crate) fn is_vault_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_endpoint_has_the_host_of_its_vault() {
        for (host, own) in [
            ("contoso.privatelink.vaultcore.azure.net", Some("contoso.vault.azure.net")),
            ("contoso.vaultcore.azure.net", Some("contoso.vault.azure.net")),
            ("contoso.privatelink.vaultcore.azure.cn", Some("contoso.vault.azure.cn")),
            ("contoso.privatelink.vaultcore.usgovcloudapi.net", Some("contoso.vault.usgovcloudapi.net")),
            ("a.contoso.privatelink.vaultcore.azure.net", None),
            ("privatelink.vaultcore.azure.net.evil.example", None),
            ("contoso.vault.azure.net", None),
        ] {
            assert_eq!(Cloud::own_host(host).as_deref(), own, "{host}");
        }
    }

    #[test]
    fn only_one_label_before_a_known_suffix_is_a_vault() {
        for (host, cloud) in [
            ("contoso.vault.azure.net", Some(Cloud::Public)),
            ("contoso.vault.azure.cn", Some(Cloud::China)),
            ("contoso.vault.usgovcloudapi.net", Some(Cloud::UsGovernment)),
            ("contoso.vault.sovcloud-api.fr", Some(Cloud::France)),
            ("contoso.vault.sovcloud-api.de", Some(Cloud::Germany)),
            ("vault.azure.net", None),
            (".vault.azure.net", None),
            ("a.contoso.vault.azure.net", None),
            ("contosovault.azure.net", None),
            ("contoso.vault.azure.net.evil.example", None),
            ("contoso.managedhsm.azure.net", None),
            ("contoso.vault.azure.net.", None),
        ] {
            assert_eq!(Cloud::of_host(host), cloud, "{host}");
        }
    }
}
