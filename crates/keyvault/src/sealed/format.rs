//! The format of the file: a plain header and an encrypted payload, which [`SealedSnapshot`](crate::SealedSnapshot)
//! documents.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use super::key::SealingKey;
use super::payload;
use super::refusal::SealedRefusal;
use crate::error::{Error, ErrorKind, Result};
use crate::resolver::Snapshot;
use crate::secret::Vault;

/// The vaults and the identity that a file is bound to. A file with another binding is refused.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    /// The default vault, then the other vaults in order.
    pub(super) vaults: Vec<Vault>,
    pub(super) identity: String,
}

/// Seals `snapshot`, which was last known good at `as_of`. The plaintext is encrypted in place.
pub(super) fn seal(
    snapshot: &Snapshot,
    as_of: SystemTime,
    key: &SealingKey,
    binding: &Binding,
) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |clause| Error::new(ErrorKind::Unavailable, clause);
    let length = payload::length(snapshot);
    if length > LARGEST_FILE as usize - HEADER - TAG {
        return Err(failed("secrets are larger than a sealed snapshot can be"));
    }
    let mut salt = [0; SALT.end - SALT.start];
    rand::fill(&mut salt).map_err(|_| failed("system returned no random bytes for the sealed snapshot"))?;
    let keys = FileKeys::derive(key, &salt);
    let mut file = Zeroizing::new(Vec::with_capacity(HEADER + length + TAG));
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_be_bytes());
    file.extend_from_slice(&nanoseconds(as_of).to_be_bytes());
    file.extend_from_slice(&salt);
    file.extend_from_slice(&*keys.check());
    file.extend_from_slice(&*keys.vaults(binding));
    file.extend_from_slice(&*keys.identity(binding));
    file.extend_from_slice(&(length as u64).to_be_bytes());
    payload::encode(snapshot, &mut *file);
    let (header, content) = file.split_at_mut(HEADER);
    let tag = keys.encrypt(header, content).map_err(|_| failed("secrets could not be encrypted"))?;
    file.extend_from_slice(tag.as_ref());
    Ok(file)
}

/// Opens a sealed file in place. Returns the snapshot, and the time at which it was last known good.
///
/// Uses nothing in the file except its format and its salt before the file is authenticated.
pub(super) fn open(
    file: &mut [u8],
    key: &SealingKey,
    binding: &Binding,
    (now, max_age): (SystemTime, Duration),
) -> Result<(Snapshot, SystemTime), SealedRefusal> {
    let header = FileHeader::parse(file)?;
    let keys = FileKeys::derive(key, &header.salt);
    verify_slices_are_equal(&header.check, &*keys.check()).map_err(|_| SealedRefusal::OtherKey)?;
    let (head, sealed) = file.split_at_mut(HEADER);
    let content = keys.decrypt(head, sealed)?;
    let same = |one: &[u8], other: &[u8]| verify_slices_are_equal(one, other).is_ok();
    if !same(&header.identity, &*keys.identity(binding)) {
        return Err(SealedRefusal::OtherIdentity);
    }
    if !same(&header.vaults, &*keys.vaults(binding)) {
        return Err(SealedRefusal::OtherVault);
    }
    match now.duration_since(header.as_of) {
        Err(ahead) if ahead.duration() > CLOCKS_AGREE_WITHIN => return Err(SealedRefusal::FromTheFuture),
        Ok(age) if age > max_age => return Err(SealedRefusal::TooOld),
        _ => {}
    }
    let snapshot = payload::decode(content).ok_or(SealedRefusal::UnknownFormat)?;
    Ok((snapshot, header.as_of))
}

/// The header before the ciphertext, which authenticates it.
struct FileHeader {
    as_of: SystemTime,
    salt: [u8; 32],
    check: [u8; 32],
    vaults: [u8; 32],
    identity: [u8; 32],
}

impl FileHeader {
    fn parse(file: &[u8]) -> Result<Self, SealedRefusal> {
        let known = file.len().min(MAGIC.len());
        if file[..known] != MAGIC[..known] {
            return Err(SealedRefusal::UnknownFormat);
        }
        if file.len() < VERSION_AT.end {
            return Err(SealedRefusal::Truncated);
        }
        if u16::from_be_bytes(field(file, VERSION_AT)) != VERSION {
            return Err(SealedRefusal::UnknownFormat);
        }
        if file.len() < HEADER + TAG {
            return Err(SealedRefusal::Truncated);
        }
        match ((file.len() - HEADER - TAG) as u64).cmp(&u64::from_be_bytes(field(file, LENGTH))) {
            std::cmp::Ordering::Less => return Err(SealedRefusal::Truncated),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => return Err(SealedRefusal::Tampered),
        }
        let since = Duration::from_nanos(u64::from_be_bytes(field(file, TIME)));
        Ok(Self {
            as_of: SystemTime::UNIX_EPOCH.checked_add(since).ok_or(SealedRefusal::Tampered)?,
            salt: field(file, SALT),
            check: field(file, CHECK),
            vaults: field(file, VAULTS),
            identity: field(file, IDENTITY),
        })
    }
}

