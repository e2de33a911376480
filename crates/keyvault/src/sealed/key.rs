//! The sealing key.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The 32-byte key of a [`SealedSnapshot`](crate::SealedSnapshot). Zeroized on drop; `Debug` shows nothing.
///
/// The key and the file together reveal the secrets, so keep them on different disks. Good sources of a key are a
/// systemd credential ([`LoadCredentialEncrypted`](https://systemd.io/CREDENTIALS/)), a Kubernetes secret mounted in
/// memory with the mode `0400`, and a key management service. `openssl rand -base64 32` creates a key. Use a different
/// key for each service.
pub struct SealingKey {
    bytes: Box<Zeroizing<[u8; LENGTH]>>,
    /// The directories of the key file: that of its own path, and that of the target of its links.
    directories: Vec<PathBuf>,
}

impl SealingKey {
    /// Creates a key from 32 random bytes. The caller zeroizes its own copy.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) unless there are 32 bytes, not all the same.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != LENGTH {
            return Err(Error::invalid("sealing key is not 32 bytes"));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(Error::invalid("sealing key repeats one byte and is not random"));
        }
        let mut key = Box::new(Zeroizing::new([0; LENGTH]));
        key.copy_from_slice(bytes);
        Ok(Self { bytes: key, directories: Vec::new() })
    }

    /// Creates a key from 32 bytes in base64, with or without padding. White space around it is ignored.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for any other text. The message does not repeat the input.
    pub fn from_base64(text: &str) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; LENGTH + 3]);
        let length = BASE64.decode_slice(text.trim(), &mut *bytes);
        let length = length.map_err(|_| Error::invalid("sealing key is not 32 bytes in base64"))?;
        Self::from_bytes(&bytes[..length])
    }

    /// Reads a key from a file of 32 bytes, or of their base64. Blocks while it reads at most 128 bytes.
    ///
    /// The start refuses a key whose file is in the directory of the snapshot, because a copy of that directory would
    /// contain both. To override this, read the file yourself and pass the [bytes](SealingKey::from_bytes).
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the file cannot be read, contains anything else, or, on Unix, if users
    /// other than its owner and group can read or write it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| {
            Error::invalid("sealing key file cannot be read").caused_by(error.kind().to_string())
        };
        // Before the file is opened: opening a pipe blocks.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Error::invalid("sealing key file is not a regular file"));
        }
        let file = File::open(path).map_err(unreadable)?;
        if is_accessible_to_others(&file.metadata().map_err(unreadable)?) {
            return Err(Error::invalid("sealing key file is accessible to other users").with_help(
                "remove the permissions of others: chmod 0400, or defaultMode: 0400 of a Kubernetes volume",
            ));
        }
        // Twice the limit, so that the buffer does not grow and leave a copy.
        let mut content = Zeroizing::new(Vec::with_capacity(2 * LONGEST_KEY_FILE));
        file.take(LONGEST_KEY_FILE as u64).read_to_end(&mut content).map_err(unreadable)?;
        let key = match std::str::from_utf8(&content) {
            Ok(text) if content.len() != LENGTH => Self::from_base64(text)?,
            _ => Self::from_bytes(&content)?,
        };
        let real = path.canonicalize().map_err(unreadable)?;
        let directories = [real_directory_of(path), real_directory_of(&real)].into_iter().flatten().collect();
        Ok(Self { directories, ..key })
    }

    /// Returns whether the key was read from the directory of `path`.
    pub(super) fn is_beside(&self, path: &Path) -> bool {
        real_directory_of(path).is_some_and(|directory| self.directories.contains(&directory))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &**self.bytes
    }
}

/// Returns the directory of `path` with links resolved; `None` if it does not exist.
fn real_directory_of(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).canonicalize().ok()
}

#[cfg(unix)]
fn is_accessible_to_others(file: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o007 != 0
}

/// Other systems do not store permissions in the mode of a file.
#[cfg(not(unix))]
fn is_accessible_to_others(_: &fs::Metadata) -> bool {
    false
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").finish_non_exhaustive()
    }
}

const LENGTH: usize = 32;
const LONGEST_KEY_FILE: usize = 128;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    const TEXT: &str = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";

    #[test]
    fn a_key_is_32_bytes_or_their_base64() {
        assert_eq!(SealingKey::from_bytes(KEY).unwrap().bytes(), KEY);
        for text in [TEXT, TEXT.trim_end_matches('='), &format!(" {TEXT}\n")] {
            assert_eq!(SealingKey::from_base64(text).unwrap().bytes(), KEY);
        }
        for bytes in [&KEY[..31], &[7; 32], &[0; 32], &[1; 33], b""] {
            assert!(SealingKey::from_bytes(bytes).is_err(), "{bytes:?}");
        }
        for text in ["", "canary", "canary!!", &TEXT[..40], &format!("{TEXT}{TEXT}"), &"A".repeat(44)] {
            let error = SealingKey::from_base64(text).expect_err(text);
            assert!(text.is_empty() || !format!("{error:?}").contains(text), "{error}");
        }
    }

    #[test]
    fn no_debug_shows_a_key() {
        let key = SealingKey::from_bytes(KEY).unwrap();
        assert_eq!(format!("{key:?}"), "SealingKey { .. }");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_must_not_be_accessible_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for content in [&KEY[..], TEXT.as_bytes(), format!("{TEXT}\n").as_bytes()] {
            fs::write(&path, content).unwrap();
            for (mode, accepted) in [(0o400, true), (0o600, true), (0o640, true), (0o644, false), (0o602, false)] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let key = SealingKey::from_file(&path);
                assert_eq!(key.is_ok(), accepted, "{mode:o}");
                assert!(key.is_err() || key.is_ok_and(|key| key.bytes() == KEY));
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        for content in [&[][..], &[1, 2, 3], &[200; 200], TEXT.repeat(3).as_bytes()] {
            fs::write(&path, content).unwrap();
            assert!(SealingKey::from_file(&path).is_err(), "{content:?}");
        }
        for no_file in [directory.path().join("missing"), directory.path().to_owned(), "/dev/zero".into()] {
            assert!(SealingKey::from_file(&no_file).is_err(), "{no_file:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_detects_files_in_its_directory_even_through_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let (with_key, with_link) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (path, link) = (with_key.path().join("key"), with_link.path().join("key"));
        fs::write(&path, TEXT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let (key, linked) = (SealingKey::from_file(&path).unwrap(), SealingKey::from_file(&link).unwrap());
        let beside_key = with_key.path().join("x.sealed");
        let beside_link = with_link.path().join(".").join("x.sealed");
        assert!(key.is_beside(&beside_key) && !key.is_beside(&beside_link));
        assert!(linked.is_beside(&beside_key) && linked.is_beside(&beside_link));
        assert!(!SealingKey::from_bytes(KEY).unwrap().is_beside(&beside_key));
        assert!(!key.is_beside(Path::new("x.sealed")));
    }
}
