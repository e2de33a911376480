//! Key Vault references: text that refers to a secret.
//!
//! Read the grammar at [`Reference`], then [`Template`], which is text with references in it. `marker` recognizes the
//! beginning of a reference, `parameters` parses the text between the parentheses, `display` writes a reference, and
//! `near_miss` finds text that was meant to be one. `json_path` selects a member of a JSON secret, `format` converts
//! certificates, `encode` writes a secret in the format of the text around it, and `surrounding` refuses a secret that
//! would change the structure of that text. `app_configuration` reads the form that Azure App Configuration uses.

pub(crate) mod app_configuration;
mod display;
mod encode;
mod format;
mod json_path;
mod marker;
mod near_miss;
mod parameters;
mod surrounding;
mod template;

use std::str::FromStr;

use zeroize::Zeroizing;

use self::encode::Encode;
use self::format::Format;
use self::json_path::JsonPath;
use self::marker::end_of_parameters;
pub(crate) use self::marker::strip_marker;
pub(crate) use self::surrounding::Surrounding;
pub use self::template::Template;
use crate::error::{Error, ErrorKind, Result};
pub(crate) use crate::json_string::{JsonString, to_json, unescaped};
use crate::report::ReferenceStatus;
use crate::secret::{Cloud, Secret, SecretId, SecretName, SecretVersion, Vault};

/// A Key Vault reference, in App Service's syntax: text that refers to a secret.
///
/// ```text
/// reference = ("@Microsoft.KeyVault(" | "@KeyVault(") param *(";" param) [";"] ")"
/// param     = key "=" value          keys in any order and any case; spaces around ";" and "=" are ignored
/// key       = SecretUri | VaultName | SecretName | SecretVersion | Tag | Property | Encoding | Format | Encode |
///             Optional
/// ```
///
/// * `SecretUri` wins over `VaultName`, `SecretName` and `SecretVersion`. A `/` at its end means the latest version.
/// * `SecretName` without `VaultName` means the resolver's default vault.
/// * `Property=tls.key` selects a member of a JSON secret, `Property=hosts[0].name` a member of an element. A string
///   gives its text, any other member its JSON. A missing or `null` member is an error even with `Optional=true`,
///   because the secret exists and a change of its members must not go unnoticed.
/// * `Tag=user` selects a tag of the secret in place of its value. A changed tag is seen with the secret's next
///   version.
/// * `Encoding=base64` decodes the selected text, which is the base64 of UTF-8 text.
/// * `Format=pem`, `key`, `chain` or `pfx` converts a certificate: its private key (PKCS#8) and its chain as PEM, one
///   of the two, or both as the base64 of PKCS#12 without a password. The secret may have any form that
///   `keyvault::certificate` reads. It needs the feature `certificates`.
/// * `Encode=url`, `json`, `xml`, `yaml`, `ado` (a connection string of ADO.NET), `base64` or `shell` encodes the
///   selected text for the text around the reference. Within quotation marks, only the content of a string is written;
///   outside, `json`, `yaml` and `shell` write the quotation marks too, and `ado` if they are needed. Without `Encode`,
///   a secret that would change the structure of a URL, a connection string, a form, JSON or XML around it is an error.
///   `Encode=none` allows it: the secret is meant to be part of the structure.
/// * `Optional=true`: a missing secret makes the setting absent instead of failing the load.
///
/// Apart from the parameters from `Tag` to `Optional`, this is
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
    tag: Option<Box<str>>,
    property: Option<JsonPath>,
    is_base64: bool,
    format: Option<Format>,
    encode: Option<Encode>,
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
        let vault = ReferenceVault::Origin(secret.vault().clone());
        Self::new(vault, secret.name().clone(), secret.version().cloned())
    }

    fn new(vault: ReferenceVault, name: SecretName, version: Option<SecretVersion>) -> Self {
        Self {
            vault,
            name,
            version,
            tag: None,
            property: None,
            is_base64: false,
            format: None,
            encode: None,
            optional: false,
        }
    }

    /// Reads the reference at the beginning of `text` and returns its length with it, or `None` if `text` does not
    /// begin like a reference.
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

    /// Removes white space around a text that is otherwise one reference, well-formed or not. Returns any other text
    /// unchanged.
    pub(crate) fn trimmed(text: &str) -> &str {
        let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
        let is_whole = || Self::read(trimmed).is_some_and(|(length, _)| length == trimmed.len());
        if trimmed.len() < text.len() && is_whole() { trimmed } else { text }
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

    /// Returns the text that replaces this reference: the selected part of `secret`, decoded and encoded.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](ErrorKind::InvalidSettings) if the secret has no such part, cannot be decoded or encoded, or
    /// would change the structure of the text around the reference.
    pub(crate) fn text_of(&self, secret: &Secret, surrounding: &Surrounding) -> Result<Zeroizing<String>> {
        let read = || {
            let source = match &self.tag {
                Some(tag) => secret.properties().tags().get(&**tag).ok_or_else(no_tag)?,
                None => secret.expose_secret(),
            };
            let mut text = match &self.property {
                Some(property) => property.of(source)?,
                None => Zeroizing::new(source.to_owned()),
            };
            if self.is_base64 {
                text = encode::decode_base64(&text)?;
            }
            if let Some(format) = self.format {
                text = format.of(&text)?;
            }
            if let Some(encode) = self.encode {
                text = encode.encode(&text, surrounding.quote(encode))?;
            }
            surrounding.check(&text, self.encode)?;
            Ok(text)
        };
        read().map_err(|error: Error| error.about(secret.id()))
    }

    /// Returns the identifier of the secret. A reference without a vault means `default`; `cloud` completes a
    /// `VaultName`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `VaultName` is not a valid vault name, or a version in a vault of
    /// Azure is not 32 hexadecimal digits.
    pub fn secret_id(&self, default: &Vault, cloud: Cloud) -> Result<SecretId> {
        let vault = match &self.vault {
            ReferenceVault::Default => default.clone(),
            ReferenceVault::Named(name) => Vault::named(name, cloud)?,
            ReferenceVault::Origin(vault) => vault.clone(),
        };
        let id = self.in_vault(vault);
        id.check_version()?;
        Ok(id)
    }

    fn in_vault(&self, vault: Vault) -> SecretId {
        let id = SecretId::new(vault, self.name.clone());
        match &self.version {
            Some(version) => id.with_version(version.clone()),
            None => id,
        }
    }
}

