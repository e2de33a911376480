//! Everything about a secret but its value.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::date::Date;
use crate::name::SecretVersion;
use crate::secret::SecretId;

/// Everything about one version of a secret but its value.
///
/// It is kept small, for a process may hold thousands: what few secrets have takes room only where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretProperties {
    id: SecretId,
    created: Date,
    updated: Date,
    enabled: bool,
    managed: bool,
    /// Which of the levels that are known.
    recovery_level: Option<u8>,
    /// Anything above it is among the details.
    recoverable_days: Option<u16>,
    details: Option<Box<Details>>,
}

/// What most secrets have not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Details {
    expires: Option<SystemTime>,
    not_before: Option<SystemTime>,
    content_type: Option<String>,
    tags: BTreeMap<String, String>,
    key_id: Option<String>,
    previous_version: Option<SecretVersion>,
    recovery_level: Option<String>,
    recoverable_days: Option<u32>,
}

/// The [levels](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#deletionrecoverylevel) that
/// Azure knows. Every secret has one.
const RECOVERY_LEVELS: [&str; 7] = [
    "Recoverable+Purgeable",
    "Recoverable",
    "Recoverable+ProtectedSubscription",
    "CustomizedRecoverable+Purgeable",
    "CustomizedRecoverable",
    "CustomizedRecoverable+ProtectedSubscription",
    "Purgeable",
];

