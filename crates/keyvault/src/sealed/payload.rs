//! The plaintext of a sealed snapshot: its secrets as JSON, which [`SealedSnapshot`](crate::SealedSnapshot) documents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::refusal::SealedRefusal;
use crate::error::{Error, ErrorKind, Result};
use crate::reference::{JsonString, to_json};
use crate::resolver::{Listing, Snapshot};
use crate::secret::{Secret, SecretId, SecretProperties, SecretVersion};

/// The vaults and the identity that a file is bound to. A file with another binding is refused.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Binding {
    /// The origins of the default vault, then those of the other vaults in order.
    pub(super) vaults: Vec<String>,
    pub(super) identity: String,
}

/// The content of a file.
#[derive(Deserialize, Serialize)]
pub(super) struct Payload {
    /// The time at which the secrets were last known good.
    pub(super) as_of: SystemTime,
    binding: Binding,
    secrets: Vec<SealedSecret>,
    /// The URLs of optional secrets that did not exist.
    absent: Vec<String>,
    /// The properties that the default vault listed, if it did.
    listed: Option<Vec<SealedProperties>>,
}

#[derive(Deserialize, Serialize)]
struct SealedSecret {
    /// The URL by which the secret was requested.
    requested: String,
    properties: SealedProperties,
    value: JsonString,
    /// The time of the vault's response.
    as_of: SystemTime,
}

#[derive(Deserialize, Serialize)]
struct SealedProperties {
    id: String,
    enabled: bool,
    managed: bool,
    created: Option<SystemTime>,
    updated: Option<SystemTime>,
    expires: Option<SystemTime>,
    not_before: Option<SystemTime>,
    content_type: Option<String>,
    key_id: Option<String>,
    previous_version: Option<String>,
    recovery_level: Option<String>,
    recoverable_days: Option<u32>,
    tags: BTreeMap<String, String>,
}

impl Payload {
    pub(super) fn new(snapshot: &Snapshot, as_of: SystemTime, binding: Binding) -> Self {
        let sealed = |(requested, secret): (&SecretId, &Secret)| SealedSecret {
            requested: requested.url(),
            properties: secret.properties().into(),
            value: JsonString(Zeroizing::new(secret.expose_secret().to_owned())),
            as_of: secret.as_of(),
        };
        Self {
            as_of,
            binding,
            secrets: snapshot.iter().map(sealed).collect(),
            absent: snapshot.absent().iter().map(SecretId::url).collect(),
            listed: snapshot.listed().map(|listed| listed.values().map(SealedProperties::from).collect()),
        }
    }

    /// Encodes the payload.
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        to_json(self).map_err(|_| Error::new(ErrorKind::Unavailable, "secrets could not be encoded"))
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Checks that the file is of this binding, not older than `max_age`, and not older than the `newest` known one.
    pub(super) fn check(
        &self,
        binding: &Binding,
        now: SystemTime,
        max_age: Duration,
        newest: Option<SystemTime>,
    ) -> Result<(), SealedRefusal> {
        if self.binding.identity != binding.identity {
            return Err(SealedRefusal::OtherIdentity);
        }
        if self.binding.vaults != binding.vaults {
            return Err(SealedRefusal::OtherVault);
        }
        match now.duration_since(self.as_of) {
            Err(ahead) if ahead.duration() > CLOCKS_AGREE_WITHIN => Err(SealedRefusal::FromTheFuture),
            Ok(age) if age > max_age => Err(SealedRefusal::TooOld),
            _ if newest.is_some_and(|newest| self.as_of < newest) => Err(SealedRefusal::RolledBack),
            _ => Ok(()),
        }
    }

    /// Returns the secrets; `None` if an identifier is malformed.
    pub(super) fn into_snapshot(self) -> Option<Snapshot> {
        let mut secrets = BTreeMap::new();
        for SealedSecret { requested, properties, value, as_of } in self.secrets {
            let secret = Secret::new(properties.into_properties()?, value.0.as_str(), as_of);
            secrets.insert(parsed(&requested)?, Arc::new(secret));
        }
        let absent = self.absent.iter().map(|url| parsed(url)).collect::<Option<_>>()?;
        let named = |item: SealedProperties| {
            let properties = item.into_properties()?;
            Some((properties.id().name().clone(), properties))
        };
        let listed = match self.listed {
            Some(listed) => Some(Arc::new(listed.into_iter().map(named).collect::<Option<Listing>>()?)),
            None => None,
        };
        Some(Snapshot::new(Arc::new(secrets), absent, listed))
    }
}

