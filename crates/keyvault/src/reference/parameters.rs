//! The parameters of a reference, between its parentheses.

use super::encode::Encode;
use super::format::Format;
use super::json_path::JsonPath;
use super::marker::is_invisible;
use super::{Reference, ReferenceVault};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{SecretId, SecretName, SecretVersion, edit_distance};

/// A parameter with a known name.
#[derive(Clone, Copy)]
struct Parameter<'a> {
    /// The position in the reference, from 1, for messages.
    ordinal: usize,
    name: &'static str,
    value: &'a str,
}

const KNOWN_NAMES: [&str; 10] = [
    "SecretUri",
    "VaultName",
    "SecretName",
    "SecretVersion",
    "Tag",
    "Property",
    "Encoding",
    "Format",
    "Encode",
    "Optional",
];

/// Names that people write by mistake, in lower case, with the intended name.
const COMMON_MISTAKES: [(&str, &str); 15] = [
    ("uri", "SecretUri"),
    ("secretidentifier", "SecretUri"),
    ("secretid", "SecretUri"),
    ("vaulturl", "VaultName"),
    ("url", "SecretUri"),
    ("vault", "VaultName"),
    ("keyvault", "VaultName"),
    ("keyvaultname", "VaultName"),
    ("name", "SecretName"),
    ("secret", "SecretName"),
    ("version", "SecretVersion"),
    ("path", "Property"),
    ("field", "Property"),
    ("key", "Property"),
    ("required", "Optional"),
];

/// Parses `text`. An error names a parameter by its position and its known name, and never quotes the text.
pub(super) fn parse(text: &str) -> Result<Reference> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid("reference is empty").with_help(MINIMAL_REFERENCE));
    }
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut parameters = Vec::new();
    for (at, parameter) in text.split(';').enumerate() {
        let parameter = Parameter::parse(at + 1, parameter)?;
        if find(&parameters, parameter.name).is_some() {
            return Err(parameter.error("repeated"));
        }
        parameters.push(parameter);
    }
    let id = read(&parameters, "SecretUri", secret_uri)?;
    let name = read(&parameters, "SecretName", SecretName::parse)?;
    let mut reference = match (id, name) {
        (Some(id), _) => Reference::to(id),
        (None, Some(name)) => {
            let version = |text: &str| match SecretVersion::parse(text) {
                Ok(_) if text.eq_ignore_ascii_case("latest") => Err(Error::invalid("version is called latest")
                    .with_help("leave SecretVersion out: a reference without it means the latest version")),
                parsed => parsed.map_err(Error::from),
            };
            let vault = read(&parameters, "VaultName", vault_name)?;
            let vault = vault.map_or(ReferenceVault::Default, ReferenceVault::Named);
            Reference::new(vault, name, read(&parameters, "SecretVersion", version)?)
        }
        (None, None) => {
            return Err(Error::invalid("reference has neither SecretUri nor SecretName").with_help(MINIMAL_REFERENCE));
        }
    };
    let optional = read(&parameters, "Optional", |text| match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Error::invalid("value is neither true nor false")),
    })?;
    reference.optional = optional.unwrap_or(false);
    reference.tag = read(&parameters, "Tag", tag)?;
    reference.property = read(&parameters, "Property", JsonPath::parse)?;
    reference.is_base64 = read(&parameters, "Encoding", base64)?.is_some();
    reference.format = read(&parameters, "Format", Format::parse)?;
    reference.encode = read(&parameters, "Encode", Encode::parse)?;
    Ok(reference)
}

fn find<'a>(parameters: &[Parameter<'a>], name: &str) -> Option<Parameter<'a>> {
    parameters.iter().find(|parameter| parameter.name == name).copied()
}