fn no_tag() -> Error {
    Error::new(ErrorKind::InvalidSettings, "secret has no tag with the name in the reference")
        .with_status(ReferenceStatus::OtherReasons)
        .with_help("compare Tag with the tags of the secret's current version: their names are case-sensitive")
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

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

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
            ("VaultName=vau;SecretName=s;SecretVersion=x", "vau.vault.azure.net", "s", Some(VERSION)),
            ("SecretName=s;VaultName=vau;SecretVersion=x", "vau.vault.azure.net", "s", Some(VERSION)),
        ] {
            let text = format!("@Microsoft.KeyVault({inside})");
            assert!(Reference::parse(&text).is_ok(), "{text}");
            // The open parser takes any text for a version; a vault of Azure does not.
            let text = text.replace("Version=x", &format!("Version={VERSION}"));
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
            ("@KeyVault( SecretName = s ; Tag = 1 ; )", ("default.vault.azure.net", "s", None)),
            ("@KeyVault(SecretName=other;SecretUri=https://h/secrets/s)", ("h", "s", None)),
            ("@KeyVault(SecretURI=https://h:443/secrets/s)", ("h", "s", None)),
        ] {
            let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2.map(str::to_owned));
            assert_eq!(parts(text).unwrap(), expected, "{text}");
        }
        let reference = Reference::parse("@KeyVault(SecretName=s;Property=a.b;Optional=TRUE)").unwrap();
        assert!(reference.is_optional() && reference.property.is_some());
    }

    #[test]
    fn a_version_that_no_vault_of_azure_has_is_refused_before_a_request() {
        for inside in [
            "SecretName=s;SecretVersion=0123456789abcdef0123456789abcde",
            "SecretName=s;SecretVersion=canary",
            "VaultName=vau;SecretName=s;SecretVersion=1",
            "SecretUri=https://vau.vault.azure.net/secrets/s/canary",
        ] {
            let report = parts(&format!("@KeyVault({inside})")).expect_err(inside).report();
            assert!(report.starts_with("secret version is not 32 hexadecimal digits"), "{inside}: {report}");
            assert!(!report.contains("canary"), "{inside}: {report}");
        }
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