static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl SecretProperties {
    /// Makes the properties of an enabled secret of which nothing more is known.
    pub fn new(id: SecretId) -> Self {
        Self {
            id,
            created: Date::UNKNOWN,
            updated: Date::UNKNOWN,
            enabled: true,
            managed: false,
            recovery_level: None,
            recoverable_days: None,
            details: None,
        }
    }

    /// Tells which secret: with its version when it was got, without when a vault listed it.
    pub fn id(&self) -> &SecretId {
        &self.id
    }

    /// Tells whether the value may be read. A disabled secret is listed and cannot be got.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Tells when this version was made, to the second.
    pub fn created(&self) -> Option<SystemTime> {
        self.created.time()
    }

    /// Tells when this version, or something about it, last changed, to the second.
    pub fn updated(&self) -> Option<SystemTime> {
        self.updated.time()
    }

    /// Tells when the value stops being valid. [Informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations):
    /// an expired secret can still be read.
    pub fn expires(&self) -> Option<SystemTime> {
        self.details.as_ref()?.expires
    }

    /// Tells when the value begins to be valid; as informational as [`expires`](SecretProperties::expires).
    pub fn not_before(&self) -> Option<SystemTime> {
        self.details.as_ref()?.not_before
    }

    /// Tells what kind of value it is, in the words of whoever set it.
    pub fn content_type(&self) -> Option<&str> {
        self.details.as_ref()?.content_type.as_deref()
    }

    /// Gives the tags of this version.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        self.details.as_ref().map_or(&NO_TAGS, |details| &details.tags)
    }

    /// Tells whether a certificate stands behind the secret, so that its value is a key with a chain.
    pub fn managed(&self) -> bool {
        self.managed
    }

    /// Tells the key of the certificate that stands behind the secret.
    pub fn key_id(&self) -> Option<&str> {
        self.details.as_ref()?.key_id.as_deref()
    }

    /// Tells the version that a renewed certificate replaced, where the vault tells it.
    pub fn previous_version(&self) -> Option<&SecretVersion> {
        self.details.as_ref()?.previous_version.as_ref()
    }

    /// Tells what becomes of the secret when it is deleted:
    /// [`Recoverable+Purgeable`](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#deletionrecoverylevel)
    /// and so on.
    pub fn recovery_level(&self) -> Option<&str> {
        match self.recovery_level {
            Some(known) => RECOVERY_LEVELS.get(usize::from(known)).copied(),
            None => self.details.as_ref()?.recovery_level.as_deref(),
        }
    }

    /// Tells for how many days the secret can be recovered once it is deleted.
    pub fn recoverable_days(&self) -> Option<u32> {
        match self.recoverable_days {
            Some(days) => Some(days.into()),
            None => self.details.as_ref()?.recoverable_days,
        }
    }

    /// Sets whether the value may be read.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Sets when this version was made. Of a second no part is kept, for a vault keeps none.
    pub fn set_created(&mut self, time: impl Into<Option<SystemTime>>) {
        self.created = Date::from(time.into());
    }

    /// Sets when this version last changed. Of a second no part is kept, for a vault keeps none.
    pub fn set_updated(&mut self, time: impl Into<Option<SystemTime>>) {
        self.updated = Date::from(time.into());
    }

    /// Sets when the value stops being valid.
    pub fn set_expires(&mut self, time: impl Into<Option<SystemTime>>) {
        let time = time.into();
        self.detail(time.is_some(), |details| details.expires = time);
    }

    /// Sets when the value begins to be valid.
    pub fn set_not_before(&mut self, time: impl Into<Option<SystemTime>>) {
        let time = time.into();
        self.detail(time.is_some(), |details| details.not_before = time);
    }

    /// Sets what kind of value it is.
    pub fn set_content_type(&mut self, content_type: impl Into<Option<String>>) {
        let content_type = content_type.into();
        self.detail(content_type.is_some(), |details| details.content_type = content_type);
    }

    /// Sets the tags, in place of those set so far.
    pub fn set_tags(&mut self, tags: BTreeMap<String, String>) {
        self.detail(!tags.is_empty(), |details| details.tags = tags);
    }

    /// Sets one tag.
    pub fn set_tag(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.detail(true, |details| _ = details.tags.insert(name.into(), value.into()));
    }

    /// Sets whether a certificate stands behind the secret.
    pub fn set_managed(&mut self, managed: bool) {
        self.managed = managed;
    }

    /// Sets the key of the certificate that stands behind the secret.
    pub fn set_key_id(&mut self, key_id: impl Into<Option<String>>) {
        let key_id = key_id.into();
        self.detail(key_id.is_some(), |details| details.key_id = key_id);
    }

    /// Sets the version that a renewed certificate replaced.
    pub fn set_previous_version(&mut self, version: impl Into<Option<SecretVersion>>) {
        let version = version.into();
        self.detail(version.is_some(), |details| details.previous_version = version);
    }

    /// Sets what becomes of the secret when it is deleted.
    pub fn set_recovery_level(&mut self, level: Option<&str>) {
        let known = level.and_then(|level| RECOVERY_LEVELS.iter().position(|known| *known == level));
        self.recovery_level = known.and_then(|known| u8::try_from(known).ok());
        let other = level.filter(|_| self.recovery_level.is_none());
        self.detail(other.is_some(), |details| details.recovery_level = other.map(str::to_owned));
    }

    /// Sets for how many days the secret can be recovered once it is deleted.
    pub fn set_recoverable_days(&mut self, days: impl Into<Option<u32>>) {
        let days = days.into();
        self.recoverable_days = days.and_then(|days| u16::try_from(days).ok());
        let other = days.filter(|_| self.recoverable_days.is_none());
        self.detail(other.is_some(), |details| details.recoverable_days = other);
    }

    /// Tells whether `other` can be another state of the secret: dates are all that a list shows of a version.
    pub(crate) fn same_dates(&self, other: &Self) -> bool {
        self.updated != Date::UNKNOWN && (self.created, self.updated) == (other.created, other.updated)
    }

    /// Copies everything that a list shows, under the id without a version.
    pub(crate) fn without_version(&self) -> Self {
        let mut listed = Self { id: self.id.latest(), ..self.clone() };
        listed.set_key_id(None);
        listed.set_previous_version(None);
        listed
    }

    /// Changes a detail, to something or to nothing. Without any there is no room for them, so that equal properties look
    /// equal.
    fn detail(&mut self, is_something: bool, change: impl FnOnce(&mut Details)) {
        if !is_something && self.details.is_none() {
            return;
        }
        let mut details = self.details.take().unwrap_or_default();
        change(&mut details);
        self.details = Some(details).filter(|details| **details != Details::default());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn properties() -> SecretProperties {
        SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a/0af1").unwrap())
    }

    #[test]
    fn what_is_set_is_told_however_rare_it_is() {
        let mut all = properties();
        for level in RECOVERY_LEVELS.into_iter().chain(["Of another cloud"]) {
            all.set_recovery_level(Some(level));
            assert_eq!(all.recovery_level(), Some(level));
        }
        for days in [0, 7, 90, 65_535, 65_536, u32::MAX] {
            all.set_recoverable_days(days);
            assert_eq!(all.recoverable_days(), Some(days));
        }
        all.set_tags([("a".to_owned(), "1".to_owned())].into());
        all.set_tag("b", "2");
        assert_eq!(all.tags().len(), 2);
    }

    #[test]
    fn properties_with_nothing_rare_any_more_are_as_they_were() {
        let mut emptied = properties();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let set: [fn(&mut SecretProperties, SystemTime); 6] = [
            |all, time| all.set_expires(time),
            |all, time| all.set_not_before(time),
            |all, _| all.set_content_type("text/plain".to_owned()),
            |all, _| all.set_tag("a", ""),
            |all, _| all.set_recovery_level(Some("Of another cloud")),
            |all, _| all.set_recoverable_days(u32::MAX),
        ];
        let unset: [fn(&mut SecretProperties); 6] = [
            |all| all.set_expires(None),
            |all| all.set_not_before(None),
            |all| all.set_content_type(None),
            |all| all.set_tags(BTreeMap::new()),
            |all| all.set_recovery_level(None),
            |all| all.set_recoverable_days(None),
        ];
        for (set, unset) in set.into_iter().zip(unset) {
            set(&mut emptied, time);
            assert_ne!(emptied, properties());
            unset(&mut emptied);
            assert_eq!(emptied, properties());
        }
    }

    #[test]
    fn a_list_shows_everything_but_the_version_and_what_is_behind_it() {
        let mut got = properties();
        got.set_key_id("key".to_owned());
        got.set_previous_version(SecretVersion::parse("0af0").unwrap());
        got.set_tag("a", "1");
        let listed = got.without_version();
        assert_eq!((listed.id().version(), listed.key_id(), listed.previous_version()), (None, None, None));
        assert_eq!(listed.tags(), got.tags());
    }
}