fn field<const N: usize>(file: &[u8], place: Range<usize>) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&file[place]);
    bytes
}

/// The keys of one file, derived from the caller's key. The salt is random, so no two files share a key.
struct FileKeys(hkdf::Prk);

impl FileKeys {
    fn derive(key: &SealingKey, salt: &[u8]) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key.bytes()))
    }

    /// Returns bytes that identify the key and reveal nothing of it.
    fn check(&self) -> Zeroizing<[u8; 32]> {
        self.expand(b"keyvault sealed 1 check", &[])
    }

    fn vaults(&self, binding: &Binding) -> Zeroizing<[u8; 32]> {
        let vaults: Vec<&str> = binding.vaults.iter().map(Vault::origin).collect();
        self.expand(b"keyvault sealed 1 vaults", &vaults)
    }

    fn identity(&self, binding: &Binding) -> Zeroizing<[u8; 32]> {
        self.expand(b"keyvault sealed 1 identity", &[&binding.identity])
    }

    /// Derives bytes for `purpose`. A length precedes each text, so that different lists never give the same input.
    fn expand<const N: usize>(&self, purpose: &[u8], texts: &[&str]) -> Zeroizing<[u8; N]> {
        let lengths: Vec<[u8; 8]> = texts.iter().map(|text| (text.len() as u64).to_be_bytes()).collect();
        let texts = lengths.iter().zip(texts).flat_map(|(length, text)| [&length[..], text.as_bytes()]);
        let info: Vec<&[u8]> = std::iter::once(purpose).chain(texts).collect();
        let mut bytes = Zeroizing::new([0; N]);
        let filled = self.0.expand(&info, OutputLength(N)).and_then(|okm| okm.fill(&mut *bytes));
        filled.expect("HKDF derives up to 8,160 bytes");
        bytes
    }

    fn encrypt(&self, header: &[u8], content: &mut [u8]) -> Result<Tag, Unspecified> {
        let (key, nonce) = self.cipher();
        key.seal_in_place_separate_tag(nonce, Aad::from(header), content)
    }

    fn decrypt<'f>(&self, header: &[u8], sealed: &'f mut [u8]) -> Result<&'f [u8], SealedRefusal> {
        let (key, nonce) = self.cipher();
        let content = key.open_in_place(nonce, Aad::from(header), sealed);
        content.map(|content| &*content).map_err(|_| SealedRefusal::Tampered)
    }

    fn cipher(&self) -> (LessSafeKey, Nonce) {
        let bytes: Zeroizing<[u8; 44]> = self.expand(b"keyvault sealed 1 content", &[]);
        let (key, nonce) = bytes.split_at(32);
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes");
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("the nonce has 12 bytes");
        (LessSafeKey::new(key), nonce)
    }
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

