//! Which file, with which key, for whom and for how long.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::envelope::{self, Binding};
use super::file;
use super::key::SealingKey;
use super::refusal::SealedRefusal;
use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{Resolver, Snapshot};
use crate::secret::SecretId;

/// The last good secrets of live settings in an encrypted file, so that a program can start while no vault can be reached.
///
/// Off unless it is given to [`LiveBuilder::sealed`](crate::LiveBuilder::sealed). From then on:
///
/// * **Written** after every publication, and once a minute at most while nothing changes, so that the file tells when its
///   secrets were last known good. It is written in the background: settings never wait for it, and a failure to write
///   is a warning and in [`Health::sealed`](crate::Health::sealed), no more.
/// * **Read** by a start, when the vaults could not be reached, throttled or hung for as long as the
///   [patience](SealedSnapshot::patience), and only then. What a vault refuses — a secret that is missing or disabled, an
///   identity that may not read — fails the start as it does without a file: nobody gets from the file what the vault
///   just denied them. A vault that nobody can ask denies nothing, so that a permission that was taken away ends in an
///   outage with the [maximum age](SealedSnapshot::max_age) at the latest; [`remove`](SealedSnapshot::remove) ends it now.
/// * **Used** as the vaults' answers in one ordinary load: files and variables are read as they are now, and the
///   application validates the settings as ever. What the file does not hold fails the load, and says so.
/// * **Replaced** by the vaults' own answers as soon as one can be had: the background task goes on asking, with growing
///   pauses. Only what differs is told as a change. Until then [`Health::is_stale`](crate::Health::is_stale) says so, and
///   the settings are as old as the file says.
///
/// A file that is refused — tampered with, too old, of another vault, identity or key, see [`SealedRefusal`] — is as good as
/// none: the start goes on trying the vaults until its deadline, and its error tells both.
///
/// # What is in the file
///
/// The secrets that the settings used, with their versions, properties and dates; the ids of optional secrets that did not
/// exist; where settings come from secrets by name, the names and properties of the default vault's other secrets, too, but
/// not their values. All of it is encrypted.
///
/// The file is created with the mode `0600` (on Unix; elsewhere the directory's permissions are inherited) and replaced in
/// one step: whatever ends the process or the machine, the old file or the new one is there. Of several processes that
/// write one file, the last one wins, whole. Each should have its own all the same, and a service its own key.
///
/// # Rotating the key
///
/// Give the new key and start: the old file is refused, which does not matter while the vaults can be reached, and the new
/// one is written within moments. A copy of an old file, in a backup, can be opened with the old key for ever: destroy the
/// key, and rotate the secrets if it got out.
///
/// # Format 1
///
/// Integers are unsigned and big-endian. Keys are derived from the caller's by HKDF-SHA256
/// ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)) with the salt of the file: `k(purpose, n)` is `n` bytes of it, for
/// the `info` `keyvault sealed 1 purpose`. A text is its length in 8 bytes and its bytes in UTF-8.
///
/// | at | bytes | |
/// |---|---|---|
/// | 0 | 8 | `KVSEALED` |
/// | 8 | 2 | format: 1 |
/// | 10 | 8 | when the secrets were last known good: nanoseconds since 1970 |
/// | 18 | 32 | salt, random for each file |
/// | 50 | 32 | which key: `k(check, 32)` |
/// | 82 | 32 | which vaults: `k(vaults, 32)`, the origins following the purpose as texts, the default vault's first |
/// | 114 | 32 | which identity: `k(identity, 32)`, the identity following the purpose as a text |
/// | 146 | 8 | length of the content: *n* |
/// | 154 | *n* | content, encrypted with AES-256-GCM; `k(content, 44)` is its key and its nonce, bytes 0 to 153 are authenticated with it |
/// | 154 + *n* | 16 | tag |
///
/// The content is three lists, each after its length in 8 bytes:
///
/// * secrets: the URL by which one was asked for, its properties, its value as a text, the time of the vault's answer;
/// * the URLs of optional secrets that did not exist;
/// * a flag, and if it is set, the list of properties that the default vault gave.
///
/// A flag is a byte, 0 or 1; an optional thing is a flag and, if it is set, the thing; a time is optional nanoseconds since
/// 1970. Properties are the URL, flags for enabled and managed, the times `created`, `updated`, `expires` and `not_before`,
/// optional texts for the content type, the key's id, the previous version and the recovery level, the optional number of
/// recoverable days in 8 bytes, and the list of tags, two texts each.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// use keyvault::{SealedSnapshot, SealingKey};
///
/// # fn main() -> keyvault::Result<()> {
/// # let text = "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY=";
/// let key = SealingKey::from_base64(text)?; // or from_file("/run/credentials/shop.service/sealing-key")
/// let sealed = SealedSnapshot::new("/var/lib/shop/secrets.sealed", key)
///     .identity("shop-production")
///     .max_age(Duration::from_secs(12 * 3_600));
/// # _ = sealed;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct SealedSnapshot {
    path: PathBuf,
    key: Arc<SealingKey>,
    identity: String,
    pub(super) max_age: Duration,
    pub(super) patience: Duration,
}

