//! What stands between the parentheses of a reference.

use super::Target;
use super::json_path::JsonPath;
use crate::error::{Error, Result};
use crate::secret::{SecretId, SecretName, SecretVersion};

/// The parameters as they stand, each at most once.
#[derive(Default)]
pub(crate) struct Parameters<'a> {
    given: Vec<Parameter<'a>>,
}

#[derive(Clone, Copy)]
struct Parameter<'a> {
    /// Counted from 1, for people.
    ordinal: usize,
    name: &'static str,
    value: &'a str,
}

const KNOWN: [&str; 6] = ["SecretUri", "VaultName", "SecretName", "SecretVersion", "Property", "Optional"];

/// What people write in the place of a name, in lower case.
const TAKEN_FOR: [(&str, &str); 12] = [
    ("uri", "SecretUri"),
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

impl<'a> Parameters<'a> {
    /// Parses `text`. An error names a parameter by its ordinal and its known name, and repeats nothing of the text.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::invalid("reference is empty").with_help(LEAST));
        }
        let text = text.strip_suffix(';').unwrap_or(text);
        let mut parameters = Self::default();
        for (at, parameter) in text.split(';').enumerate() {
            let parameter = Parameter::parse(at + 1, parameter)?;
            if parameters.get(parameter.name).is_some() {
                return Err(parameter.wrong("given twice"));
            }
            parameters.given.push(parameter);
        }
        Ok(parameters)
    }

    fn get(&self, name: &str) -> Option<Parameter<'a>> {
        self.given.iter().find(|parameter| parameter.name == name).copied()
    }

    fn read<T, E: Into<Error>>(&self, name: &str, read: impl FnOnce(&'a str) -> Result<T, E>) -> Result<Option<T>> {
        let parsed = |parameter: Parameter<'a>| read(parameter.value).map_err(|error| parameter.explain(&error.into()));
        self.get(name).map(parsed).transpose()
    }

    /// Tells which secret is meant, which member of it, and whether it may be missing.
    pub(crate) fn into_parts(self) -> Result<(Target, Option<JsonPath>, bool)> {
        let target = match (self.read("SecretUri", SecretId::parse)?, self.read("SecretName", SecretName::parse)?) {
            (Some(id), _) => Target::Uri(id),
            (None, Some(name)) => Target::Named {
                vault: self.read("VaultName", vault_name)?,
                name,
                version: self.read("SecretVersion", SecretVersion::parse)?,
            },
            (None, None) => {
                return Err(Error::invalid("reference has neither SecretUri nor SecretName").with_help(LEAST));
            }
        };
        let optional = self.read("Optional", |text| match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Error::invalid("neither true nor false")),
        })?;
        Ok((target, self.read("Property", JsonPath::parse)?, optional.unwrap_or(false)))
    }
}

/// The least that a reference needs.
const LEAST: &str = "write @KeyVault(SecretName=…) for a secret of the default vault, or SecretUri=https://…/secrets/…";

impl<'a> Parameter<'a> {
    fn parse(ordinal: usize, text: &'a str) -> Result<Self> {
        let here = |clause: &str| Error::from_clause(INVALID, format!("reference parameter {ordinal}: {clause}"));
        let Some((name, value)) = text.split_once('=') else {
            let text = text.trim();
            return Err(match () {
                () if text.is_empty() => here("empty").with_help("write one ; between two parameters"),
                () if text.get(..8).is_some_and(|begin| begin.eq_ignore_ascii_case("https://")) => {
                    here("URL without a name").with_help("write SecretUri= in front of the URL")
                }
                () => {
                    here("no = in it").with_help("a parameter is a name, = and a value, as in SecretName=db-password")
                }
            });
        };
        let Some(name) = known(name.trim()) else {
            return Err(match meant(name.trim()) {
                Some(name) => here(&format!("unknown, did you mean {name}?")),
                None => here(&format!("unknown, known are {}", KNOWN.join(", "))),
            });
        };
        let parameter = Self { ordinal, name, value: value.trim() };
        match parameter.value {
            "" => Err(parameter.wrong("value is empty")),
            value if holds_another(value) => {
                Err(parameter.wrong("another parameter in its value").with_help("write ; between two parameters"))
            }
            _ => Ok(parameter),
        }
    }

    fn wrong(self, clause: &str) -> Error {
        Error::from_clause(INVALID, format!("reference parameter {}, {}: {clause}", self.ordinal, self.name))
    }

    /// Puts the place in front of what is wrong with a value.
    fn explain(self, error: &Error) -> Error {
        let explained = self.wrong(&error.detail());
        match error.advice() {
            Some(help) => explained.with_help(help),
            None => explained,
        }
    }
}

const INVALID: crate::ErrorKind = crate::ErrorKind::Invalid;

