//! A vault, identified by its https origin.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use url::Url;

use super::cloud::{Cloud, is_vault_name};
use super::parse_error::ParseError;

/// The https origin of a vault: scheme, host and port, and nothing else.
///
/// Two vaults are equal when their origins are, so `https://Contoso.vault.azure.net:443/` and
/// `https://contoso.vault.azure.net` are one vault. `Clone` is cheap.
///
/// Parsing a vault allows nothing: a token goes only to a vault for which the program built a
/// [`SecretClient`](crate::SecretClient).
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Vault {
    /// `https://host` or `https://host:port`, in lower case.
    origin: Arc<str>,
}

impl Vault {
    /// Parses the URL of a vault.
    ///
    /// A host under the domain of a known [`Cloud`] must be that of one vault, on the standard port. Any other https
    /// origin is accepted too (an emulator on `https://127.0.0.1:8443`, a custom domain), except one that only looks like a
    /// vault of a known cloud.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for anything but `https://host[:port][/]`: another scheme, user information, a path, a query, a
    /// fragment, a trailing dot, escapes or non-ASCII letters in the host. The message does not repeat the input.
    pub fn parse(url: &str) -> Result<Self, ParseError> {
        let (vault, path) = Self::split(url)?;
        if path.is_empty() || path == "/" {
            Ok(vault)
        } else {
            Err(ParseError::new("vault URL has more than https://host"))
        }
    }

    /// Parses a vault as people write it: its URL, its host under the domain of a known cloud, or its name in `cloud`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for anything else: see [`parse`](Vault::parse) and [`named`](Vault::named).
    pub fn from_name_or_url(text: &str, cloud: Cloud) -> Result<Self, ParseError> {
        if !text.contains(['/', ':', '.']) {
            return Self::named(text, cloud);
        }
        match Self::from_authority(text.strip_suffix('/').unwrap_or(text)) {
            Ok(vault) if vault.cloud().is_some() => Ok(vault),
            Ok(vault) if vault.is_near_miss() => Self::parse(text).map_err(|error| error.with_help(NEAR_MISS)),
            _ => Self::parse(text),
        }
    }

    /// Creates the vault called `name` in `cloud`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] unless `name` is 3 to 24 letters, digits and hyphens.
    pub fn named(name: &str, cloud: Cloud) -> Result<Self, ParseError> {
        if !is_vault_name(name) {
            return Err(ParseError::new("vault name is not 3 to 24 letters, digits and hyphens"));
        }
        let origin = format!("https://{}.{}", name.to_ascii_lowercase(), cloud.dns_suffix());
        Ok(Self { origin: origin.into() })
    }

    /// Splits a URL into its vault and the unparsed text after the origin.
    pub(crate) fn split(url: &str) -> Result<(Self, &str), ParseError> {
        let authority_and_path = match url.get(..8) {
            Some(scheme) if scheme.eq_ignore_ascii_case("https://") => &url[8..],
            _ => return Err(ParseError::new("vault URL does not begin with https://")),
        };
        let end = authority_and_path.find(['/', '?', '#']).unwrap_or(authority_and_path.len());
        let (authority, path) = authority_and_path.split_at(end);
        Ok((Self::from_authority(authority)?, path))
    }