/// What a sealed snapshot holds, without a value.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct SealedContents {
    /// When its secrets were last known good.
    pub as_of: SystemTime,
    /// Its secrets, with their versions.
    pub secrets: Vec<SecretId>,
}

impl SealedSnapshot {
    /// Names the file and the key. The directory must exist, and this program must be able to write to it.
    pub fn new(path: impl Into<PathBuf>, key: SealingKey) -> Self {
        Self {
            path: path.into(),
            key: Arc::new(key),
            identity: String::new(),
            max_age: Duration::from_secs(24 * 3_600),
            patience: Duration::from_secs(10),
        }
    }

    /// Names who may open the file: what reads the vaults, such as the client id of a managed identity. A file that was
    /// sealed under another name is refused. Default: the empty name.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Sets for how long secrets may be used after they were last known good. It is also for how long a permission that was
    /// taken away may go unnoticed while no vault can be asked. Default: 24 hours.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets for how long a start tries the vaults before it opens the file: longer than a start takes on a good day. Of a
    /// start-up deadline of less than twice as long it is half. Default: 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Opens the file as a start in an outage would, and tells what it holds. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// Why the file would be refused.
    pub fn check(&self, resolver: &Resolver) -> Result<SealedContents, SealedRefusal> {
        let (snapshot, as_of) = self.open(&self.binding(resolver), SystemTime::now())?;
        let secrets = snapshot.iter().map(|(_, secret)| secret.id().clone()).collect();
        Ok(SealedContents { as_of, secrets })
    }

    /// Removes the file at `path`, and what a process that ended in the middle of a write left beside it. Tells whether
    /// there was a file. Blocks for a moment.
    ///
    /// A program that still runs with it writes it again.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the file is there and stays.
    pub fn remove(path: impl AsRef<Path>) -> Result<bool> {
        file::remove(path.as_ref()).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "sealed snapshot could not be removed")
                .caused_by(error.kind().to_string())
        })
    }

    pub(super) fn open(&self, binding: &Binding, now: SystemTime) -> Result<(Snapshot, SystemTime), SealedRefusal> {
        let mut file = file::read(&self.path)?;
        envelope::open(&mut file, &self.key, binding, (now, self.max_age))
    }

    pub(super) fn binding(&self, resolver: &Resolver) -> Binding {
        Binding { vaults: resolver.vaults(), identity: self.identity.clone() }
    }

    /// The key must not lie beside the file that it opens.
    pub(super) fn check_places(&self) -> Result<()> {
        if self.path.file_name().is_none() {
            return Err(Error::invalid("path of the sealed snapshot names no file"));
        }
        if self.key.lies_beside(&self.path) {
            return Err(Error::invalid("file of the sealing key is in the directory of the sealed snapshot")
                .with_help("keep the key on another disk than the file: whoever copies both has the secrets"));
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn key(&self) -> &SealingKey {
        &self.key
    }
}

impl fmt::Debug for SealedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSnapshot")
            .field("path", &self.path)
            .field("identity", &self.identity)
            .field("max_age", &self.max_age)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
