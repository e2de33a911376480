//! The settings of a sealed snapshot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::key::SealingKey;
use super::payload::{Binding, Payload};
use super::refusal::SealedRefusal;
use super::{file, format};
use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{Resolver, Snapshot};
use crate::secret::SecretId;

/// The last good secrets of live settings in an encrypted file, so that a program can start while no vault is
/// reachable.
///
/// [`LiveBuilder::sealed`](crate::LiveBuilder::sealed) enables it. The file is then:
///
/// * **Written** after every publication, and at most once a minute while nothing changes, so that the file states when
///   its secrets were last known good. The write happens in the background and never delays the settings. A failed
///   write logs a warning and appears in [`Health::sealed`](crate::Health::sealed).
/// * **Read** by a start only if the vaults were unreachable, throttled or hanging for as long as the
///   [time](SealedSnapshot::use_after). A refusal of a vault, such as a missing or disabled secret or an identity
///   without permission, fails the start as it does without a file: the file never provides a secret that the vault
///   just denied. An unreachable vault denies nothing, so a revoked permission lasts in an outage until the [maximum
///   age](SealedSnapshot::max_age); [`remove`](SealedSnapshot::remove) ends it at once.
/// * **Used** as the vaults' answers in one ordinary load. Files and variables are read in their current state, and the
///   application validates the settings as usual. A secret that the file does not contain fails the load with an error.
/// * **Replaced** by the vaults' own answers as soon as possible: the background task retries with growing pauses. Only
///   differences are published as a change. Until then, [`Health::is_stale`](crate::Health::is_stale) returns `true`,
///   and the age of the settings counts from the time in the file.
///
/// The start ignores a refused file: one that was changed, is too old, was [put back](SealedSnapshot::not_older_than),
/// or belongs to another vault, identity or key, see [`SealedRefusal`]. It tries the vaults until its deadline, and its
/// error reports both causes.
///
/// # Contents of the file
///
/// The file contains the secrets that the settings used, with their versions, properties and dates, and the identifiers
/// of optional secrets that did not exist. If a name map maps secrets to settings, it also contains the names and
/// properties of the default vault's other secrets, but not their values. All of this is encrypted.
///
/// The file has the mode `0600` on Unix; on other systems it inherits the permissions of the directory. It is replaced
/// atomically: after a crash of the process or the machine, either the old file or the new one exists. If several
/// processes write one file, the last complete write wins. Use one file for each process, and one key for each service.
///
/// # Rotating the key
///
/// Start the program with the new key. It refuses the old file, which does not matter while the vaults are reachable,
/// and writes a new one after the first publication. The old key opens an old file, such as one in a backup, forever:
/// destroy the old key, and rotate the secrets if it leaked.
///
/// # Format 1
///
/// Integers are unsigned and big-endian. Keys are derived from the caller's key by HKDF-SHA256
/// ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)) with the salt of the file: `k(purpose)` is 32 bytes for the
/// `info` `keyvault sealed 1 purpose`.
///
/// | at | bytes | |
/// |---|---|---|
/// | 0 | 8 | `KVSEALED` |
/// | 8 | 2 | format: 1 |
/// | 10 | 32 | salt, random for each file |
/// | 42 | 32 | the key: `k(check)` |
/// | 74 | 8 | length of the payload: *n* |
/// | 82 | *n* | payload in AES-256-GCM with the key `k(content)` and a nonce of zeros; bytes 0 to 81 are authenticated |
/// | 82 + *n* | 16 | tag |
///
/// The key of a file encrypts one payload, because the salt is new for each file. The payload is JSON: the time at
/// which the secrets were last known good, the origins of the vaults and the identity, the secrets with their values
/// and properties, the URLs of optional secrets that did not exist, and the properties that the default vault listed.
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
#[derive(Clone, Debug)]
#[must_use]
pub struct SealedSnapshot {
    pub(super) path: PathBuf,
    key: Arc<SealingKey>,
    identity: String,
    pub(super) max_age: Duration,
    /// The time of the newest file that the program knows.
    pub(super) newest: Option<SystemTime>,
    pub(super) use_after: Duration,
}

/// The contents of a sealed snapshot, without values.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct SealedContents {
    /// The time at which its secrets were last known good.
    pub as_of: SystemTime,
    /// The secrets, with their versions.
    pub secrets: Vec<SecretId>,
}

impl SealedSnapshot {
    /// Creates a sealed snapshot in the file at `path`. The directory must exist and be writable.
    pub fn new(path: impl Into<PathBuf>, key: SealingKey) -> Self {
        Self {
            path: path.into(),
            key: Arc::new(key),
            identity: String::new(),
            max_age: Duration::from_secs(24 * 3_600),
            newest: None,
            use_after: Duration::from_secs(10),
        }
    }

