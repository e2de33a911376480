//! The data file: the vaults and the identity of the emulator across restarts.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::atomic_file::{self, Readers};
use crate::certificates::CertificateAuthority;
use crate::identity::AppRegistration;
use crate::protocol::to_json;
use crate::service::Service;
use crate::vaults::VaultMap;

/// A file that follows the vaults. It contains no clock, faults, denials or counters.
pub(crate) struct DataFile {
    path: PathBuf,
    certificate: String,
    key: String,
    /// Held during a write, so that an old state never replaces a new one.
    writing: Mutex<()>,
    progress: watch::Sender<SaveProgress>,
}

/// The last write.
#[derive(Clone, Copy, Debug)]
struct SaveProgress {
    /// The number of changes that the write covered.
    changes: u64,
    succeeded: bool,
}

/// The content of a data file that was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedData {
    keyvault_emulator: u32,
    #[serde(rename = "identity")]
    pub(crate) registration: AppRegistration,
    certificate: String,
    key: String,
    pub(crate) vaults: VaultMap,
}

/// The content of a data file to write.
#[derive(Serialize)]
struct SavedDataRef<'a> {
    keyvault_emulator: u32,
    #[serde(rename = "identity")]
    registration: &'a AppRegistration,
    certificate: &'a str,
    key: &'a str,
    vaults: &'a VaultMap,
}

impl SavedData {
    /// Reads a file. `None` if it does not exist. A file that cannot be parsed is an error and stays unchanged.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let failed = |kind, problem: &dyn fmt::Display| {
            io::Error::new(kind, format!("cannot read the data file {}: {problem}", path.display()))
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.kind(), &error)),
        };
        let data = Self::parse(&bytes).map_err(|problem| {
            failed(
                io::ErrorKind::InvalidData,
                &format!("{problem}; the file is unchanged: move it away to start empty"),
            )
        })?;
        Ok(Some(data))
    }

    /// Parses the content of a file. The problem never quotes it, because it contains secrets.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let data: Self = serde_json::from_slice(bytes).map_err(|error| {
            format!("it is damaged or not a data file (line {}, column {})", error.line(), error.column())
        })?;
        if data.keyvault_emulator != FORMAT {
            return Err("it has the format of another version of the emulator".to_owned());
        }
        data.authority().map_err(|_| "it is damaged: the certificate authority cannot be parsed".to_owned())?;
        if !data.vaults.is_valid() {
            return Err("it is damaged: a secret has an invalid name or no version".to_owned());
        }
        Ok(data)
    }

    /// Returns the certificate authority.
    pub(crate) fn authority(&self) -> io::Result<CertificateAuthority> {
        CertificateAuthority::from_pem(&self.certificate, &self.key)
    }
}

impl DataFile {
    /// Creates a data file without writing it.
    pub(crate) fn new(path: PathBuf, authority: &CertificateAuthority) -> Self {
        Self {
            path,
            certificate: authority.pem().to_owned(),
            key: authority.key_pem(),
            writing: Mutex::default(),
            progress: watch::Sender::new(SaveProgress { changes: 0, succeeded: false }),
        }
    }

    /// Writes the vaults if the file does not contain their latest change.
    pub(crate) fn save(&self, service: &Service) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (changes, content) = {
            let state = service.state();
            let last = *self.progress.borrow();
            if last.succeeded && last.changes == state.changes {
                return Ok(());
            }
            let data = SavedDataRef {
                keyvault_emulator: FORMAT,
                registration: &service.registration,
                certificate: &self.certificate,
                key: &self.key,
                vaults: &state.vaults,
            };
            (state.changes, to_json(&data))
        };
        let written = atomic_file::write(&self.path, &content, Readers::Owner);
        self.progress.send_replace(SaveProgress { changes, succeeded: written.is_ok() });
        written
    }

    /// Saves each change of the service's vaults, until the task is aborted.
    pub(crate) async fn follow(self: Arc<Self>, service: Arc<Service>) {
        loop {
            service.changed.notified().await;
            let (file, service) = (Arc::clone(&self), Arc::clone(&service));
            // A failed write fails the requests that wait for it, and the next change retries it.
            let _ = tokio::task::spawn_blocking(move || file.save(&service)).await;
        }
    }

    /// Waits until a change is written. Returns whether the write succeeded.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn wait_for(&self, change: u64) -> bool {
        let mut progress = self.progress.subscribe();
        // The sender lives as long as `self`.
        progress.wait_for(|progress| progress.changes >= change).await.is_ok_and(|progress| progress.succeeded)
    }
}

impl fmt::Debug for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The format version of the file.
const FORMAT: u32 = 1;