impl From<&SecretProperties> for SealedProperties {
    fn from(properties: &SecretProperties) -> Self {
        Self {
            id: properties.id().url(),
            enabled: properties.enabled(),
            managed: properties.managed(),
            created: properties.created(),
            updated: properties.updated(),
            expires: properties.expires(),
            not_before: properties.not_before(),
            content_type: properties.content_type().map(str::to_owned),
            key_id: properties.key_id().map(str::to_owned),
            previous_version: properties.previous_version().map(ToString::to_string),
            recovery_level: properties.recovery_level().map(str::to_owned),
            recoverable_days: properties.recoverable_days(),
            tags: properties.tags().clone(),
        }
    }
}

impl SealedProperties {
    fn into_properties(self) -> Option<SecretProperties> {
        let previous = self.previous_version.map(|version| SecretVersion::parse(&version));
        let mut properties = SecretProperties::new(parsed(&self.id)?);
        properties.set_enabled(self.enabled);
        properties.set_managed(self.managed);
        properties.set_created(self.created);
        properties.set_updated(self.updated);
        properties.set_expires(self.expires);
        properties.set_not_before(self.not_before);
        properties.set_content_type(self.content_type);
        properties.set_key_id(self.key_id);
        properties.set_previous_version(previous.transpose().ok()?);
        properties.set_recovery_level(self.recovery_level.as_deref());
        properties.set_recoverable_days(self.recoverable_days);
        properties.set_tags(self.tags);
        Some(properties)
    }
}

fn parsed(url: &str) -> Option<SecretId> {
    SecretId::parse_kept(url).ok()
}

