//! A secret with its value.

use std::fmt;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::id::SecretId;
use super::properties::{SecretProperties, whole_seconds};

/// One version of a secret, with its value.
///
/// The value leaves through [`expose_secret`](Secret::expose_secret) only, and its memory is zeroized on drop. `Debug`
/// shows no value. The type implements neither `Serialize` nor `PartialEq`.
#[derive(Clone)]
pub struct Secret {
    properties: SecretProperties,
    value: Zeroizing<Box<str>>,
    as_of: SystemTime,
}

impl Secret {
    /// Creates a secret; `properties` should name the version.
    ///
    /// `as_of` is the time of the vault's answer, by the vault's own clock if it sent one, truncated to whole seconds
    /// like every date of a vault. Only an answer from a later second than `updated` is known to be the last of that
    /// second.
    pub fn new(properties: SecretProperties, value: impl Into<Box<str>>, as_of: SystemTime) -> Self {
        Self { properties, value: Zeroizing::new(value.into()), as_of: whole_seconds(as_of) }
    }

    /// Returns the plaintext. This is the only way to it.
    pub fn expose_secret(&self) -> &str {
        &self.value
    }

    /// Returns the identifier, with the version.
    pub fn id(&self) -> &SecretId {
        self.properties.id()
    }

    /// Returns everything but the value.
    pub fn properties(&self) -> &SecretProperties {
        &self.properties
    }

    /// Returns the time of the vault's answer, in whole seconds. A store that wraps another one passes it on.
    pub fn as_of(&self) -> SystemTime {
        self.as_of
    }

    /// Returns whether a list that shows the same dates proves that nothing newer was set.
    pub(crate) fn is_settled(&self) -> bool {
        let updated = self.properties.updated();
        updated.is_some_and(|updated| self.as_of.duration_since(updated).is_ok_and(|passed| passed >= CLOCK_SKEW))
    }
}

/// A vault is served by several machines, whose clocks may be a second apart.
const CLOCK_SKEW: Duration = Duration::from_secs(2);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
