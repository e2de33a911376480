//! The grammar of Key Vault references.

use std::fmt;
use std::str::FromStr;

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::name::{SecretName, SecretVersion};
use crate::property::Property;
use crate::secret::SecretId;
use crate::vault::Vault;

/// A Key Vault reference, as App Service has it: text that stands for a secret.
///
/// ```text
/// reference = ("@Microsoft.KeyVault(" | "@KeyVault(") param *(";" param) [";"] ")"
/// param     = key "=" value          keys in any order and any case; spaces around ";" and "=" are ignored
/// key       = SecretUri | VaultName | SecretName | SecretVersion | Property | Optional
/// ```
///
/// * `SecretUri` wins over `VaultName`, `SecretName` and `SecretVersion`. A `/` at its end means the latest version.
/// * `SecretName` without `VaultName` means the resolver's default vault.
/// * `Property=a.b` takes a member of a secret that is JSON.
/// * `Optional=true`: a secret that does not exist makes the setting absent instead of failing the load.
///
/// The part without `Property` and `Optional` is
/// [App Service's syntax](https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#understand-source-app-settings-from-key-vault).
/// Text with references in it is a [`Template`](crate::Template).
///
/// # Examples
///
/// ```
/// use keyvault::Reference;
///
/// let reference = Reference::parse("@Microsoft.KeyVault(VaultName=contoso; SecretName=db-password)")?;
/// assert_eq!(reference.secret_name().as_str(), "db-password");
/// # Ok::<_, keyvault::Error>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reference {
    target: Target,
    property: Option<Property>,
    optional: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Target {
    Uri(SecretId),
    Named { vault: Option<Box<str>>, name: SecretName, version: Option<SecretVersion> },
}

impl Reference {
    /// Parses text that is one reference and nothing else.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), with the status
    /// [`InvalidSyntax`](crate::ReferenceStatus::InvalidSyntax): an unknown, repeated or missing key, an empty value, a
    /// URL that is not a secret's, or text around the reference. The message names keys and never repeats a value.
    pub fn parse(text: &str) -> Result<Self> {
        match Self::read(text) {
            Some(Ok((reference, ""))) => Ok(reference),
            Some(Ok(_)) => Err(Error::invalid("reference is followed by other text")),
            Some(Err(error)) => Err(error),
            None => Err(Error::invalid("text does not begin with @Microsoft.KeyVault(")),
        }
    }

    /// Reads a reference at the beginning of `text` and gives what follows it; none if no reference begins there.
    ///
    /// What begins like a reference and is malformed is an error and never plain text: a typed setting must not receive
    /// the letters of a reference.
    pub(crate) fn read(text: &str) -> Option<Result<(Self, &str)>> {
        let opened = strip_marker(text)?;
        Some(Self::read_opened(opened))
    }

    fn read_opened(opened: Opened<'_>) -> Result<(Self, &str)> {
        if opened.spaced {
            return Err(Error::invalid("reference has a space before its parenthesis"));
        }
        let (parameters, rest) =
            opened.rest.split_once(')').ok_or_else(|| Error::invalid("reference has no closing parenthesis"))?;
        Ok((Parameters::parse(parameters)?.into_reference()?, rest))
    }

    /// Tells the name of the secret.
    pub fn secret_name(&self) -> &SecretName {
        match &self.target {
            Target::Uri(id) => id.name(),
            Target::Named { name, .. } => name,
        }
    }

    /// Tells whether the reference names a version: then it never rotates.
    pub fn is_pinned(&self) -> bool {
        match &self.target {
            Target::Uri(id) => id.version().is_some(),
            Target::Named { version, .. } => version.is_some(),
        }
    }

    /// Tells whether a secret that does not exist makes the setting absent.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Tells which member of the secret is meant, if not all of it.
    pub(crate) fn property(&self) -> Option<&Property> {
        self.property.as_ref()
    }

    /// Tells the secret: `default` is the vault where none is named, `cloud` completes a `VaultName`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `VaultName` cannot be a vault's name.
    pub fn secret_id(&self, default: &Vault, cloud: Cloud) -> Result<SecretId> {
        match &self.target {
            Target::Uri(id) => Ok(id.clone()),
            Target::Named { vault, name, version } => {
                let vault = match vault {
                    Some(vault) => Vault::named(vault, cloud)?,
                    None => default.clone(),
                };
                let id = SecretId::new(vault, name.clone());
                Ok(match version {
                    Some(version) => id.with_version(version.clone()),
                    None => id,
                })
            }
        }
    }
}

