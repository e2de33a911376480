//! A secret, and what it is called.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::date::Date;
use crate::error::{Error, Result};
use crate::name::{SecretName, SecretVersion};
use crate::properties::SecretProperties;
use crate::vault::Vault;

/// Which secret: a vault, a name, and a version or "the latest".
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub struct SecretId {
    vault: Vault,
    name: SecretName,
    version: Option<SecretVersion>,
}

impl SecretId {
    /// Names the latest version of a secret.
    pub fn new(vault: Vault, name: SecretName) -> Self {
        Self { vault, name, version: None }
    }

    /// Parses a secret's URL: `https://contoso.vault.azure.net/secrets/db-password[/version]`.
    ///
    /// A slash at the end means the latest version.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for anything else; the message does not repeat the input.
    pub fn parse(url: &str) -> Result<Self> {
        let (vault, path) = Vault::split(url)?;
        Self::parse_path(vault, path)
    }

    /// Parses a URL that most likely is of `vault`, which then is not parsed and not kept a second time.
    pub(crate) fn parse_of(url: &str, vault: &Vault) -> Result<Self> {
        match url.strip_prefix(vault.origin()).filter(|path| path.starts_with('/')) {
            Some(path) => Self::parse_path(vault.clone(), path),
            None => Self::parse(url),
        }
    }

    fn parse_path(vault: Vault, path: &str) -> Result<Self> {
        if path.contains(['?', '#']) {
            return Err(Error::invalid("secret URL has a query or a fragment"));
        }
        let mut segments = path.split('/').skip(1);
        match segments.next() {
            Some(kind) if kind.eq_ignore_ascii_case("secrets") => {}
            Some(kind) if kind.eq_ignore_ascii_case("keys") => {
                return Err(Error::invalid("URL is that of a key, not of a secret")
                    .with_help("a key cannot be read: keep the value as a secret, and write /secrets/ and its name"));
            }
            Some(kind) if kind.eq_ignore_ascii_case("certificates") => {
                return Err(Error::invalid("URL is that of a certificate, not of a secret")
                    .with_help("a certificate with its key is a secret of the same name: write /secrets/ instead"));
            }
            _ => return Err(Error::invalid("secret URL has no /secrets/ path")),
        }
        let name = SecretName::parse(segments.next().unwrap_or_default())?;
        let version = match segments.next() {
            None | Some("") => None,
            Some(version) => Some(SecretVersion::parse(version)?),
        };
        match (segments.next(), segments.next()) {
            (None, _) => Ok(Self { vault, name, version }),
            (Some(""), None) if version.is_some() => Ok(Self { vault, name, version }),
            _ => Err(Error::invalid("secret URL has more than a name and a version")),
        }
    }

    /// Copies the id, pinned to `version`.
    #[must_use]
    pub fn with_version(&self, version: SecretVersion) -> Self {
        Self { version: Some(version), ..self.clone() }
    }

    /// Copies the id, without a version.
    #[must_use]
    pub fn latest(&self) -> Self {
        Self::new(self.vault.clone(), self.name.clone())
    }

    /// The same name and version in another vault.
    pub(crate) fn moved_to(self, vault: &Vault) -> Self {
        Self { vault: vault.clone(), ..self }
    }

    /// Tells the vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Tells the name.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Tells the version; none means the latest.
    pub fn version(&self) -> Option<&SecretVersion> {
        self.version.as_ref()
    }

    /// Writes the secret's URL, which [`parse`](SecretId::parse) reads back.
    pub fn url(&self) -> String {
        let latest = [self.vault.origin(), "/secrets/", self.name.as_str()];
        match &self.version {
            Some(version) => [&latest[..], &["/", &version.to_string()]].concat().concat(),
            None => latest.concat(),
        }
    }
}

impl Hash for SecretId {
    /// The name tells secrets apart: there are few vaults, and few versions of one secret are told apart anywhere.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
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

/// One version of a secret, with its value.
///
/// The value leaves through [`expose_secret`](Secret::expose_secret) only, and its memory is zeroized on drop. `Debug`
/// shows no value; there is no `Serialize` and no `PartialEq`.
#[derive(Clone)]
pub struct Secret {
    properties: SecretProperties,
    value: Zeroizing<Box<str>>,
    as_of: Date,
}

impl Secret {
    /// Puts a secret together; `properties` should name the version.
    ///
    /// `as_of` is when the vault answered, by its own clock if it told, of which whole seconds are kept: dates have no more,
    /// and only an answer from a later second than `updated` is known to be the last of that second.
    pub fn new(properties: SecretProperties, value: impl Into<Box<str>>, as_of: SystemTime) -> Self {
        Self { properties, value: Zeroizing::new(value.into()), as_of: Date::from(as_of) }
    }

    /// Gives out the plaintext: the one way to it.
    pub fn expose_secret(&self) -> &str {
        &self.value
    }

    /// Tells which secret this is, with its version.
    pub fn id(&self) -> &SecretId {
        self.properties.id()
    }

    /// Tells everything but the value.
    pub fn properties(&self) -> &SecretProperties {
        &self.properties
    }

    /// Tells when the vault answered; a time that no vault tells is before everything.
    pub(crate) fn as_of(&self) -> SystemTime {
        self.as_of.time().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Tells whether a list that shows the same dates proves that nothing newer was set.
    pub(crate) fn is_settled(&self) -> bool {
        let updated = self.properties.updated();
        updated.is_some_and(|updated| {
            self.as_of().duration_since(updated).is_ok_and(|passed| passed >= CLOCKS_AGREE_WITHIN)
        })
    }
}

/// A vault is served by several machines, whose clocks may be a second apart.
const CLOCKS_AGREE_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_url_names_a_secret_and_perhaps_a_version() {
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

    #[test]
    fn debug_shows_no_value() {
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/db").unwrap();
        let secret = Secret::new(SecretProperties::new(id), "canary", SystemTime::now());
        assert!(!format!("{secret:?}").contains("canary"));
        assert_eq!(secret.expose_secret(), "canary");
    }

    #[test]
    fn a_secret_read_in_the_second_it_was_set_may_not_be_the_last() {
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/db").unwrap();
        let updated = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (later, settled) in [(0, false), (1, false), (2, true), (60, true)] {
            let mut properties = SecretProperties::new(id.clone());
            properties.set_updated(updated);
            let secret = Secret::new(properties, "v", updated + Duration::from_secs(later));
            assert_eq!(secret.is_settled(), settled, "{later}");
        }
    }
}
