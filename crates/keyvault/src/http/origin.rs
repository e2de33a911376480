//! The only origin that a token is sent to.

use url::Url;

use crate::secret::Vault;

/// Returns whether a URL starts with exactly this origin. A parsed URL has no default port and a lower-case
/// host, and user information would follow the scheme.
pub(super) fn has_origin_of(origin: &Vault, url: &Url) -> bool {
    url.as_str().strip_prefix(origin.origin()).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_the_vaults_own_origin_is_sent_a_token() {
        for (vault, url, passes) in [
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net/secrets/a", true),
            ("https://contoso.vault.azure.net", "https://CONTOSO.vault.azure.net:443/secrets/a", true),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net", true),
            ("https://contoso.vault.azure.net", "http://contoso.vault.azure.net/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net:8443/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net.evil.example/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net@evil.example/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://user@contoso.vault.azure.net/secrets/a", false),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net./secrets/a", false),
            ("https://contoso.vault.azure.net", "https://fabrikam.vault.azure.net/secrets/a", false),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443/secrets/a", true),
            ("https://127.0.0.1:844", "https://127.0.0.1:8443/secrets/a", false),
            ("https://127.0.0.1:8443", "https://127.0.0.1/secrets/a", false),
            ("https://[::1]:8443", "https://[::1]:8443/secrets/a", true),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(has_origin_of(&Vault::parse(vault).unwrap(), &url), passes, "{vault}: {url}");
            let origins_are_equal = url.origin().ascii_serialization() == vault;
            assert!(!passes || origins_are_equal, "{vault}: {url}");
        }
    }
}