    /// Sets the identity that reads the vaults, such as the client ID of a managed identity.
    ///
    /// A file with another identity is refused. Default: empty.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = identity.into();
        self
    }

    /// Sets the time for which secrets may be used after they were last known good.
    ///
    /// A revoked permission may go unnoticed for the same time while no vault is reachable. Default: 24 hours.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets the time of the newest file that the program knows, so that a start refuses an older one.
    ///
    /// An attacker who can write the file may put back one from before a rotation. The program prevents that if it
    /// keeps [`SealedHealth::saved`](super::SealedHealth::saved) where the attacker cannot write, such as in a
    /// database, and sets it here at the next start. If the clock of the machine was set back by more than 5 minutes,
    /// files look older than they are and are refused until the clock has passed this time. Default: none; any file
    /// within the [maximum age](SealedSnapshot::max_age) is accepted.
    ///
    /// Instances with files of their own each need a time of their own: the time of one refuses the file of another. A
    /// database with less precision must round the time down, or the newest file itself is refused. A rounded time also
    /// accepts an earlier file that was written within the same unit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use keyvault::{Live, SealedSnapshot, SealingKey};
    /// # fn example(live: &Live<String>, key: SealingKey, stored: Option<SystemTime>) -> Option<SealedSnapshot> {
    /// // While the program runs: store this time now and then.
    /// let saved: Option<SystemTime> = live.health().sealed?.saved;
    /// // At the next start:
    /// let mut sealed = SealedSnapshot::new("/var/lib/shop/secrets.sealed", key);
    /// if let Some(stored) = stored {
    ///     sealed = sealed.not_older_than(stored);
    /// }
    /// # Some(sealed)
    /// # }
    /// ```
    pub fn not_older_than(mut self, newest: SystemTime) -> Self {
        self.newest = Some(newest);
        self
    }

    /// Sets the time for which a start tries the vaults before it opens the file.
    ///
    /// Choose more than an ordinary start takes. At most half of the start-up deadline counts. Default: 10 seconds.
    pub fn use_after(mut self, time: Duration) -> Self {
        self.use_after = time;
        self
    }

    /// Opens the file as a start in an outage would, and returns its contents. Blocks while it reads at most 16 MiB.
    ///
    /// # Errors
    ///
    /// The reason that a start would refuse the file.
    pub fn check(&self, resolver: &Resolver) -> Result<SealedContents, SealedRefusal> {
        let (snapshot, as_of) = self.open(&self.binding(resolver), SystemTime::now())?;
        let secrets = snapshot.iter().map(|(_, secret)| secret.id().clone()).collect();
        Ok(SealedContents { as_of, secrets })
    }

    /// Removes the file at `path` and the temporary files of interrupted writes. Returns whether the file existed.
    ///
    /// Blocks while it reads the directory. A program that still uses the file writes it again.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the file exists and cannot be removed.
    pub fn remove(path: impl AsRef<Path>) -> Result<bool> {
        file::remove(path.as_ref()).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "sealed snapshot could not be removed")
                .caused_by(error.kind().to_string())
        })
    }

    pub(super) fn open(&self, binding: &Binding, now: SystemTime) -> Result<(Snapshot, SystemTime), SealedRefusal> {
        let mut file = file::read(&self.path)?;
        let payload = Payload::decode(format::open(&mut file, &self.key)?).ok_or(SealedRefusal::UnknownFormat)?;
        payload.check(binding, now, self.max_age, self.newest)?;
        let as_of = payload.as_of;
        Ok((payload.into_snapshot().ok_or(SealedRefusal::UnknownFormat)?, as_of))
    }

    /// Writes the secrets of `snapshot`, which were last known good at `as_of`.
    pub(super) fn write(&self, snapshot: &Snapshot, as_of: SystemTime, binding: &Binding) -> Result<()> {
        let payload = Payload::new(snapshot, as_of, binding.clone()).encode()?;
        let bytes = format::seal(&payload, &self.key)?;
        file::write(&self.path, &bytes, |_| Ok(())).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "sealed snapshot could not be written")
                .caused_by(error.kind().to_string())
        })
    }

    pub(super) fn binding(&self, resolver: &Resolver) -> Binding {
        let vaults = resolver.vaults();
        let vaults = vaults.iter().map(|vault| vault.origin().to_owned()).collect();
        Binding { vaults, identity: self.identity.clone() }
    }

    /// Checks that the path names a file, and that the key is not in the same directory.
    pub(super) fn check_paths(&self) -> Result<()> {
        if self.path.file_name().is_none() {
            return Err(Error::invalid("sealed snapshot path has no file name"));
        }
        if self.key.is_beside(&self.path) {
            return Err(Error::invalid("sealing key file is in the directory of the sealed snapshot").with_help(
                "keep the key on another disk than the sealed snapshot: a copy of both reveals the secrets",
            ));
        }
        Ok(())
    }
}