    /// Checks every character before the `url` crate can normalize it: a lenient parser turns `evil.example\@good`,
    /// `good%2eevil` and full-width letters into hosts that a reader of the text would not expect.
    fn from_authority(authority: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if authority.contains('@') {
            return Err(ParseError::new("vault URL contains user information"));
        }
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err(ParseError::new("vault URL has no plain host name"));
        }
        let url =
            Url::parse(&format!("https://{authority}/")).map_err(|_| ParseError::new("vault URL has no valid host"))?;
        let host = url.host_str().unwrap_or_default();
        if host.ends_with('.') {
            return Err(ParseError::new("vault host ends with a dot"));
        }
        if host.contains(".privatelink.vault.") {
            return Err(ParseError::new("vault host is the name of a private endpoint").with_help(PRIVATE_LINK_HELP));
        }
        if Cloud::of_host(host).is_none() && looks_like_a_known_vault(host) {
            return Err(ParseError::new("vault host only looks like one under a Key Vault domain").with_help(NEAR_MISS));
        }
        if Cloud::of_host(host).is_some() && url.port().is_some() {
            return Err(ParseError::new("vault under a Key Vault domain has a port of its own"));
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { origin: origin.into() })
    }

    /// Returns the origin: `https://contoso.vault.azure.net`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the host, with the port if it is not 443: `contoso.vault.azure.net`.
    pub fn host(&self) -> &str {
        &self.origin["https://".len()..]
    }

    /// Returns the vault's short name: `contoso`, or the host if the origin is under no known domain.
    pub fn name(&self) -> &str {
        self.cloud().and_then(|cloud| cloud.vault_name(self.host())).unwrap_or(self.host())
    }

    /// Returns the cloud whose domain the vault is under. `None` for an emulator or a custom domain.
    pub fn cloud(&self) -> Option<Cloud> {
        Cloud::of_host(self.host())
    }

    /// Returns the vault whose private endpoint has this host, such as `contoso.privatelink.vaultcore.azure.net`.
    /// `None` for any other host.
    pub fn private_endpoint_of(&self) -> Option<Self> {
        let host = Cloud::own_host(self.host())?;
        Some(Self { origin: format!("https://{host}").into() })
    }

    /// Returns whether the host is under no known domain and resembles one that is, as with a typing error. Such an
    /// origin is allowed; only the error of a failure hints at it.
    pub(crate) fn is_near_miss(&self) -> bool {
        let resembles = |domain: &str| {
            let close = |cloud: Cloud| edit_distance(domain, cloud.dns_suffix()) <= MAX_DISTANCE;
            Cloud::ALL.into_iter().any(close) || domain.contains("vaultcore.")
        };
        let (name, domain) = self.host().split_once('.').unwrap_or_default();
        self.cloud().is_none() && is_vault_name(name) && resembles(domain)
    }

    pub(crate) fn url(&self) -> Result<Url, ParseError> {
        Url::parse(&self.origin).map_err(|_| ParseError::new("vault URL has no valid host"))
    }
}

/// The advice for a vault that is a [near miss](Vault::is_near_miss).
pub(crate) const NEAR_MISS: &str =
    "check the spelling of the vault's host: the vaults of Azure are at NAME.vault.azure.net";

/// The letters in which `vault.azure.com` differs from the right domain.
const MAX_DISTANCE: usize = 3;

/// Returns the Levenshtein distance of two ASCII texts in any case: how many letters to insert, delete or change.
pub(crate) fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// What to write in place of the name of a private endpoint.
pub(crate) const PRIVATE_LINK_HELP: &str =
    "write the vault's own host, such as contoso.vault.azure.net: DNS resolves it to the private endpoint";

/// Returns whether a host such as `contoso.vault.azure.net.evil.example` could be mistaken for a vault.
fn looks_like_a_known_vault(host: &str) -> bool {
    Cloud::ALL.into_iter().any(|cloud| host.contains(cloud.dns_suffix()))
}

impl Ord for Vault {
    /// Compares pointers first: the identifiers of one vault share its text.
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.origin, &other.origin) { Ordering::Equal } else { self.origin.cmp(&other.origin) }
    }
}

impl PartialOrd for Vault {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.origin)
    }
}

impl std::str::FromStr for Vault {
    type Err = ParseError;

