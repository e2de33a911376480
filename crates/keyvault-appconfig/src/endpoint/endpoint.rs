//! The https origin of a store.

use std::fmt;
use std::str::FromStr;

use keyvault::Vault;
use keyvault::secret::ParseError;

/// The endpoint of a store: its https origin, such as `https://contoso.azconfig.io`, or that of one of its replicas.
///
/// Two endpoints are equal when their origins are. `Clone` is cheap. Parsing an endpoint allows nothing: a token or a
/// signature goes only to an endpoint for which the program built a client.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Endpoint {
    /// The origin. The type checks and normalizes it.
    origin: Vault,
}

/// The domains of stores in Azure, Azure operated by 21Vianet, and Azure Government.
const DOMAINS: [&str; 5] =
    [PUBLIC_DOMAIN, "azconfig.azure.cn", "appconfig.azure.cn", "azconfig.azure.us", "appconfig.azure.us"];

const PUBLIC_DOMAIN: &str = "azconfig.io";

impl Endpoint {
    /// Parses the URL of a store.
    ///
    /// A host under `azconfig.io`, `azconfig.azure.cn`, `azconfig.azure.us`, `appconfig.azure.cn` or
    /// `appconfig.azure.us` must be that of one store, on the standard port. Any other https origin is accepted too (an
    /// emulator on `https://127.0.0.1:8443`, a custom domain, a store of another cloud), except that of a vault and one
    /// that only looks like a store of a known domain.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for anything but `https://host[:port][/]`: another scheme, user information, a path, a query, a
    /// fragment, a trailing dot, escapes or non-ASCII letters in the host. The message does not repeat the input.
    pub fn parse(url: &str) -> Result<Self, ParseError> {
        let origin = Vault::parse(url)
            .map_err(|_| ParseError::new("endpoint is not https://host or https://host:port").with_help(HELP))?;
        let (host, port) = host_and_port(&origin);
        if origin.cloud().is_some() {
            return Err(ParseError::new("endpoint is that of a key vault").with_help(HELP));
        }
        if host.contains(".privatelink.azconfig.") || host.contains(".privatelink.appconfig.") {
            return Err(ParseError::new("endpoint is the name of a private endpoint").with_help(PRIVATE_LINK_HELP));
        }
        match domain(host) {
            Some(_) if port.is_some() => Err(ParseError::new("endpoint under a known domain has a port of its own")),
            None if DOMAINS.into_iter().any(|domain| host.contains(domain)) => {
                Err(ParseError::new("endpoint only looks like one under a known domain").with_help(HELP))
            }
            _ => Ok(Self { origin }),
        }
    }

    /// Returns the origin: `https://contoso.azconfig.io`.
    pub fn origin(&self) -> &str {
        self.origin.origin()
    }

    /// Returns the host, with the port if it is not 443: `contoso.azconfig.io`.
    pub fn host(&self) -> &str {
        self.origin.host()
    }

    /// Returns the short name of the store: `contoso`, or the host if the origin is under no known domain.
    pub fn name(&self) -> &str {
        self.domain().map_or(self.host(), |domain| &self.host()[..self.host().len() - domain.len() - 1])
    }

    /// Returns the scope of Microsoft Entra tokens for the store: that of its cloud.
    ///
    /// The audiences are those of
    /// [the documentation](https://learn.microsoft.com/azure/azure-app-configuration/concept-enable-rbac): Azure
    /// `https://appconfig.azure.com`, Azure operated by 21Vianet `https://appconfig.azure.cn`, Azure Government
    /// `https://appconfig.azure.us`. In any other cloud the audience follows from the host, as in the official clients:
    /// `https://appconfig.sovcloud-api.fr` for `contoso.azconfig.sovcloud-api.fr`. A host without a part `azconfig` or
    /// `appconfig` behind its first one has the audience of Azure.
    pub fn scope(&self) -> String {
        let cloud = cloud(host_and_port(&self.origin).0).filter(|_| self.domain() != Some(PUBLIC_DOMAIN));
        format!("https://appconfig.{}/.default", cloud.unwrap_or("azure.com"))
    }

    /// Returns the known domain that the host is under.
    pub(crate) fn domain(&self) -> Option<&'static str> {
        domain(self.host())
    }

    /// Returns the origin in the type that core uses for all of them.
    pub(crate) fn as_vault(&self) -> &Vault {
        &self.origin
    }
}