/// Reads the value of the parameter called `name`, if there is one.
fn read<T, E: Into<Error>>(
    parameters: &[Parameter<'_>],
    name: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>> {
    let Some(parameter) = find(parameters, name) else { return Ok(None) };
    read(parameter.value).map(Some).map_err(|error| parameter.explain(&error.into()))
}

/// The shortest valid references, as advice.
const MINIMAL_REFERENCE: &str =
    "write @KeyVault(SecretName=…) for a secret of the default vault, or SecretUri=https://…/secrets/…";

impl<'a> Parameter<'a> {
    fn parse(ordinal: usize, text: &'a str) -> Result<Self> {
        let explained = |heading, clause: &str| {
            Error::from_clause(ErrorKind::Invalid, heading, format!("reference parameter {ordinal}: {clause}"))
        };
        let here = |clause: &'static str| explained(clause, clause);
        let Some((name, value)) = text.split_once('=') else {
            let text = text.trim();
            return Err(match () {
                () if text.is_empty() => here("empty").with_help("write one ; between two parameters"),
                () if text.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("https://")) => {
                    here("URL without a parameter name").with_help("write SecretUri= before the URL")
                }
                () => here("has no =").with_help("a parameter is a name, = and a value, as in SecretName=db-password"),
            });
        };
        let name = name.trim();
        if name.ends_with('\\') {
            return Err(here("= has a backslash before it")
                .with_help("write = without the backslash, or read the file as .properties, whose reader removes it"));
        }
        let Some(name) = known_name(name) else {
            return Err(match closest_name(name) {
                _ if name.contains(is_invisible) => here("name has an invisible character").with_help(INVISIBLE),
                _ if has_placeholder(name) => here("a placeholder that was not replaced").with_help(PLACEHOLDER),
                _ if name.eq_ignore_ascii_case("VaultUri") || name.eq_ignore_ascii_case("VaultUrl") => here(
                    "unknown, did you mean VaultName or SecretUri?",
                )
                .with_help("write the vault's name, as in VaultName=contoso, or the secret's whole URL as SecretUri"),
                _ if name.starts_with(['"', '\'']) => here("name is quoted").with_help(QUOTED),
                Some(name) => explained("unknown, did you mean …", &format!("unknown, did you mean {name}?")),
                None => {
                    let clause = format!("unknown, expected one of {}", KNOWN_NAMES.join(", "));
                    explained("unknown, expected one of …", &clause)
                }
            });
        };
        let parameter = Self { ordinal, name, value: value.trim() };
        match parameter.value {
            "" => Err(parameter.error("value is empty")),
            value if is_quoted(value) => Err(parameter.error("value is quoted").with_help(QUOTED)),
            value if value.contains(is_invisible) => {
                Err(parameter.error("value has an invisible character").with_help(INVISIBLE))
            }
            value if !matches!(name, "Tag" | "Property") && has_placeholder(value) => {
                Err(parameter.error("value is a placeholder that was not replaced").with_help(PLACEHOLDER))
            }
            value if contains_parameter(value) => {
                Err(parameter.error("value contains another parameter").with_help("write ; between two parameters"))
            }
            _ => Ok(parameter),
        }
    }

    fn error(self, clause: &'static str) -> Error {
        self.explained(clause, clause)
    }

    fn explained(self, heading: &'static str, clause: &str) -> Error {
        let clause = format!("reference parameter {}, {}: {clause}", self.ordinal, self.name);
        Error::from_clause(ErrorKind::Invalid, heading, clause)
    }

    /// Adds the parameter to an error about its value.
    fn explain(self, error: &Error) -> Error {
        self.explained(error.heading(), &error.detail()).with_help_of(error)
    }
}

const QUOTED: &str = "write names and values without quotation marks";
const INVISIBLE: &str = "type the reference again: a copied text can contain characters that no editor shows";
const PLACEHOLDER: &str = "check that the step of the deployment which replaces placeholders ran over this text";

fn is_quoted(value: &str) -> bool {
    let quotes = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    value.trim_start_matches('\\').starts_with(quotes) || value.ends_with(quotes)
}

/// Returns whether `text` contains a placeholder of a deployment tool: `#{X}#`, `$(X)`, `${X}`, `{{x}}`, `<x>`,
/// `__X__`, `%X%`.
fn has_placeholder(text: &str) -> bool {
    let is_between = |(begin, end): (&str, &str)| {
        let inner = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map(|(inner, _)| inner);
        inner.is_some_and(|inner| !inner.trim().is_empty())
    };
    // The parenthesis at the end of $(X) ends the reference.
    text.contains("$(") || [("{", "}"), ("<", ">"), ("__", "__"), ("%", "%")].into_iter().any(is_between)
}

fn known_name(name: &str) -> Option<&'static str> {
    KNOWN_NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// Returns whether a value contains another parameter after a wrong separator, such as a comma for a semicolon.
fn contains_parameter(value: &str) -> bool {
    let mut pieces = value.split([',', '&', '|']).skip(1);
    pieces.any(|piece| piece.split_once('=').is_some_and(|(name, _)| known_name(name.trim()).is_some()))
}

/// Returns the known name that is closest to a misspelt one.
fn closest_name(name: &str) -> Option<&'static str> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if letters.is_empty() || letters.len() > MAX_LETTERS {
        return None;
    }
    let mistake = COMMON_MISTAKES.into_iter().find(|(wrong, _)| *wrong == letters).map(|(_, name)| name);
    let close = KNOWN_NAMES.into_iter().map(|known| (edit_distance(&letters, known), known));
    mistake.or_else(|| close.min().filter(|(distance, _)| *distance <= MAX_DISTANCE).map(|(_, known)| known))
}

