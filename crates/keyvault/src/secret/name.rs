//! The names of secrets and their versions, checked before they become part of a URL.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::parse_error::ParseError;

/// The name of a secret: 1 to 127 ASCII letters, digits and hyphens.
///
/// Names are [case-insensitive](https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name):
/// equality, order and hash ignore case, `Display` keeps it. `Clone` is cheap.
#[derive(Clone)]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for an empty or too long name and for any other character, such as `/` and `.`. The message does
    /// not repeat the input.
    pub fn parse(name: &str) -> Result<Self, ParseError> {
        if name.is_empty() {
            return Err(ParseError::new("secret name is empty"));
        }
        if !is_identifier(name) {
            let error = ParseError::new("secret name is not 1 to 127 letters, digits and hyphens");
            let has_underscores = name.contains('_') && is_identifier(&name.replace('_', "-"));
            return Err(if has_underscores { error.with_help(USE_HYPHENS) } else { error });
        }
        Ok(Self(name.into()))
    }

    /// Returns the name under which core keeps the settings of a store. It contains a space, so that neither a secret
    /// nor a reference has it.
    pub(crate) fn of_store(kind: &str, number: usize) -> Self {
        let kind: String = kind.chars().filter(|c| is_of_store_name(*c)).take(MAX_LENGTH / 2).collect();
        let number = if number < 2 { String::new() } else { format!(" {number}") };
        Self(format!("{kind}{}{number}", if kind.contains(' ') { "" } else { " store" }).into())
    }

    /// Returns whether this is the name of the settings of a store.
    pub(crate) fn is_of_store(&self) -> bool {
        self.0.contains(' ')
    }

    /// Parses a name that core wrote: that of a secret or of a store's settings.
    #[cfg(feature = "sealed")]
    pub(super) fn parse_kept(name: &str) -> Result<Self, ParseError> {
        let is_of_store = name.len() <= MAX_LENGTH && name.contains(' ') && name.chars().all(is_of_store_name);
        if is_of_store { Ok(Self(name.into())) } else { Self::parse(name) }
    }

    /// Returns the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn lower_case(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for SecretName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SecretName {}

impl Ord for SecretName {
    /// Skips what both names begin with, because the names of one vault often differ in their ends alone.
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.0.as_bytes().as_chunks::<8>().0, other.0.as_bytes().as_chunks::<8>().0);
        let equal = 8 * ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
        self.lower_case().skip(equal).cmp(other.lower_case().skip(equal))
    }
}

impl PartialOrd for SecretName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for SecretName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower_case().for_each(|byte| state.write_u8(byte));
        state.write_usize(self.0.len());
    }
}

/// The version of a secret: an opaque identifier that the vault makes, 32 hexadecimal digits in Azure.
///
/// Versions have no meaningful order: a newer one can sort before an older one. Case is ignored, and `Display` writes
/// lower case. `Clone` is cheap.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretVersion(Arc<str>);

impl SecretVersion {
    /// Parses a version.
    ///
    /// # Errors
    ///
    /// [`ParseError`] unless the text is 1 to 127 ASCII letters, digits and hyphens.
    pub fn parse(version: &str) -> Result<Self, ParseError> {
        if !is_identifier(version) {
            return Err(ParseError::new("secret version is not made of letters, digits and hyphens"));
        }
        Ok(Self(version.to_ascii_lowercase().into()))
    }

    /// Returns whether the version has the form of those that Azure makes: 32 hexadecimal digits.
    pub(super) fn is_of_azure(&self) -> bool {
        self.0.len() == 32 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Returns the first eight characters, enough for a person to distinguish versions.
    pub fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }
}

const MAX_LENGTH: usize = 127;

const USE_HYPHENS: &str = "write hyphens instead of underscores: DB-PASSWORD instead of DB_PASSWORD";

fn is_of_store_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | ' ')
}

/// Returns whether `text` is safe as one segment of a URL path.
fn is_identifier(text: &str) -> bool {
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for SecretVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! text {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                Self::parse(text)
            }
        }
    };
}

text!(SecretName);
text!(SecretVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_change_a_url_are_refused() {
        let long = "a".repeat(128);
        for name in ["", "a/b", "..", "../keys/k", "a.b", "a b", "a%2fb", "a?b", "a#b", "a_b", "ä", "a\0", &long] {
            assert!(SecretName::parse(name).is_err(), "{name:?}");
        }
        for name in ["a", "0", "-", "Database--Password", &long[..127]] {
            assert_eq!(SecretName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_with_underscores_gets_advice_that_does_not_repeat_it() {
        for name in ["DB_PASSWORD", "db_password", "a__b", "_"] {
            assert!(SecretName::parse(name).unwrap_err().help().unwrap().contains("DB-PASSWORD"), "{name}");
        }
        for name in ["", "a b_c", "canary_/", "a.b"] {
            assert_eq!(SecretName::parse(name).unwrap_err().help(), None, "{name}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        let (a, b) = ("Db-Password".parse::<SecretName>().unwrap(), "dB-pASSWORD".parse().unwrap());
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), Ordering::Equal);
        assert_eq!(std::collections::HashSet::from([a, b]).len(), 1);
    }

    #[test]
    fn a_version_is_written_as_it_was_read_in_lower_case() {
        let azure = "00f1C2d3e4f5061728394a5b6c7d8e9F";
        let almost =
            [&azure[1..], &format!("{azure}0"), &azure.replace('C', "g"), &azure.replace("00", "0-"), "0", "-1"];
        for text in [azure].into_iter().chain(almost) {
            let version = SecretVersion::parse(text).unwrap();
            assert_eq!(version.to_string(), text.to_ascii_lowercase());
            assert_eq!(version, version.to_string().parse().unwrap());
            assert_eq!(version.is_of_azure(), text == azure, "{text}");
            assert_eq!(version.short(), text.to_ascii_lowercase().chars().take(8).collect::<String>());
        }
        for text in ["", "+00f1c2d3e4f5061728394a5b6c7d8e9", "a/b", "a.b", &"a".repeat(128)] {
            assert!(SecretVersion::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_names_in_lower_case() {
        let mut parts = vec![String::new()];
        for part in ["Settings", "settings", "-", "A", "b", "Z9"] {
            let longer: Vec<String> = parts.iter().map(|before| format!("{before}{part}")).collect();
            parts.extend(longer);
        }
        let names: Vec<SecretName> = parts[1..].iter().map(|name| SecretName::parse(name).unwrap()).collect();
        for one in &names {
            for other in &names {
                let expected = one.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase());
                assert_eq!(one.cmp(other), expected, "{one} {other}");
                assert_eq!(one == other, expected == Ordering::Equal, "{one} {other}");
            }
        }
    }
}