    fn from_str(url: &str) -> Result<Self, ParseError> {
        Self::parse(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_not_strings() {
        let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
        for same in [
            "https://contoso.vault.azure.net/",
            "https://contoso.vault.azure.net:443",
            "HTTPS://Contoso.Vault.Azure.Net:443/",
        ] {
            assert_eq!(Vault::parse(same).unwrap(), vault, "{same}");
        }
        assert_eq!(Vault::named("Contoso", Cloud::Public).unwrap(), vault);
        assert_eq!(vault.name(), "contoso");
    }

    #[test]
    fn an_explicit_origin_may_be_anywhere_on_https() {
        for (url, name) in [
            ("https://127.0.0.1:8443", "127.0.0.1:8443"),
            ("https://localhost", "localhost"),
            ("https://[::1]:8443/", "[::1]:8443"),
            ("https://secrets.contoso.example", "secrets.contoso.example"),
        ] {
            let vault = Vault::parse(url).unwrap();
            assert_eq!((vault.name(), vault.cloud()), (name, None), "{url}");
        }
    }

    #[test]
    fn a_vault_is_found_by_its_name_its_host_or_its_url() {
        let find = |text| Vault::from_name_or_url(text, Cloud::China);
        for (text, origin) in [
            ("contoso", "https://contoso.vault.azure.cn"),
            ("Contoso", "https://contoso.vault.azure.cn"),
            ("contoso.vault.azure.net", "https://contoso.vault.azure.net"),
            ("Contoso.Vault.Azure.Net/", "https://contoso.vault.azure.net"),
            ("contoso.vault.usgovcloudapi.net", "https://contoso.vault.usgovcloudapi.net"),
            ("https://contoso.vault.azure.net", "https://contoso.vault.azure.net"),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
        ] {
            assert_eq!(find(text).unwrap().origin(), origin, "{text}");
        }
        for text in [
            "",
            "ab",
            "a_b",
            "contoso/secrets/a",
            "contoso.vault.azure.net/secrets/a",
            "contoso.vault.azure.net:8443",
            "user@contoso.vault.azure.net",
            "contoso.vault.azure.net.evil.example",
            "http://contoso.vault.azure.net",
            "secrets.contoso.example",
            "127.0.0.1:8443",
        ] {
            let error = find(text).expect_err(text);
            assert!(text.is_empty() || !error.to_string().contains(text), "{text}");
        }
        for near in ["contoso.vault.azur.net", "https://contoso.keyvault.azure.net"] {
            assert_eq!(find(near).unwrap_err().help(), Some(NEAR_MISS), "{near}");
        }
    }

    #[test]
    fn a_near_miss_of_a_known_domain_is_recognized() {
        for (host, expected) in [
            ("contoso.vault.azur.net", true),
            ("contoso.vaults.azure.net", true),
            ("contoso.vault.azure.com", true),
            ("contoso.vaultazure.net", true),
            ("contoso.vault.usgovcloudapi.com", true),
            ("contoso.privatelink.vaultcore.azure.net", true),
            ("contoso.vault.azure.net", false),
            ("contoso.managedhsm.azure.net", false),
            ("contoso.vault.azure.cn", false),
            ("secrets.contoso.example", false),
            ("localhost:8443", false),
            ("127.0.0.1:8443", false),
        ] {
            assert_eq!(Vault::parse(&format!("https://{host}")).unwrap().is_near_miss(), expected, "{host}");
        }
    }

    #[test]
    fn a_host_that_could_be_mistaken_is_refused() {
        for url in [
            "http://contoso.vault.azure.net",
            "contoso.vault.azure.net",
            "",
            "https://",
            "https:///secrets",
            "https://contoso.vault.azure.net.evil.example",
            "https://contoso.vault.azure.net@evil.example",
            "https://evil.example\\@contoso.vault.azure.net",
            "https://user:pass@contoso.vault.azure.net",
            "https://contoso.vault.azure.net.",
            "https://secrets.contoso.example.",
            "https://contoso.vault.azure.net:8443",
            "https://contoso%2evault.azure.net",
            "https://contoso.vault.azure.net%2eevil.example",
            "https://contoso.vault\u{3002}azure.net",
            "https://\u{441}ontoso.vault.azure.net",
            "https://vault.azure.net",
            "https://a.b.vault.azure.net",
            "https://evilvault.azure.net",
            "https://contoso.vault.azure.net/secrets",
            "https://contoso.vault.azure.net?x=1",
            "https://contoso.vault.azure.net#x",
            "https://contoso .vault.azure.net",
            "https://contoso.vault.azure.net\n",
            "https://contoso:port.example",
        ] {
            let error = Vault::parse(url).expect_err(url);
            assert!(url.is_empty() || !error.to_string().contains(url), "{url}");
        }
    }
}