const MAX_LETTERS: usize = 24;
const MAX_DISTANCE: usize = 2;

fn secret_uri(url: &str) -> Result<SecretId> {
    let without_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    if url.contains('\\') {
        return Err(Error::invalid("URL has a backslash")
            .with_help("write / and : without a backslash, or read the file as .properties, whose reader removes it"));
    }
    if without_scheme.contains("//") {
        return Err(
            Error::invalid("URL has two slashes in a row").with_help("write one / between two parts of the URL")
        );
    }
    let id = SecretId::parse(url)?;
    match id.version() {
        Some(version) if version.to_string() == "latest" => Err(Error::invalid("version is called latest")
            .with_help("end the URL with the secret's name: a URL without a version means the latest one")),
        _ => Ok(id),
    }
}

/// [The name of a tag](https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations) has
/// at most 512 characters.
fn tag(name: &str) -> Result<Box<str>> {
    if name.len() > 512 || name.contains(|c: char| c.is_control() || c == '@') {
        return Err(Error::invalid("not the name of a tag"));
    }
    Ok(name.into())
}

fn base64(text: &str) -> Result<()> {
    match text {
        _ if text.eq_ignore_ascii_case("base64") => Ok(()),
        _ => Err(Error::invalid("encoding is unknown")
            .with_help("Encoding=base64 decodes the secret; Encode=… encodes it for the text around it")),
    }
}

/// Checks the characters only. The rest of the check needs the cloud.
fn vault_name(name: &str) -> Result<Box<str>> {
    match SecretName::parse(name) {
        Ok(_) => Ok(name.into()),
        Err(_) if name.contains('.') => Err(Error::invalid("not a vault name")
            .with_help("write the name without its host suffix, or the whole URL as SecretUri")),
        Err(_) => Err(Error::invalid("not a vault name")),
    }
}

#[cfg(test)]
mod tests {
    use crate::reference::Reference;

    /// Checks that each text between parentheses is refused with a clause and an advice, which do not quote it.
    fn assert_refused(cases: &[(&str, &str, &str)]) {
        for (inside, clause, help) in cases {
            let error = Reference::parse(&format!("@KeyVault({inside})")).expect_err(inside);
            assert!(error.to_string().contains(clause), "{inside}: {error}");
            assert!(error.advice().unwrap_or_default().contains(help), "{inside}: {error:?}");
            assert!(!error.report().contains("canary"), "{inside}: {error:?}");
        }
    }

    #[test]
    fn an_error_suggests_the_intended_name() {
        assert_refused(&[
            ("SecretNam=canary", "reference parameter 1: unknown, did you mean SecretName?", ""),
            ("SecretName=a;Secret_Versoin=canary", "reference parameter 2: unknown, did you mean SecretVersion?", ""),
            ("Vault Name=canary;SecretName=a", "reference parameter 1: unknown, did you mean VaultName?", ""),
            ("Name=canary", "reference parameter 1: unknown, did you mean SecretName?", ""),
            ("url=canary", "reference parameter 1: unknown, did you mean SecretUri?", ""),
            ("canary=canary", "reference parameter 1: unknown, expected one of SecretUri, VaultName,", ""),
            ("🦀=canary", "reference parameter 1: unknown, expected one of", ""),
        ]);
        assert!(Reference::parse("@KeyVault(SecretURI=https://contoso.vault.azure.net/secrets/a)").is_ok());
    }