const MAGIC: &[u8; 8] = b"KVSEALED";
const VERSION: u16 = 1;
const VERSION_AT: Range<usize> = 8..10;
const TIME: Range<usize> = 10..18;
const SALT: Range<usize> = 18..50;
const CHECK: Range<usize> = 50..82;
const VAULTS: Range<usize> = 82..114;
const IDENTITY: Range<usize> = 114..146;
const LENGTH: Range<usize> = 146..154;
const HEADER: usize = 154;
const TAG: usize = 16;
/// 16 MiB: about 600 secrets of the largest size, or tens of thousands of the usual size.
pub(super) const LARGEST_FILE: u64 = 16 << 20;
/// A clock may move back a little when it is corrected.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::payload::tests::{assert_same, snapshot};
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn key(first: u8) -> SealingKey {
        SealingKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|i| first + i as u8)).unwrap()
    }

    fn binding(vaults: &[&str], identity: &str) -> Binding {
        let vaults = vaults.iter().map(|name| format!("https://{name}.vault.azure.net").parse().unwrap()).collect();
        Binding { vaults, identity: identity.into() }
    }

    fn ours() -> Binding {
        binding(&["contoso", "fabrikam"], "shop")
    }

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789)
    }

    fn sealed() -> Vec<u8> {
        seal(&snapshot(), noon(), &key(0), &ours()).unwrap().to_vec()
    }

    fn opened(file: &[u8]) -> Result<(Snapshot, SystemTime), SealedRefusal> {
        open(&mut file.to_vec(), &key(0), &ours(), (noon(), DAY))
    }

    #[test]
    fn a_sealed_snapshot_can_be_opened() {
        let (found, as_of) = opened(&sealed()).unwrap();
        assert_same(&found, &snapshot());
        assert_eq!(as_of, noon());
    }

    #[test]
    fn two_files_share_nothing_after_the_time() {
        let (one, other) = (sealed(), sealed());
        assert_eq!(one[..SALT.start], other[..SALT.start]);
        for (place, name) in [(SALT, "salt"), (CHECK, "check"), (VAULTS, "vaults"), (IDENTITY, "identity")] {
            assert_ne!(one[place.clone()], other[place], "{name}");
        }
        assert!(one[HEADER..].iter().zip(&other[HEADER..]).filter(|(a, b)| a == b).count() < one.len() / 8);
    }

    #[test]
    fn each_cause_has_its_own_refusal() {
        let other_version = |version: [u8; 2]| {
            let mut file = sealed();
            file[VERSION_AT].copy_from_slice(&version);
            file
        };
        for (file, refusal) in [
            (Vec::new(), SealedRefusal::Truncated),
            (b"KVSE".to_vec(), SealedRefusal::Truncated),
            (b"not a snapshot at all".to_vec(), SealedRefusal::UnknownFormat),
            (other_version([0, 2]), SealedRefusal::UnknownFormat),
            (other_version([1, 1]), SealedRefusal::UnknownFormat),
            (sealed()[..HEADER].to_vec(), SealedRefusal::Truncated),
            ([sealed(), vec![0]].concat(), SealedRefusal::Tampered),
        ] {
            assert_eq!(opened(&file).err(), Some(refusal), "{} bytes", file.len());
        }
        let open_as = |key, binding, now, max_age| open(&mut sealed(), &key, &binding, (now, max_age)).err();
        assert_eq!(open_as(key(1), ours(), noon(), DAY), Some(SealedRefusal::OtherKey));
        for (vaults, identity, refusal) in [
            (&["contoso"][..], "shop", SealedRefusal::OtherVault),
            (&["fabrikam", "contoso"], "shop", SealedRefusal::OtherVault),
            (&["contoso", "fabrikam", "third"], "shop", SealedRefusal::OtherVault),
            (&["contoso", "fabrikam"], "sho", SealedRefusal::OtherIdentity),
            (&["contoso", "fabrikam"], "", SealedRefusal::OtherIdentity),
        ] {
            assert_eq!(open_as(key(0), binding(vaults, identity), noon(), DAY), Some(refusal), "{vaults:?} {identity}");
        }
        let second = Duration::from_secs(1);
        for (now, refusal) in [
            (noon() + DAY, None),
            (noon() + DAY + second, Some(SealedRefusal::TooOld)),
            (noon() - CLOCKS_AGREE_WITHIN, None),
            (noon() - CLOCKS_AGREE_WITHIN - second, Some(SealedRefusal::FromTheFuture)),
        ] {
            assert_eq!(open_as(key(0), ours(), now, DAY), refusal, "{now:?}");
        }
    }

    #[test]
    fn any_changed_byte_is_detected() {
        let good = sealed();
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut file = good.clone();
                file[at] ^= flip;
                assert!(opened(&file).is_err(), "byte {at} ^ {flip}");
            }
        }
        // The plain header is not used before it is authenticated.
        for (place, name) in
            [(TIME, "time"), (VAULTS, "vaults"), (IDENTITY, "identity"), (HEADER..HEADER + 1, "content")]
        {
            let mut file = good.clone();
            file[place.start] ^= 1;
            assert_eq!(opened(&file).err(), Some(SealedRefusal::Tampered), "{name}");
        }
    }

    #[test]
    fn a_file_truncated_anywhere_is_detected() {
        let good = sealed();
        for end in 0..good.len() {
            assert_eq!(opened(&good[..end]).err(), Some(SealedRefusal::Truncated), "{end}");
        }
    }

    /// The parts of two files of one key are not interchangeable.
    #[test]
    fn parts_of_other_files_are_detected() {
        let (one, other) = (sealed(), sealed());
        for (place, name) in [
            (SALT, "salt"),
            (CHECK, "check"),
            (VAULTS, "vaults"),
            (IDENTITY, "identity"),
            (HEADER..one.len(), "content"),
        ] {
            let mut mixed = one.clone();
            mixed[place.clone()].copy_from_slice(&other[place]);
            assert!(opened(&mixed).is_err(), "{name}");
        }
    }

    #[test]
    fn the_file_reveals_nothing_of_the_secrets() {
        let file = sealed();
        for word in ["canary", "contoso", "fabrikam", "shop", "assword", "text/plain"] {
            assert!(!file.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes())), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_opened_or_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(opened(&bytes).is_err());
            let after_a_valid_start = [&sealed()[..VERSION_AT.end], &bytes].concat();
            prop_assert!(opened(&after_a_valid_start).is_err());
            let after_a_valid_header = [&sealed()[..LENGTH.start], &bytes].concat();
            prop_assert!(opened(&after_a_valid_header).is_err());
        }

        #[test]
        fn any_damage_is_detected(
            at in any::<prop::sample::Index>(),
            damage in proptest::collection::vec(any::<u8>(), 1..40),
        ) {
            let good = sealed();
            let mut file = good.clone();
            let at = at.index(file.len());
            let end = file.len().min(at + damage.len());
            file[at..end].copy_from_slice(&damage[..end - at]);
            prop_assert!(file == good || opened(&file).is_err());
        }
    }
}
