//! Key Vault references: text that refers to a secret.
//!
//! Read the grammar at [`Reference`], then [`Template`], which is text with references in it. `marker` recognizes the
//! beginning of a reference, `parameters` parses the text between the parentheses, `json_path` selects a member of a
//! JSON secret, `json_string` unescapes JSON strings without leaving copies, and `app_configuration` reads the form that
//! Azure App Configuration uses.

pub(crate) mod app_configuration;
mod json_path;
mod json_string;
mod marker;
mod parameters;
mod template;

use std::fmt;
use std::str::FromStr;

use self::json_path::JsonPath;
pub(crate) use self::json_string::{JsonString, unescaped};
use self::marker::end_of_parameters;
pub(crate) use self::marker::strip_marker;
pub use self::template::Template;
use crate::error::{Error, Result};
use crate::secret::{Cloud, SecretId, SecretName, SecretVersion, Vault};

/// A Key Vault reference, in App Service's syntax: text that refers to a secret.
///
/// ```text
/// reference = ("@Microsoft.KeyVault(" | "@KeyVault(") param *(";" param) [";"] ")"
/// param     = key "=" value          keys in any order and any case; spaces around ";" and "=" are ignored
/// key       = SecretUri | VaultName | SecretName | SecretVersion | Property | Optional
/// ```
///
/// * `SecretUri` wins over `VaultName`, `SecretName` and `SecretVersion`. A `/` at its end means the latest version.
/// * `SecretName` without `VaultName` means the resolver's default vault.
/// * `Property=tls.key` selects a member of a JSON secret, `Property=hosts[0].name` a member of an element. A string
///   gives its text, any other member its JSON. A missing or `null` member is an error even with `Optional=true`,
///   because the secret exists and a change of its members must not go unnoticed.
/// * `Optional=true`: a missing secret makes the setting absent instead of failing the load.
///
/// Apart from `Property` and `Optional`, this is
/// [App Service's syntax](https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#understand-source-app-settings-from-key-vault).
/// This grammar accepts all that the [open parser](https://github.com/Azure/azure-functions-core-tools) accepts in its
/// tests. Beyond those tests, the open parser is lenient by accident, and this grammar is strict:
///
/// | written | the open parser | here |
/// |---|---|---|
/// | `a @Microsoft.KeyVault(…) b`, several in one text | text | references, in a [`Template`] |
/// | `@microsoft.keyvault(secretname=…)` | text | a reference |
/// | `SecretName = x ; …` | an error, or a name with a space | the name without spaces |
/// | `FooSecretName=x` | `SecretName` | an error: the parameter is unknown |
/// | `SecretName=a)b` | the name `a)b` | an error: `)` ends the reference, and names do not contain it |
/// | `SecretName=s` without `VaultName` | an error | a secret of the default vault |
/// | a malformed reference | a warning, and the text reaches the program | an error |
///
/// Text with references in it is a [`Template`].
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
    vault: ReferenceVault,
    name: SecretName,
    version: Option<SecretVersion>,
    property: Option<JsonPath>,
    optional: bool,
}

/// The vault of a secret, as a reference names it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum ReferenceVault {
    Default,
    Named(Box<str>),
    /// The vault of a `SecretUri`.
    Origin(Vault),
}

impl Reference {
    /// Parses text that consists of one reference.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), with the status
    /// [`InvalidSyntax`](crate::ReferenceStatus::InvalidSyntax): an unknown, repeated or missing key, an empty value, a
    /// URL that is not a secret's, or text around the reference. The message names keys and never repeats a value.
    pub fn parse(text: &str) -> Result<Self> {
        match Self::read(text) {
            Some((length, Ok(_))) if length < text.len() => Err(Error::invalid("reference is followed by other text")),
            Some((_, reference)) => reference,
            None => Err(Error::invalid("text does not begin with @Microsoft.KeyVault(")),
        }
    }

    /// Creates a reference to the whole value of a secret.
    pub(crate) fn to(secret: SecretId) -> Self {
        Self {
            vault: ReferenceVault::Origin(secret.vault().clone()),
            name: secret.name().clone(),
            version: secret.version().cloned(),
            property: None,
            optional: false,
        }
    }

