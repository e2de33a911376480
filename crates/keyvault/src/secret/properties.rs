//! The properties of a secret: everything but its value.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::id::SecretId;
use super::name::SecretVersion;

/// Everything about one version of a secret but its value.
///
/// A vault keeps dates in whole seconds, so the setters drop the part of a second.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretProperties {
    id: SecretId,
    enabled: bool,
    created: Option<SystemTime>,
    updated: Option<SystemTime>,
    expires: Option<SystemTime>,
    not_before: Option<SystemTime>,
    content_type: Option<Box<str>>,
    tags: BTreeMap<String, String>,
    managed: bool,
    certificate: Option<Box<CertificateProperties>>,
    recovery_level: Option<Box<str>>,
    recoverable_days: Option<u32>,
}

/// The properties that only the secrets of certificates have. They are boxed, because a program holds many secrets and
/// few certificates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct CertificateProperties {
    key_id: Option<String>,
    previous_version: Option<SecretVersion>,
}

impl SecretProperties {
    /// Creates the properties of an enabled secret about which nothing more is known.
    pub fn new(id: SecretId) -> Self {
        Self {
            id,
            enabled: true,
            created: None,
            updated: None,
            expires: None,
            not_before: None,
            content_type: None,
            tags: BTreeMap::new(),
            managed: false,
            certificate: None,
            recovery_level: None,
            recoverable_days: None,
        }
    }

    /// Replaces the identifier, for a store that wraps another one.
    #[must_use]
    pub fn with_id(self, id: SecretId) -> Self {
        Self { id, ..self }
    }

    /// Returns the identifier: with a version if the secret was fetched, without one if a vault listed it.
    pub fn id(&self) -> &SecretId {
        &self.id
    }

    /// Returns whether the value may be read. A vault lists a disabled secret and refuses to return its value.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Returns when this version was created.
    pub fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// Returns when this version, or one of its properties, last changed.
    pub fn updated(&self) -> Option<SystemTime> {
        self.updated
    }

    /// Returns when the value expires. The date is [informational]: an expired secret can still be read.
    ///
    /// [informational]: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Returns when the value becomes valid. It is as informational as [`expires`](SecretProperties::expires).
    pub fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }

    /// Returns the content type, which is free text of the secret's owner.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns the tags of this version.
    pub fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    /// Returns whether the secret belongs to a certificate, so that its value is a private key with its chain.
    pub fn managed(&self) -> bool {
        self.managed
    }

    /// Returns the key of the certificate that the secret belongs to.
    pub fn key_id(&self) -> Option<&str> {
        self.certificate.as_ref()?.key_id.as_deref()
    }

    /// Returns the version that a renewed certificate replaced, if the vault sent it.
    pub fn previous_version(&self) -> Option<&SecretVersion> {
        self.certificate.as_ref()?.previous_version.as_ref()
    }

    /// Returns the [recovery level]: `Recoverable+Purgeable` and so on.
    ///
    /// [recovery level]: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#deletionrecoverylevel
    pub fn recovery_level(&self) -> Option<&str> {
        self.recovery_level.as_deref()
    }

    /// Returns for how many days the secret can be recovered after it is deleted.
    pub fn recoverable_days(&self) -> Option<u32> {
        self.recoverable_days
    }

    /// Sets whether the value may be read.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Sets when this version was created.
    pub fn set_created(&mut self, time: impl Into<Option<SystemTime>>) {
        self.created = time.into().map(whole_seconds);
    }

    /// Sets when this version last changed.
    pub fn set_updated(&mut self, time: impl Into<Option<SystemTime>>) {
        self.updated = time.into().map(whole_seconds);
    }

    /// Sets when the value expires.
    pub fn set_expires(&mut self, time: impl Into<Option<SystemTime>>) {
        self.expires = time.into().map(whole_seconds);
    }

    /// Sets when the value becomes valid.
    pub fn set_not_before(&mut self, time: impl Into<Option<SystemTime>>) {
        self.not_before = time.into().map(whole_seconds);
    }

    /// Sets the content type.
    pub fn set_content_type(&mut self, content_type: impl Into<Option<String>>) {
        self.content_type = content_type.into().map(String::into_boxed_str);
    }

    /// Sets the tags, replacing the previous ones.
    pub fn set_tags(&mut self, tags: BTreeMap<String, String>) {
        self.tags = tags;
    }

    /// Sets one tag.
    pub fn set_tag(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.tags.insert(name.into(), value.into());
    }

    /// Sets whether the secret belongs to a certificate.
    pub fn set_managed(&mut self, managed: bool) {
        self.managed = managed;
    }

    /// Sets the key of the certificate that the secret belongs to.
    pub fn set_key_id(&mut self, key_id: impl Into<Option<String>>) {
        let key_id = key_id.into();
        self.set_certificate(|certificate| certificate.key_id = key_id);
    }

    /// Sets the version that a renewed certificate replaced.
    pub fn set_previous_version(&mut self, version: impl Into<Option<SecretVersion>>) {
        let version = version.into();
        self.set_certificate(|certificate| certificate.previous_version = version);
    }

    fn set_certificate(&mut self, set: impl FnOnce(&mut CertificateProperties)) {
        let mut certificate = self.certificate.take().map(|boxed| *boxed).unwrap_or_default();
        set(&mut certificate);
        self.certificate = (certificate != CertificateProperties::default()).then(|| Box::new(certificate));
    }

    /// Sets the recovery level.
    pub fn set_recovery_level(&mut self, level: Option<&str>) {
        self.recovery_level = level.map(Into::into);
    }

    /// Sets for how many days the secret can be recovered after it is deleted.
    pub fn set_recoverable_days(&mut self, days: impl Into<Option<u32>>) {
        self.recoverable_days = days.into();
    }

    /// Returns whether both show the same dates. A list shows nothing else of a version.
    pub(crate) fn same_dates(&self, other: &Self) -> bool {
        self.updated.is_some() && (self.created, self.updated) == (other.created, other.updated)
    }

    /// Returns what a list shows of these properties: the identifier has no version.
    pub(crate) fn without_version(&self) -> Self {
        Self { certificate: None, ..self.clone().with_id(self.id.latest()) }
    }
}

/// Drops the part of a second, because a vault keeps dates in whole seconds.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        Err(_) => time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_secret_shows_everything_but_its_version_and_certificate() {
        let mut got = SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a/0af1").unwrap());
        got.set_key_id("key".to_owned());
        got.set_previous_version(SecretVersion::parse("0af0").unwrap());
        got.set_tag("a", "1");
        let listed = got.without_version();
        assert_eq!((listed.id().version(), listed.key_id(), listed.previous_version()), (None, None, None));
        assert_eq!(listed.tags(), got.tags());
    }

    #[test]
    fn dates_have_whole_seconds() {
        for (nanos, expected) in [(0, 0), (999_999_999, 0), (1_000_000_000, 1_000_000_000)] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
            let mut dated =
                SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap());
            dated.set_created(time);
            dated.set_updated(time);
            dated.set_expires(time);
            dated.set_not_before(time);
            let expected = Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(expected));
            for date in [dated.created(), dated.updated(), dated.expires(), dated.not_before()] {
                assert_eq!(date, expected, "{nanos}");
            }
        }
    }
}