fn host_and_port(origin: &Vault) -> (&str, Option<&str>) {
    match origin.host().rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (origin.host(), None),
    }
}

/// Returns the part of a host behind its last label `azconfig` or `appconfig`.
fn cloud(host: &str) -> Option<&str> {
    let behind = |label: &str| host.rfind(label).map(|at| &host[at + label.len()..]);
    [".azconfig.", ".appconfig."].into_iter().filter_map(behind).min_by_key(|cloud| cloud.len())
}

/// Returns the known domain that `host` is under, if it is one label in front of it.
fn domain(host: &str) -> Option<&'static str> {
    DOMAINS.into_iter().find(|domain| {
        let name = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    })
}

const HELP: &str = "write the endpoint of the store as the portal shows it: https://NAME.azconfig.io";

const PRIVATE_LINK_HELP: &str =
    "write the store's own host, such as contoso.azconfig.io: DNS resolves it to the private endpoint";

impl FromStr for Endpoint {
    type Err = ParseError;

    fn from_str(url: &str) -> Result<Self, ParseError> {
        Self::parse(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_that_of_a_store_or_named_exactly() {
        for (url, origin, name) in [
            ("https://contoso.azconfig.io", "https://contoso.azconfig.io", "contoso"),
            ("HTTPS://Contoso-West.azconfig.io:443/", "https://contoso-west.azconfig.io", "contoso-west"),
            ("https://contoso.azconfig.azure.cn/", "https://contoso.azconfig.azure.cn", "contoso"),
            ("https://contoso.azconfig.azure.us", "https://contoso.azconfig.azure.us", "contoso"),
            ("https://contoso.appconfig.azure.us", "https://contoso.appconfig.azure.us", "contoso"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443", "127.0.0.1:8443"),
            ("https://[::1]:8443", "https://[::1]:8443", "[::1]:8443"),
            ("https://settings.contoso.example", "https://settings.contoso.example", "settings.contoso.example"),
        ] {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!((endpoint.origin(), endpoint.name()), (origin, name), "{url}");
        }
    }

    #[test]
    fn a_host_that_could_be_mistaken_is_refused() {
        for url in [
            "",
            "contoso.azconfig.io",
            "http://contoso.azconfig.io",
            "https://contoso.azconfig.io/kv",
            "https://contoso.azconfig.io?x=1",
            "https://contoso.azconfig.io:8443",
            "https://contoso.azconfig.io.evil.example",
            "https://contoso.azconfig.io@evil.example",
            "https://evil.example\\@contoso.azconfig.io",
            "https://contoso%2eazconfig.io",
            "https://\u{441}ontoso.azconfig.io",
            "https://contoso.azconfig.io.",
            "https://azconfig.io",
            "https://a.b.azconfig.io",
            "https://evilazconfig.io",
            "https://contoso.privatelink.azconfig.io",
            "https://contoso.privatelink.appconfig.azure.us",
            "https://contoso.vault.azure.net",
        ] {
            let error = Endpoint::parse(url).expect_err(url);
            assert!(url.is_empty() || !error.to_string().contains(url), "{url}");
        }
    }

    #[test]
    fn a_token_is_for_the_cloud_of_the_store() {
        for (url, scope) in [
            ("https://contoso.azconfig.io", "https://appconfig.azure.com/.default"),
            ("https://contoso.azconfig.azure.us", "https://appconfig.azure.us/.default"),
            ("https://contoso.appconfig.azure.us", "https://appconfig.azure.us/.default"),
            ("https://contoso.azconfig.azure.cn", "https://appconfig.azure.cn/.default"),
            ("https://contoso.appconfig.azure.cn", "https://appconfig.azure.cn/.default"),
            ("https://contoso.azconfig.sovcloud-api.fr", "https://appconfig.sovcloud-api.fr/.default"),
            ("https://contoso.appconfig.sovcloud-api.fr:8443", "https://appconfig.sovcloud-api.fr/.default"),
            ("https://a.appconfig.b.azconfig.example", "https://appconfig.example/.default"),
            ("https://appconfig.contoso.example", "https://appconfig.azure.com/.default"),
            ("https://contoso.myazconfig.example", "https://appconfig.azure.com/.default"),
            ("https://127.0.0.1:8443", "https://appconfig.azure.com/.default"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().scope(), scope, "{url}");
        }
    }
}