/// What stands after a marker and its parenthesis.
pub(crate) struct Opened<'a> {
    rest: &'a str,
    spaced: bool,
}

/// Takes `@Microsoft.KeyVault(` or `@KeyVault(`, in any case, off the beginning of `text`.
///
/// Spaces before the parenthesis are let through to be refused: nobody writes them but by mistake.
pub(crate) fn strip_marker(text: &str) -> Option<Opened<'_>> {
    MARKERS.into_iter().find_map(|marker| {
        let (head, tail) = text.split_at_checked(marker.len())?;
        if !head.eq_ignore_ascii_case(marker) {
            return None;
        }
        let unspaced = tail.trim_start();
        Some(Opened { rest: unspaced.strip_prefix('(')?, spaced: unspaced.len() != tail.len() })
    })
}

const MARKERS: [&str; 2] = ["@Microsoft.KeyVault", "@KeyVault"];

/// The parameters as they stand, each at most once.
#[derive(Default)]
struct Parameters<'a> {
    secret_uri: Option<&'a str>,
    vault_name: Option<&'a str>,
    secret_name: Option<&'a str>,
    secret_version: Option<&'a str>,
    property: Option<&'a str>,
    optional: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let text = text.trim();
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut parameters = Self::default();
        for parameter in text.split(';') {
            let (key, value) =
                parameter.split_once('=').ok_or_else(|| Error::invalid("reference has a parameter without ="))?;
            let value = value.trim();
            if value.is_empty() {
                return Err(Error::invalid("reference has a parameter with an empty value"));
            }
            if parameters.slot(key.trim())?.replace(value).is_some() {
                return Err(Error::invalid("reference gives a parameter twice"));
            }
        }
        Ok(parameters)
    }

    fn slot(&mut self, key: &str) -> Result<&mut Option<&'a str>> {
        let slots = [
            ("SecretUri", &mut self.secret_uri),
            ("VaultName", &mut self.vault_name),
            ("SecretName", &mut self.secret_name),
            ("SecretVersion", &mut self.secret_version),
            ("Property", &mut self.property),
            ("Optional", &mut self.optional),
        ];
        slots.into_iter().find_map(|(known, slot)| known.eq_ignore_ascii_case(key).then_some(slot)).ok_or_else(|| {
            Error::invalid(
                "reference has an unknown parameter; known are SecretUri, VaultName, SecretName, SecretVersion, \
                     Property and Optional",
            )
        })
    }

    fn into_reference(self) -> Result<Reference> {
        let target = match (self.secret_uri, self.secret_name) {
            (Some(uri), _) => Target::Uri(SecretId::parse(uri)?),
            (None, Some(name)) => Target::Named {
                vault: self.vault_name.map(vault_name).transpose()?,
                name: SecretName::parse(name)?,
                version: self.secret_version.map(SecretVersion::parse).transpose()?,
            },
            (None, None) => {
                return Err(Error::invalid("reference has neither SecretUri nor SecretName"));
            }
        };
        let optional = match self.optional {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(Error::invalid("Optional in a reference is neither true nor false")),
        };
        let property = self.property.map(Property::parse).transpose()?;
        Ok(Reference { target, property, optional })
    }
}