    #[test]
    fn an_error_names_the_probable_mistake() {
        const PLACEHOLDER: &str = "placeholder";
        assert_refused(&[
            (
                "VaultUri=https://canary.vault.azure.net/;SecretName=a",
                "did you mean VaultName or SecretUri?",
                "contoso",
            ),
            ("VaultName='canary';SecretName=a", "VaultName: value is quoted", "without quotation marks"),
            ("SecretUri=\"https://canary.vault.azure.net/secrets/a\"", "SecretUri: value is quoted", "without"),
            ("SecretUri=\\\"https://canary.vault.azure.net/secrets/a\\\"", "SecretUri: value is quoted", "without"),
            ("\"SecretName\"=canary", "name is quoted", "without quotation marks"),
            ("SecretUri\\=https\\://canary.vault.azure.net/secrets/a", "backslash", ".properties"),
            ("SecretUri=https\\://canary.vault.azure.net/secrets/a", "backslash", ".properties"),
            ("SecretUri=https://canary.vault.azure.net//secrets/a", "two slashes", "one /"),
            ("SecretUri=https://canary.vault.azure.net/secrets//a", "two slashes", "one /"),
            ("SecretUri=https://canary.vault.azure.net/secrets/a/latest", "called latest", "without a version"),
            ("SecretName=canary;SecretVersion=latest", "called latest", "leave SecretVersion out"),
            ("SecretName=#{canary}#", PLACEHOLDER, "ran over"),
            ("SecretName=$(canary", PLACEHOLDER, "ran over"),
            ("SecretName=${canary}", PLACEHOLDER, "ran over"),
            ("SecretName=<canary>", PLACEHOLDER, "ran over"),
            ("SecretName={{ canary }}", PLACEHOLDER, "ran over"),
            ("SecretName=__canary__", PLACEHOLDER, "ran over"),
            ("SecretName=%canary%", PLACEHOLDER, "ran over"),
            ("SecretUri=https://${canary}.vault.azure.net/secrets/a", PLACEHOLDER, "ran over"),
            ("VaultName=#{canary}#;SecretName=a", PLACEHOLDER, "ran over"),
            ("#{canary}#=a", PLACEHOLDER, "ran over"),
            ("SecretName=canary\u{200b}", "invisible", "type the reference again"),
            ("Secret\u{feff}Name=canary", "invisible", "type the reference again"),
            ("SecretName=canary\u{a0}b", "invisible", "type the reference again"),
        ]);
        assert!(Reference::parse("@KeyVault(SecretName=a;Tag=my__tag_;Property=_b_[0])").is_ok());
    }

    #[test]
    fn an_error_about_the_structure_names_the_position() {
        const URL: &str = "https://canary.vault.azure.net/secrets/a";
        const TWO: &str = "reference parameter 1, SecretName: value contains another parameter";
        assert_refused(&[
            ("", "reference is empty", "SecretName=…"),
            ("SecretName=a;;VaultName=canary", "reference parameter 2: empty", "one ;"),
            ("canary", "reference parameter 1: has no =", "a name, = and a value"),
            (URL, "reference parameter 1: URL without a parameter name", "SecretUri="),
            ("SecretName=", "reference parameter 1, SecretName: value is empty", ""),
            ("VaultName=canary;SecretName=a;secretname=b", "reference parameter 3, SecretName: repeated", ""),
            ("SecretName=canary,Optional=true", TWO, "write ;"),
            ("VaultName=canary", "reference has neither SecretUri nor SecretName", "SecretName=…"),
        ]);
    }

    #[test]
    fn an_error_about_a_value_names_its_parameter() {
        const VAULT: &str = "VaultName=canary.vault.azure.net;SecretName=a";
        const VERSION: &str = "reference parameter 2, SecretVersion: secret version is not";
        const CERTIFICATE: &str = "SecretUri=https://contoso.vault.azure.net/certificates/canary";
        const KEY: &str = "SecretUri=https://contoso.vault.azure.net/keys/canary";
        const NOT_HTTPS: &str = "reference parameter 1, SecretUri: vault URL does not begin with https://";
        assert_refused(&[
            (VAULT, "reference parameter 1, VaultName: not a vault name", "without its host suffix"),
            ("SecretName=canary canary", "reference parameter 1, SecretName: secret name is not 1 to 127 letters", ""),
            ("SecretName=canary\0", "reference parameter 1, SecretName: secret name is not", ""),
            ("SecretName=canary🦀", "reference parameter 1, SecretName: secret name is not", ""),
            ("SecretName=a;SecretVersion=canary!", VERSION, ""),
            ("SecretName=a;Optional=canary", "reference parameter 2, Optional: value is neither true nor false", ""),
            ("SecretName=a;Property=canary..b", "reference parameter 2, Property: not a path", ""),
            ("SecretUri=http://canary", NOT_HTTPS, ""),
            (CERTIFICATE, "reference parameter 1, SecretUri: URL is that of a certificate", "/secrets/"),
            (KEY, "SecretUri: URL is that of a key", "cannot be read"),
        ]);
    }

    #[test]
    fn an_unclosed_reference_has_an_error_of_its_own() {
        for text in [
            "@KeyVault(SecretName=a",
            "@KeyVault(SecretName=a and @KeyVault(SecretName=b)",
            "@KeyVault(SecretName=a\"\nother = \"(see there)\"",
        ] {
            let error = crate::Template::parse(text).expect_err(text);
            assert!(error.to_string().contains("no closing parenthesis"), "{text}: {error}");
        }
    }
}
