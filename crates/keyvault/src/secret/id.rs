//! The identifier of a secret.

use std::fmt;

use super::name::{SecretName, SecretVersion};
use super::parse_error::ParseError;
use super::vault::Vault;

/// The identifier of a secret: its vault, its name, and its version or "the latest".
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretId {
    vault: Vault,
    name: SecretName,
    version: Option<SecretVersion>,
}

impl SecretId {
    /// Creates the identifier of a secret's latest version.
    pub fn new(vault: Vault, name: SecretName) -> Self {
        Self { vault, name, version: None }
    }

    /// Parses a secret's URL: `https://contoso.vault.azure.net/secrets/db-password[/version]`.
    ///
    /// A trailing slash means the latest version.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for any other text. The message does not repeat the input.
    pub fn parse(url: &str) -> Result<Self, ParseError> {
        let (vault, path) = Vault::split(url)?;
        Self::parse_path(vault, path, SecretName::parse)
    }

    /// Parses a URL that [`url`](SecretId::url) wrote. It may be that of the settings of a store.
    #[cfg(feature = "sealed")]
    pub(crate) fn parse_kept(url: &str) -> Result<Self, ParseError> {
        let (vault, path) = Vault::split(url)?;
        Self::parse_path(vault, path, SecretName::parse_kept)
    }

    /// Parses a URL, sharing `vault` instead of allocating an equal one if the URL begins with its origin.
    pub(crate) fn parse_of(url: &str, vault: &Vault) -> Result<Self, ParseError> {
        match url.strip_prefix(vault.origin()).filter(|path| path.starts_with('/')) {
            Some(path) => Self::parse_path(vault.clone(), path, SecretName::parse),
            None => Self::parse(url),
        }
    }

    fn parse_path(
        vault: Vault,
        path: &str,
        parse_name: impl Fn(&str) -> Result<SecretName, ParseError>,
    ) -> Result<Self, ParseError> {
        if path.contains(['?', '#']) {
            return Err(ParseError::new("secret URL has a query or a fragment"));
        }
        let mut segments = path.split('/').skip(1);
        match segments.next() {
            Some(kind) if kind.eq_ignore_ascii_case("secrets") => {}
            Some(kind) if kind.eq_ignore_ascii_case("keys") => {
                return Err(ParseError::new("URL is that of a key, not of a secret")
                    .with_help("a key cannot be read: keep the value as a secret, and write /secrets/ and its name"));
            }
            Some(kind) if kind.eq_ignore_ascii_case("certificates") => {
                return Err(ParseError::new("URL is that of a certificate, not of a secret")
                    .with_help("a certificate with its key is a secret of the same name: write /secrets/ instead"));
            }
            _ => return Err(ParseError::new("secret URL has no /secrets/ path")),
        }
        let name = parse_name(segments.next().unwrap_or_default())?;
        let version = match segments.next() {
            None | Some("") => None,
            Some(version) => Some(SecretVersion::parse(version)?),
        };
        match (segments.next(), segments.next()) {
            (None, _) => Ok(Self { vault, name, version }),
            (Some(""), None) if version.is_some() => Ok(Self { vault, name, version }),
            _ => Err(ParseError::new("secret URL has more than a name and a version")),
        }
    }

    /// Checks that the vault can have the version.
    ///
    /// A vault of Azure takes [any other text](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers)
    /// for an operation. Another server may have versions of its own.
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the remedy.
    pub(crate) fn check_version(&self) -> Result<(), ParseError> {
        match &self.version {
            Some(version) if self.vault.cloud().is_some() && !version.is_of_azure() => {
                Err(ParseError::new("secret version is not 32 hexadecimal digits")
                    .with_help("copy the whole version, or leave it out: without it, the latest version is meant"))
            }
            _ => Ok(()),
        }
    }

    /// Returns this identifier pinned to `version`.
    #[must_use]
    pub fn with_version(&self, version: SecretVersion) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// Returns this identifier without a version: the latest one.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self::new(self.vault.clone(), self.name.clone())
    }

    /// Returns the identifier of the same name and version in another vault.
    pub(crate) fn moved_to(self, vault: &Vault) -> Self {
        Self { vault: vault.clone(), ..self }
    }

    /// Returns the vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Returns the name.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Returns the version. `None` means the latest.
    pub fn version(&self) -> Option<&SecretVersion> {
        self.version.as_ref()
    }

    /// Returns the secret's URL, which [`parse`](SecretId::parse) reads back.
    pub fn url(&self) -> String {
        let latest = [self.vault.origin(), "/secrets/", self.name.as_str()];
        match &self.version {
            Some(version) => [&latest[..], &["/", &version.to_string()]].concat().concat(),
            None => latest.concat(),
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} version {} in {}", self.name, version.short(), self.vault),
            None => write!(f, "{} in {}", self.name, self.vault),
        }
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretId({})", self.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_azure_has_32_hexadecimal_digits() {
        const VERSION: &str = "00f1C2d3e4f5061728394a5b6c7d8e9F";
        let check = |origin: &str, version: &str| {
            SecretId::parse(&format!("{origin}/secrets/db/{version}")).unwrap().check_version().is_ok()
        };
        for origin in ["https://contoso.vault.azure.net", "https://contoso.vault.azure.cn"] {
            assert!(check(origin, VERSION) && check(origin, ""), "{origin}");
            for version in
                [&VERSION[1..], "latest", "1", "00f1c2d3-e4f5-0617-2839-4a5b6c7d8e9f", &VERSION.replace('C', "g")]
            {
                assert!(!check(origin, version), "{origin} {version}");
            }
        }
        assert!(check("https://localhost:8443", "1") && check("https://vault.example", "v2"));
    }

    #[test]
    fn a_url_names_a_secret_and_optionally_a_version() {
        for (url, version) in [
            ("https://contoso.vault.azure.net/secrets/db", None),
            ("https://contoso.vault.azure.net/secrets/db/", None),
            ("https://contoso.vault.azure.net:443/secrets/db/0aF1", Some("0af1")),
            ("https://contoso.vault.azure.net/secrets/db/0af1/", Some("0af1")),
        ] {
            let id = SecretId::parse(url).unwrap();
            assert_eq!(id.version().map(ToString::to_string).as_deref(), version, "{url}");
            assert_eq!(SecretId::parse(&id.url()).unwrap(), id, "{url}");
        }
        for url in [
            "https://contoso.vault.azure.net",
            "https://contoso.vault.azure.net/",
            "https://contoso.vault.azure.net/secrets",
            "https://contoso.vault.azure.net/secrets/",
            "https://contoso.vault.azure.net/secrets//",
            "https://contoso.vault.azure.net/secrets/../keys/k",
            "https://contoso.vault.azure.net/secrets/db?api-version=7.4",
            "https://contoso.vault.azure.net/secrets/db#x",
            "https://contoso.vault.azure.net/secrets/db/1/2",
            "https://contoso.vault.azure.net/keys/db",
            "https://contoso.vault.azure.net//secrets/db",
        ] {
            assert!(SecretId::parse(url).is_err(), "{url}");
        }
    }
}
