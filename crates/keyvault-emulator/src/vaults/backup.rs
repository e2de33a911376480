//! The text of a backup: a secret with all its versions, encrypted and authenticated.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::name::is_name;
use super::stored_secret::StoredSecret;
use crate::protocol::to_json;
use crate::random;

/// Encrypts a secret with all its versions.
pub(super) fn seal(secret: &StoredSecret) -> String {
    let nonce = random::bytes::<NONCE_LEN>();
    let mut text = to_json(secret);
    let sealed = key().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(FORMAT), &mut text);
    sealed.expect("a backup is shorter than the limit of the cipher");
    BASE64.encode([&nonce[..], &text].concat())
}

/// Decrypts a backup. `None` unless an emulator wrote exactly this text.
pub(super) fn open(backup: &str) -> Option<StoredSecret> {
    let bytes = BASE64.decode(backup).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let text = key().open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(FORMAT), &mut sealed).ok()?;
    let secret: StoredSecret = serde_json::from_slice(text).ok()?;
    (is_name(&secret.name) && !secret.versions.is_empty()).then_some(secret)
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, KEY).expect("the key has 32 bytes"))
}

/// The key of every emulator. A vault restores the backups of its subscription and geography, and all emulators are in
/// the same ones, so a backup of one run restores in any other. The key is no secret.
const KEY: &[u8; 32] = b"keyvault-emulator, every backup!";

/// The format, which the cipher authenticates with the text.
const FORMAT: &[u8] = b"keyvault-emulator backup 1";

/// The encoding of the service. Padding is optional.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vaults::SetSecret;
    use crate::vaults::secret_version::SecretVersion;

    fn secret() -> StoredSecret {
        let secret = SetSecret::new("hunter2").content_type("canary-type").tag("canary-tag", "canary-text");
        let version = SecretVersion::new(random::hex(), secret, None, std::time::Duration::ZERO);
        StoredSecret { versions: vec![version], ..StoredSecret::empty("a") }
    }

    #[test]
    fn a_backup_contains_nothing_readable_and_differs_each_time() {
        let (first, second) = (seal(&secret()), seal(&secret()));
        assert_ne!(first, second);
        for backup in [&first, &second] {
            let bytes = BASE64.decode(backup).unwrap();
            for readable in ["hunter2", "canary", "value", "versions"] {
                assert!(!bytes.windows(readable.len()).any(|window| window == readable.as_bytes()), "{readable}");
            }
        }
        for backup in [first.clone(), format!("{first}{}", &"==="[..(4 - first.len() % 4) % 4])] {
            let opened = open(&backup).unwrap();
            assert_eq!((opened.name.as_str(), opened.latest().value.as_str()), ("a", "hunter2"));
        }
    }

    #[test]
    fn every_changed_byte_and_every_shorter_text_is_rejected() {
        let backup = seal(&secret());
        let bytes = BASE64.decode(&backup).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&BASE64.encode(&changed)).is_none(), "byte {at}");
            assert!(open(&BASE64.encode(&bytes[..at])).is_none(), "the first {at} bytes");
        }
        for at in 0..backup.len() {
            let mut changed = backup.clone().into_bytes();
            changed[at] ^= 1;
            assert!(open(&String::from_utf8(changed).unwrap()).is_none(), "character {at}");
        }
        assert!(open(&BASE64.encode(to_json(&secret()))).is_none(), "a text that is not encrypted");
    }
}
