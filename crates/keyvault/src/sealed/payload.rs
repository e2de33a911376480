//! The plaintext of a sealed snapshot: the binary encoding of its secrets, which
//! [`SealedSnapshot`](crate::SealedSnapshot) documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::resolver::{Listing, Snapshot};
use crate::secret::{Secret, SecretId, SecretProperties, SecretVersion};

/// Returns the number of bytes that [`encode`] writes. A buffer of this size never grows, so it leaves no copy of
/// plaintext behind.
pub(super) fn length(snapshot: &Snapshot) -> usize {
    let mut counter = PayloadLength(0);
    encode(snapshot, &mut counter);
    counter.0
}

/// Writes everything that a load needs from the vaults.
pub(super) fn encode(snapshot: &Snapshot, sink: &mut impl Sink) {
    sink.count(snapshot.len());
    for (asked, secret) in snapshot.iter() {
        sink.text(&asked.url());
        sink.properties(secret.properties());
        sink.text(secret.expose_secret());
        sink.time(Some(secret.as_of()));
    }
    sink.count(snapshot.absent().len());
    for id in snapshot.absent() {
        sink.text(&id.url());
    }
    sink.flag(snapshot.listed().is_some());
    if let Some(listed) = snapshot.listed() {
        sink.count(listed.len());
        for properties in listed.values() {
            sink.properties(properties);
        }
    }
}

/// Decodes the bytes that [`encode`] wrote; `None` if they are malformed.
pub(super) fn decode(bytes: &[u8]) -> Option<Snapshot> {
    let mut decoder = Decoder(bytes);
    let mut secrets = BTreeMap::new();
    for _ in 0..decoder.number()? {
        let (asked, properties) = (decoder.id()?, decoder.properties()?);
        let secret = Secret::new(properties, decoder.text()?, decoder.time()??);
        secrets.insert(asked, Arc::new(secret));
    }
    let mut absent = BTreeSet::new();
    for _ in 0..decoder.number()? {
        absent.insert(decoder.id()?);
    }
    let listed = if decoder.flag()? {
        let mut listed = Listing::default();
        for _ in 0..decoder.number()? {
            let properties = decoder.properties()?;
            listed.insert(properties.id().name().clone(), properties);
        }
        Some(Arc::new(listed))
    } else {
        None
    };
    decoder.0.is_empty().then(|| Snapshot::new(Arc::new(secrets), absent, listed))
}

/// A destination of encoded bytes.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn flag(&mut self, flag: bool) {
        self.put(&[u8::from(flag)]);
    }

    fn number(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.put(text.as_bytes());
    }

    fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// No date of a vault is before 1970 or after 2554.
    fn time(&mut self, time: Option<SystemTime>) {
        let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        self.flag(since.is_some());
        if let Some(since) = since {
            self.number(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn properties(&mut self, properties: &SecretProperties) {
        self.text(&properties.id().url());
        self.flag(properties.enabled());
        self.flag(properties.managed());
        for date in [properties.created(), properties.updated(), properties.expires(), properties.not_before()] {
            self.time(date);
        }
        let previous_version = properties.previous_version().map(ToString::to_string);
        let texts = [properties.content_type(), properties.key_id(), previous_version.as_deref()];
        for text in texts.into_iter().chain([properties.recovery_level()]) {
            self.optional_text(text);
        }
        self.flag(properties.recoverable_days().is_some());
        if let Some(days) = properties.recoverable_days() {
            self.number(u64::from(days));
        }
        let tags = properties.tags();
        self.count(tags.len());
        for (name, value) in tags {
            self.text(name);
            self.text(value);
        }
    }
}

struct PayloadLength(usize);

impl Sink for PayloadLength {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        debug_assert!(self.capacity() - self.len() >= bytes.len(), "a buffer with plaintext must not grow");
        self.extend_from_slice(bytes);
    }
}

/// The bytes to decode. Each length is checked against the remaining bytes before it is used.
struct Decoder<'b>(&'b [u8]);

impl<'b> Decoder<'b> {
    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (taken, left) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = left;
        Some(taken)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn optional_text(&mut self) -> Option<Option<&'b str>> {
        if self.flag()? { self.text().map(Some) } else { Some(None) }
    }

    fn time(&mut self) -> Option<Option<SystemTime>> {
        if !self.flag()? {
            return Some(None);
        }
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(self.number()?)).map(Some)
    }

    fn id(&mut self) -> Option<SecretId> {
        SecretId::parse(self.text()?).ok()
    }

    fn properties(&mut self) -> Option<SecretProperties> {
        let mut properties = SecretProperties::new(self.id()?);
        properties.set_enabled(self.flag()?);
        properties.set_managed(self.flag()?);
        properties.set_created(self.time()?);
        properties.set_updated(self.time()?);
        properties.set_expires(self.time()?);
        properties.set_not_before(self.time()?);
        properties.set_content_type(self.optional_text()?.map(str::to_owned));
        properties.set_key_id(self.optional_text()?.map(str::to_owned));
        properties.set_previous_version(match self.optional_text()? {
            Some(version) => Some(SecretVersion::parse(version).ok()?),
            None => None,
        });
        properties.set_recovery_level(self.optional_text()?);
        properties.set_recoverable_days(if self.flag()? { Some(u32::try_from(self.number()?).ok()?) } else { None });
        for _ in 0..self.number()? {
            properties.set_tag(self.text()?, self.text()?);
        }
        Some(properties)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(snapshot: &Snapshot) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length(snapshot));
        encode(snapshot, &mut bytes);
        assert_eq!(bytes.len(), bytes.capacity(), "the length is exact");
        bytes
    }

    pub(in crate::sealed) fn id(path: &str) -> SecretId {
        SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{path}")).unwrap()
    }

    /// A snapshot in which every field has a value.
    pub(in crate::sealed) fn snapshot() -> Snapshot {
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
            (id("password"), secret(full.clone(), "canary-of-the-value")),
            (id("user/01"), secret(SecretProperties::new(id("user/01")), "")),
        ];
        let listed = [SecretProperties::new(id("user")), full].map(|item| (item.id().name().clone(), item));
        Snapshot::new(
            Arc::new(secrets.into_iter().collect()),
            [id("gone")].into(),
            Some(Arc::new(listed.into_iter().collect())),
        )
    }

    pub(in crate::sealed) fn assert_same(one: &Snapshot, other: &Snapshot) {
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
            assert_same(&decode(&bytes_of(&snapshot)).unwrap(), &snapshot);
        }
    }

    #[test]
    fn truncated_or_extended_bytes_are_refused() {
        let bytes = bytes_of(&snapshot());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_none(), "{end}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
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
            assert_same(&decode(&bytes_of(&snapshot)).unwrap(), &snapshot);
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            _ = decode(&bytes);
        }

        /// The plaintext is authenticated before it is decoded. This is a second line of defense.
        #[test]
        fn no_damage_causes_a_panic(at in any::<prop::sample::Index>(), damage in any::<[u8; 8]>()) {
            let mut bytes = bytes_of(&snapshot());
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + 8);
            bytes[at..end].copy_from_slice(&damage[..end - at]);
            _ = decode(&bytes);
        }
    }
}
