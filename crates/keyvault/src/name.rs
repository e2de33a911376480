//! The names of secrets and of their versions, checked before they can become part of a URL.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};

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
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty or too long name and for any other character, `/` and `.`
    /// above all. The message does not repeat the input.
    pub fn parse(name: &str) -> Result<Self> {
        if name.is_empty() {
            return Err(Error::invalid("secret name is empty"));
        }
        if !is_identifier(name) {
            return Err(Error::invalid("secret name is not 1 to 127 letters, digits and hyphens"));
        }
        Ok(Self(name.into()))
    }

    /// Tells the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SecretName {}

impl Ord for SecretName {
    /// Maps compare names all the time, and names in one vault begin alike: what is the same is passed over in long steps.
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        let steps = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
        let same = 8 * steps.take_while(|(one, other)| one == other).count();
        let differing = one[same..].iter().zip(&other[same..]).filter(|(one, other)| one != other);
        let mut orders = differing.map(|(one, other)| one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase()));
        orders.find(|order| order.is_ne()).unwrap_or(one.len().cmp(&other.len()))
    }
}

impl PartialOrd for SecretName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for SecretName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (eights, rest) = self.0.as_bytes().as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        for eight in eights.iter().chain([&last]) {
            state.write_u64(u64::from_ne_bytes(*eight) | LOWER_CASE);
        }
        state.write_usize(self.0.len());
    }
}

/// The version of a secret: an opaque identifier that the vault makes, 32 hexadecimal digits in Azure.
///
/// Versions have no order that means anything: a newer one can sort before an older one. `Clone` is cheap.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SecretVersion(Digits);

/// Half as long as the text where a version looks as it does in Azure. A text has one form only.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Digits {
    Azure([u8; 16]),
    Other(Arc<str>),
}

impl SecretVersion {
    /// Parses a version.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) unless it is 1 to 127 ASCII letters, digits and hyphens.
    pub fn parse(version: &str) -> Result<Self> {
        if !is_identifier(version) {
            return Err(Error::invalid("secret version is not made of letters, digits and hyphens"));
        }
        match u128::from_str_radix(version, 16) {
            Ok(number) if version.len() == 32 => Ok(Self(Digits::Azure(number.to_be_bytes()))),
            _ => Ok(Self(Digits::Other(version.to_ascii_lowercase().into()))),
        }
    }

    /// Writes the first eight characters, enough for people to tell versions apart.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

const LONGEST: usize = 127;

/// The bit by which a small letter differs from a capital one. Digits and hyphens have it already.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

/// What may stand between two slashes of a Key Vault path: nothing that a URL would read as more than text.
fn is_identifier(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for SecretVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Digits::Azure(bytes) => f.pad(str::from_utf8(&hexadecimal(bytes)).unwrap_or_default()),
            Digits::Other(text) => f.pad(text),
        }
    }
}

fn hexadecimal(bytes: &[u8; 16]) -> [u8; 32] {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

macro_rules! text {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
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
            assert_eq!(version.short(), text.to_ascii_lowercase().chars().take(8).collect::<String>());
        }
        for text in ["", "+00f1c2d3e4f5061728394a5b6c7d8e9", "a/b", "a.b", &"a".repeat(128)] {
            assert!(SecretVersion::parse(text).is_err(), "{text}");
        }
        assert_eq!(size_of::<Option<SecretVersion>>(), 24);
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
