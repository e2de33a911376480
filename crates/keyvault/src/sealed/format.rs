//! The envelope of the file: a plain header around an encrypted payload, which
//! [`SealedSnapshot`](crate::SealedSnapshot) documents.

use std::cmp::Ordering;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use super::key::SealingKey;
use super::refusal::SealedRefusal;
use crate::error::{Error, ErrorKind, Result};

/// Encrypts `payload` into the bytes of a file. The plaintext is encrypted in place.
pub(super) fn seal(payload: &[u8], key: &SealingKey) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |clause| Error::new(ErrorKind::Unavailable, clause);
    let length = HEADER + payload.len() + TAG;
    if length as u64 > LARGEST_FILE {
        return Err(failed("secrets are larger than a sealed snapshot can be"));
    }
    let mut salt = [0; SALT];
    rand::fill(&mut salt).map_err(|_| failed("system returned no random bytes for the sealed snapshot"))?;
    let unencrypted = |_: Unspecified| failed("secrets could not be encrypted");
    let (check, cipher) = keys_of(key, &salt).map_err(unencrypted)?;
    let mut file = Zeroizing::new(Vec::with_capacity(length));
    for field in [&START[..], &salt, &*check, &(payload.len() as u64).to_be_bytes(), payload] {
        file.extend_from_slice(field);
    }
    let (header, content) = file.split_at_mut(HEADER);
    let tag = cipher.seal_in_place_separate_tag(nonce(), Aad::from(header), content).map_err(unencrypted)?;
    file.extend_from_slice(tag.as_ref());
    Ok(file)
}

/// Decrypts a file in place, and returns its payload.
///
/// Uses nothing in the file except its format and its salt before the file is authenticated.
pub(super) fn open<'f>(file: &'f mut [u8], key: &SealingKey) -> Result<&'f [u8], SealedRefusal> {
    let known = file.len().min(START.len());
    if file[..known] != START[..known] {
        return Err(SealedRefusal::UnknownFormat);
    }
    let (header, sealed) = file.split_at_mut_checked(HEADER).ok_or(SealedRefusal::Truncated)?;
    let (salt, rest) = header[START.len()..].split_at(SALT);
    let (check, length) = rest.split_at(CHECK);
    let length = length.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    match (sealed.len() as u64).cmp(&length.saturating_add(TAG as u64)) {
        Ordering::Less => return Err(SealedRefusal::Truncated),
        Ordering::Equal => {}
        Ordering::Greater => return Err(SealedRefusal::Tampered),
    }
    let (expected, cipher) = keys_of(key, salt).map_err(|_| SealedRefusal::OtherKey)?;
    verify_slices_are_equal(check, &*expected).map_err(|_| SealedRefusal::OtherKey)?;
    let payload = cipher.open_in_place(nonce(), Aad::from(&*header), sealed);
    payload.map(|payload| &*payload).map_err(|_| SealedRefusal::Tampered)
}

/// Derives the check value and the cipher of a file from the caller's key and the salt of the file.
fn keys_of(key: &SealingKey, salt: &[u8]) -> Result<(Zeroizing<[u8; CHECK]>, LessSafeKey), Unspecified> {
    let keys = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key.bytes());
    let derive = |purpose: &[u8]| -> Result<_, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        keys.expand(&[purpose], hkdf::HKDF_SHA256)?.fill(&mut *bytes)?;
        Ok(bytes)
    };
    let cipher = UnboundKey::new(&AES_256_GCM, &*derive(b"keyvault sealed 1 content")?)?;
    Ok((derive(b"keyvault sealed 1 check")?, LessSafeKey::new(cipher)))
}

/// Returns the nonce of every file: the key of a file encrypts one payload.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The name of the format, and its version in two bytes.
const START: &[u8; 10] = b"KVSEALED\0\x01";
const SALT: usize = 32;
const CHECK: usize = 32;
const HEADER: usize = START.len() + SALT + CHECK + 8;
const TAG: usize = 16;