/// Only the letters are checked here; whether a vault may be called so is asked when the cloud is known.
fn vault_name(name: &str) -> Result<Box<str>> {
    match SecretName::parse(name) {
        Ok(_) => Ok(name.into()),
        Err(_) => Err(Error::invalid("VaultName in a reference is not a vault's name")),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("@Microsoft.KeyVault(")?;
        match &self.target {
            Target::Uri(id) => write!(f, "SecretUri={}", id.url())?,
            Target::Named { vault, name, version } => {
                if let Some(vault) = vault {
                    write!(f, "VaultName={vault};")?;
                }
                write!(f, "SecretName={name}")?;
                if let Some(version) = version {
                    write!(f, ";SecretVersion={version}")?;
                }
            }
        }
        if let Some(property) = &self.property {
            write!(f, ";Property={property}")?;
        }
        if self.optional {
            f.write_str(";Optional=true")?;
        }
        f.write_str(")")
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, ReferenceStatus};

    fn parts(text: &str) -> Result<(String, String, Option<String>)> {
        let default = Vault::parse("https://default.vault.azure.net")?;
        let id = Reference::parse(text)?.secret_id(&default, Cloud::Public)?;
        let version = id.version().map(|version| version.to_string());
        Ok((id.vault().host().to_owned(), id.name().to_string(), version))
    }

    /// The cases of the one open parser of App Service's syntax, with the host spelt as a vault's where a vault's name
    /// is completed.
    #[test]
    fn app_services_conformance_cases_hold() {
        for (inside, vault, name, version) in [
            ("SecretUri=https://h/secrets/mysecret/version", "h", "mysecret", Some("version")),
            ("SecretUri=https://h/secrets/mysecret/version;", "h", "mysecret", Some("version")),
            ("SecretUri=https://h/secrets/mysecret/", "h", "mysecret", None),
            ("VaultName=vau;SecretName=s", "vau.vault.azure.net", "s", None),
            ("VaultName=vau;SecretName=s;", "vau.vault.azure.net", "s", None),
            ("VaultName=vau;SecretName=s;SecretVersion=x", "vau.vault.azure.net", "s", Some("x")),
            ("SecretName=s;VaultName=vau;SecretVersion=x", "vau.vault.azure.net", "s", Some("x")),
        ] {
            let text = format!("@Microsoft.KeyVault({inside})");
            let expected = (vault.to_owned(), name.to_owned(), version.map(str::to_owned));
            assert_eq!(parts(&text).unwrap(), expected, "{text}");
        }
        assert!(Reference::parse("@Microsoft.KeyVault(VaultName=v;SecretName=s)").is_ok());
        for inside in ["", "string", "SecretUri=bad uri", "VaultName=vault;"] {
            let error = Reference::parse(&format!("@Microsoft.KeyVault({inside})")).expect_err(inside);
            assert_eq!(error.status(), ReferenceStatus::InvalidSyntax, "{inside}");
        }
        for text in ["@Microsoft-KeyVault()", "", "ordinary text", r#"{"uri":"x"}"#] {
            assert!(Reference::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_rest_of_the_grammar_holds() {
        for (text, expected) in [
            ("@KeyVault(SecretName=s)", ("default.vault.azure.net", "s", None)),
            ("@microsoft.keyvault(secretname=s)", ("default.vault.azure.net", "s", None)),
            ("@KeyVault( SecretName = s ; SecretVersion = 1 ; )", ("default.vault.azure.net", "s", Some("1"))),
            ("@KeyVault(SecretName=other;SecretUri=https://h/secrets/s)", ("h", "s", None)),
            ("@KeyVault(SecretURI=https://h:443/secrets/s)", ("h", "s", None)),
        ] {
            let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2.map(str::to_owned));
            assert_eq!(parts(text).unwrap(), expected, "{text}");
        }
        let reference = Reference::parse("@KeyVault(SecretName=s;Property=a.b;Optional=TRUE)").unwrap();
        assert!(reference.is_optional() && reference.property().is_some());
    }

    #[test]
    fn malformed_references_are_refused_without_repeating_them() {
        for inside in [
            "SecretName=canary;SecretName=canary",
            "SecretNam=canary",
            "SecretName=",
            "SecretName=;",
            "SecretName=canary;;VaultName=canary",
            "SecretName=canary/../keys",
            "SecretName=..",
            "SecretName=canary;Optional=canary",
            "SecretName=canary;Property=",
            "SecretName=canary;canary",
            "VaultName=canary canary;SecretName=canary",
            "SecretUri=http://canary.vault.azure.net/secrets/s",
            "SecretUri=canary.vault.azure.net/secrets/s",
            "SecretUri=https://canary.vault.azure.net.evil.example/secrets/s",
            "SecretUri=https://canary.vault.azure.net@evil.example/secrets/s",
            "SecretUri=https://canary.vault.azure.net:8443/secrets/s",
            "SecretUri=https://canary.vault.azure.net/keys/k",
            "SecretUri=https://canary.vault.azure.net/secrets/s?x=canary",
        ] {
            let error = Reference::parse(&format!("@KeyVault({inside})")).expect_err(inside);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{inside}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{inside}: {error}");
        }
        for text in [
            "@KeyVault(SecretName=s",
            "@KeyVault (SecretName=s)",
            "@KeyVault\n(SecretName=s)",
            "@KeyVault(SecretName=s) ",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