fn known(name: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// Tells whether a comma was written for a semicolon: no value has both a comma and a known name behind it.
fn holds_another(value: &str) -> bool {
    let mut pieces = value.split([',', '&', '|']).skip(1);
    pieces.any(|piece| piece.split_once('=').is_some_and(|(name, _)| known(name.trim()).is_some()))
}

/// Guesses which name was meant.
fn meant(name: &str) -> Option<&'static str> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    if letters.is_empty() || letters.len() > MOST_LETTERS {
        return None;
    }
    let taken = TAKEN_FOR.into_iter().find(|(wrong, _)| *wrong == letters).map(|(_, name)| name);
    let close = KNOWN.into_iter().map(|known| (distance(&letters, &known.to_ascii_lowercase()), known));
    taken.or_else(|| close.min().filter(|(distance, _)| *distance <= MOST_MISTAKES).map(|(_, known)| known))
}

const MOST_LETTERS: usize = 24;
const MOST_MISTAKES: usize = 2;

/// Counts the letters that must be put in, taken out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Only the letters are checked here; whether a vault may be called so is asked when the cloud is known.
fn vault_name(name: &str) -> Result<Box<str>> {
    match SecretName::parse(name) {
        Ok(_) => Ok(name.into()),
        Err(_) if name.contains('.') => {
            Err(Error::invalid("not a vault's name").with_help("write the name alone, or the whole URL as SecretUri"))
        }
        Err(_) => Err(Error::invalid("not a vault's name")),
    }
}

#[cfg(test)]
mod tests {
    use crate::reference::Reference;

    #[test]
    fn an_error_points_at_the_parameter_and_suggests_what_was_meant() {
        for (inside, clause, help) in [
            ("SecretNam=canary", "reference parameter 1: unknown, did you mean SecretName?", ""),
            ("SecretName=a;Secret_Versoin=canary", "reference parameter 2: unknown, did you mean SecretVersion?", ""),
            ("Vault Name=canary;SecretName=a", "reference parameter 1: unknown, did you mean VaultName?", ""),
            ("Name=canary", "reference parameter 1: unknown, did you mean SecretName?", ""),
            ("url=canary", "reference parameter 1: unknown, did you mean SecretUri?", ""),
            ("canary=canary", "reference parameter 1: unknown, known are SecretUri, VaultName,", ""),
            ("🦀=canary", "reference parameter 1: unknown, known are", ""),
            ("", "reference is empty", "SecretName=…"),
            ("SecretName=a;;VaultName=canary", "reference parameter 2: empty", "one ;"),
            ("canary", "reference parameter 1: no = in it", "a name, = and a value"),
            ("https://canary.vault.azure.net/secrets/a", "reference parameter 1: URL without a name", "SecretUri="),
            ("SecretName=", "reference parameter 1, SecretName: value is empty", ""),
            ("VaultName=canary;SecretName=a;secretname=b", "reference parameter 3, SecretName: given twice", ""),
            (
                "SecretName=canary,Optional=true",
                "reference parameter 1, SecretName: another parameter in its value",
                "write ;",
            ),
            ("VaultName=canary", "reference has neither SecretUri nor SecretName", "SecretName=…"),
            (
                "VaultName=canary.vault.azure.net;SecretName=a",
                "reference parameter 1, VaultName: not a vault's",
                "alone",
            ),
            ("SecretName=canary canary", "reference parameter 1, SecretName: secret name is not 1 to 127 letters", ""),
            ("SecretName=canary\0", "reference parameter 1, SecretName: secret name is not", ""),
            ("SecretName=canary🦀", "reference parameter 1, SecretName: secret name is not", ""),
            ("SecretName=a;SecretVersion=canary!", "reference parameter 2, SecretVersion: secret version is not", ""),
            ("SecretName=a;Optional=canary", "reference parameter 2, Optional: neither true nor false", ""),
            ("SecretName=a;Property=canary..b", "reference parameter 2, Property: not a path", ""),
            ("SecretUri=http://canary", "reference parameter 1, SecretUri: vault URL does not begin with https://", ""),
            (
                "SecretUri=https://contoso.vault.azure.net/certificates/canary",
                "reference parameter 1, SecretUri: URL is that of a certificate",
                "/secrets/",
            ),
            (
                "SecretUri=https://contoso.vault.azure.net/keys/canary",
                "SecretUri: URL is that of a key",
                "cannot be read",
            ),
        ] {
            let error = Reference::parse(&format!("@KeyVault({inside})")).expect_err(inside);
            assert!(error.to_string().contains(clause), "{inside}: {error}");
            assert!(error.advice().unwrap_or_default().contains(help), "{inside}: {error:?}");
            assert!(!error.report().contains("canary"), "{inside}: {error:?}");
        }
        assert!(Reference::parse("@KeyVault(SecretURI=https://contoso.vault.azure.net/secrets/a)").is_ok());
    }

    #[test]
    fn a_reference_that_is_not_closed_is_told_as_such() {
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