/// 16 MiB: about 600 secrets of the largest size, or tens of thousands of the usual size.
pub(super) const LARGEST_FILE: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAYLOAD: &[u8] = br#"{"value":"canary-of-the-value"}"#;

    fn key(first: u8) -> SealingKey {
        SealingKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|i| first + i as u8)).unwrap()
    }

    fn sealed() -> Vec<u8> {
        seal(PAYLOAD, &key(0)).unwrap().to_vec()
    }

    fn opened(file: &[u8]) -> Result<Vec<u8>, SealedRefusal> {
        open(&mut file.to_vec(), &key(0)).map(<[u8]>::to_vec)
    }

    /// The parts of a file after the name and the version of the format.
    fn parts() -> [(&'static str, std::ops::Range<usize>); 5] {
        let (salt, check, length) = (START.len(), START.len() + SALT, HEADER - 8);
        let end = HEADER + PAYLOAD.len();
        [
            ("salt", salt..check),
            ("check", check..length),
            ("length", length..HEADER),
            ("payload", HEADER..end),
            ("tag", end..end + TAG),
        ]
    }

    #[test]
    fn a_sealed_payload_can_be_opened() {
        assert_eq!(opened(&sealed()).unwrap(), PAYLOAD);
        assert_eq!(opened(&seal(b"", &key(0)).unwrap()).unwrap(), b"");
    }

    #[test]
    fn a_payload_that_is_too_large_is_not_sealed() {
        let error = seal(&vec![0; LARGEST_FILE as usize - HEADER - TAG + 1], &key(0)).unwrap_err();
        assert_eq!(error.to_string(), "secrets are larger than a sealed snapshot can be");
    }

    #[test]
    fn two_files_of_one_payload_share_only_the_format_and_the_length() {
        let (one, other) = (sealed(), sealed());
        assert_eq!(one[..START.len()], other[..START.len()]);
        for (name, place) in parts().into_iter().filter(|(name, _)| *name != "length") {
            let same = one[place.clone()].iter().zip(&other[place.clone()]).filter(|(a, b)| a == b).count();
            assert!(same < place.len() / 3, "{name}");
        }
    }

    #[test]
    fn each_cause_has_its_own_refusal() {
        let other_version = |version: [u8; 2]| {
            let mut file = sealed();
            file[START.len() - 2..START.len()].copy_from_slice(&version);
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
        assert_eq!(open(&mut sealed(), &key(1)).err(), Some(SealedRefusal::OtherKey));
    }

    #[test]
    fn any_changed_byte_is_detected() {
        let good = sealed();
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut file = good.clone();
                file[at] ^= flip;
                let expected = if at < HEADER { None } else { Some(SealedRefusal::Tampered) };
                let refusal = opened(&file).expect_err("a changed file");
                assert!(expected.is_none_or(|expected| refusal == expected), "byte {at} ^ {flip}: {refusal:?}");
            }
        }
    }

    #[test]
    fn a_file_truncated_anywhere_is_detected() {
        let good = sealed();
        for end in 0..good.len() {
            assert_eq!(opened(&good[..end]).err(), Some(SealedRefusal::Truncated), "{end}");
        }
    }

    /// The parts of two files of one key are not interchangeable, even if the contents are equal.
    #[test]
    fn parts_of_other_files_are_detected() {
        let (one, other) = (sealed(), sealed());
        for (name, place) in parts().into_iter().filter(|(name, _)| *name != "length") {
            let mut mixed = one.clone();
            mixed[place.clone()].copy_from_slice(&other[place]);
            assert!(opened(&mixed).is_err(), "{name}");
        }
    }

    #[test]
    fn the_file_reveals_nothing_of_the_payload() {
        let file = sealed();
        for word in ["canary", "value"] {
            assert!(!file.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes())), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_opened_or_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(opened(&bytes).is_err());
            for valid in [START.len(), HEADER - 8, HEADER] {
                let after_a_valid_start = [&sealed()[..valid], &bytes].concat();
                prop_assert!(opened(&after_a_valid_start).is_err());
            }
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