    /// Reads the reference at the beginning of `text` and returns its length with it, or `None` if `text` does not begin
    /// like a reference.
    ///
    /// Text that begins like a reference and is malformed is an error, never plain text, because a typed setting must
    /// not receive the text of a reference. A malformed reference ends with its closing parenthesis, before the end of
    /// its line, or before the next reference, whichever comes first.
    ///
    /// Never looks beyond the next reference, so that a text with many is read in linear time.
    pub(crate) fn read(text: &str) -> Option<(usize, Result<Self>)> {
        let tail = strip_marker(text)?;
        let (end, is_closed) = end_of_parameters(tail);
        let read = Self::parse_after_marker(&tail[..end], is_closed);
        let whole = &text[..text.len() - tail.len() + end + usize::from(is_closed)];
        let length = match &read {
            Ok(_) => whole.len(),
            Err(_) => whole.find('\n').unwrap_or(whole.len()),
        };
        Some((length, read))
    }

    /// Parses the text between the marker and the closing parenthesis.
    fn parse_after_marker(text: &str, is_closed: bool) -> Result<Self> {
        let spaced = || Error::invalid("reference has a space before its parenthesis");
        let parameters = text.strip_prefix('(').ok_or_else(spaced)?;
        let unclosed =
            || Error::invalid("reference has no closing parenthesis").with_help("write ) after the last parameter");
        if !is_closed {
            return Err(unclosed());
        }
        match parameters::parse(parameters) {
            // A parenthesis on another line, after a quotation mark, closes something else.
            Err(_) if parameters.trim().contains('\n') && parameters.contains(['"', '\'']) => Err(unclosed()),
            parsed => parsed,
        }
    }

    /// Returns the name of the secret.
    pub fn secret_name(&self) -> &SecretName {
        &self.name
    }

    /// Returns whether the reference names a version. A pinned reference never rotates.
    pub fn is_pinned(&self) -> bool {
        self.version.is_some()
    }

    /// Returns whether a missing secret makes the setting absent.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Returns the path of the selected member, or `None` for the whole secret.
    pub(crate) fn property(&self) -> Option<&JsonPath> {
        self.property.as_ref()
    }

    /// Returns the identifier of the secret. A reference without a vault means `default`; `cloud` completes a
    /// `VaultName`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `VaultName` is not a valid vault name.
    pub fn secret_id(&self, default: &Vault, cloud: Cloud) -> Result<SecretId> {
        let vault = match &self.vault {
            ReferenceVault::Default => default.clone(),
            ReferenceVault::Named(name) => Vault::named(name, cloud)?,
            ReferenceVault::Origin(vault) => vault.clone(),
        };
        Ok(self.in_vault(vault))
    }

    fn in_vault(&self, vault: Vault) -> SecretId {
        let id = SecretId::new(vault, self.name.clone());
        match &self.version {
            Some(version) => id.with_version(version.clone()),
            None => id,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("@Microsoft.KeyVault(")?;
        if let ReferenceVault::Origin(vault) = &self.vault {
            write!(f, "SecretUri={}", self.in_vault(vault.clone()).url())?;
        } else {
            if let ReferenceVault::Named(vault) = &self.vault {
                write!(f, "VaultName={vault};")?;
            }
            write!(f, "SecretName={}", self.name)?;
            if let Some(version) = &self.version {
                write!(f, ";SecretVersion={version}")?;
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
    use crate::error::ErrorKind;
    use crate::report::ReferenceStatus;

    fn parts(text: &str) -> Result<(String, String, Option<String>)> {
        let default = Vault::parse("https://default.vault.azure.net")?;
        let id = Reference::parse(text)?.secret_id(&default, Cloud::Public)?;
        let version = id.version().map(|version| version.to_string());
        Ok((id.vault().host().to_owned(), id.name().to_string(), version))
    }

    /// The cases of the open parser of App Service's syntax, with a full host where `VaultName` is completed.
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