/// A clock may move back a little when it is corrected.
pub(super) const CLOCKS_AGREE_WITHIN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn id(path: &str) -> SecretId {
        SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{path}")).unwrap()
    }

    fn binding(vaults: &[&str], identity: &str) -> Binding {
        Binding { vaults: vaults.iter().map(ToString::to_string).collect(), identity: identity.into() }
    }

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789)
    }

    fn payload(snapshot: &Snapshot) -> Payload {
        Payload::new(snapshot, noon(), binding(&["contoso", "fabrikam"], "shop"))
    }

    fn bytes_of(snapshot: &Snapshot) -> Zeroizing<Vec<u8>> {
        let bytes = payload(snapshot).encode().unwrap();
        assert_eq!(bytes.len(), bytes.capacity(), "the length is exact");
        bytes
    }

    fn decoded(bytes: &[u8]) -> Option<Snapshot> {
        Payload::decode(bytes)?.into_snapshot()
    }

    /// A snapshot in which every field has a value.
    fn snapshot() -> Snapshot {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, 5));
        let mut full = SecretProperties::new(id("Password/0af1"));
        full.set_enabled(false);
        full.set_managed(true);
        full.set_created(at(1));
        full.set_updated(at(2));
        full.set_expires(at(3));
        full.set_not_before(at(4));
        full.set_content_type("text/plain".to_owned());
        full.set_tags([("a".into(), "ä".into()), (String::new(), String::new())].into());
        full.set_key_id("key".to_owned());
        full.set_previous_version(SecretVersion::parse("0af0").unwrap());
        full.set_recovery_level(Some("Purgeable"));
        full.set_recoverable_days(90);
        let secret = |properties, value: &str| Arc::new(Secret::new(properties, value, at(9).unwrap()));
        let secrets = [
            (id("password"), secret(full.clone(), "a \"quoted\" value\nin two lines")),
            (id("user/01"), secret(SecretProperties::new(id("user/01")), "")),
        ];
        let listed = [SecretProperties::new(id("user")), full].map(|item| (item.id().name().clone(), item));
        Snapshot::new(
            Arc::new(secrets.into_iter().collect()),
            [id("gone")].into(),
            Some(Arc::new(listed.into_iter().collect())),
        )
    }

    fn assert_same(one: &Snapshot, other: &Snapshot) {
        assert_eq!(one.len(), other.len());
        for ((id, secret), (other_id, other)) in one.iter().zip(other.iter()) {
            assert_eq!((id, secret.properties(), secret.as_of()), (other_id, other.properties(), other.as_of()));
            assert_eq!(secret.expose_secret(), other.expose_secret());
        }
        assert_eq!((one.absent(), one.listed()), (other.absent(), other.listed()));
    }

    #[test]
    fn a_snapshot_survives_encoding_and_decoding() {
        for snapshot in [snapshot(), Snapshot::default()] {
            let bytes = bytes_of(&snapshot);
            assert_same(&decoded(&bytes).unwrap(), &snapshot);
            assert_eq!(Payload::decode(&bytes).unwrap().as_of, noon());
        }
    }

    #[test]
    fn truncated_extended_or_malformed_bytes_are_refused() {
        let bytes = bytes_of(&snapshot());
        for end in 0..bytes.len() {
            assert!(decoded(&bytes[..end]).is_none(), "{end}");
        }
        assert!(decoded(&[&bytes[..], &[0]].concat()).is_none());
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        for (good, malformed) in [("/secrets/gone", "/gone"), ("/secrets/password", "/"), ("0af0", "0 af0")] {
            assert!(decoded(text.replace(good, malformed).as_bytes()).is_none(), "{malformed}");
        }
    }

    #[test]
    fn another_binding_and_a_wrong_age_are_refused() {
        let ours = || binding(&["contoso", "fabrikam"], "shop");
        let checked = |binding, now| payload(&snapshot()).check(&binding, now, DAY, None).err();
        for (vaults, identity, refusal) in [
            (&["contoso"][..], "shop", SealedRefusal::OtherVault),
            (&["fabrikam", "contoso"], "shop", SealedRefusal::OtherVault),
            (&["contoso", "fabrikam", "third"], "shop", SealedRefusal::OtherVault),
            (&["contoso", "fabrikam"], "sho", SealedRefusal::OtherIdentity),
            (&["contoso", "fabrikam"], "", SealedRefusal::OtherIdentity),
        ] {
            assert_eq!(checked(binding(vaults, identity), noon()), Some(refusal), "{vaults:?} {identity}");
        }
        let second = Duration::from_secs(1);
        for (now, refusal) in [
            (noon() + DAY, None),
            (noon() + DAY + second, Some(SealedRefusal::TooOld)),
            (noon() - CLOCKS_AGREE_WITHIN, None),
            (noon() - CLOCKS_AGREE_WITHIN - second, Some(SealedRefusal::FromTheFuture)),
        ] {
            assert_eq!(checked(ours(), now), refusal, "{now:?}");
        }
    }

    #[test]
    fn a_file_before_the_newest_known_one_is_refused() {
        let nanosecond = Duration::from_nanos(1);
        for (newest, refusal) in
            [(noon() - nanosecond, None), (noon(), None), (noon() + nanosecond, Some(SealedRefusal::RolledBack))]
        {
            let ours = binding(&["contoso", "fabrikam"], "shop");
            let checked = payload(&snapshot()).check(&ours, noon(), DAY, Some(newest));
            assert_eq!(checked.err(), refusal, "{newest:?}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_encoding_and_decoding(values in proptest::collection::vec((".*", ".*"), 0..5)) {
            let secrets = values.iter().enumerate().map(|(i, (value, tag))| {
                let mut properties = SecretProperties::new(id(&format!("s{i}/0")));
                properties.set_tag(tag, value);
                properties.set_content_type(tag.clone());
                (id(&format!("s{i}")), Arc::new(Secret::new(properties, value.as_str(), SystemTime::UNIX_EPOCH)))
            });
            let snapshot = Snapshot::new(Arc::new(secrets.collect()), BTreeSet::new(), None);
            assert_same(&decoded(&bytes_of(&snapshot)).unwrap(), &snapshot);
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            _ = decoded(&bytes);
        }

        /// The plaintext is authenticated before it is decoded. This is a second line of defense.
        #[test]
        fn no_damage_causes_a_panic(at in any::<prop::sample::Index>(), damage in any::<[u8; 8]>()) {
            let mut bytes = bytes_of(&snapshot());
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + 8);
            bytes[at..end].copy_from_slice(&damage[..end - at]);
            _ = decoded(&bytes);
        }
    }
}
