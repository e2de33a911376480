//! The data file: the vaults and the identity of the emulator across restarts.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::atomic_file::{self, Readers};
use super::file_lock::FileLock;
use crate::app_configuration::StoreMap;
use crate::certificates::CertificateAuthority;
use crate::identity::AppRegistration;
use crate::protocol::to_json;
use crate::service::{Data, Service};
use crate::vaults::VaultMap;

/// A data file that this emulator has locked.
#[derive(Debug)]
pub(crate) struct LockedFile {
    path: PathBuf,
    lock: FileLock,
}

/// A file that follows the vaults. It contains no clock, faults, denials or counters.
pub(crate) struct DataFile {
    path: PathBuf,
    certificate: String,
    key: String,
    writer: Mutex<Writer>,
}

/// The state that is locked during a write, so that an old state never replaces a new one.
#[derive(Debug)]
struct Writer {
    /// `None` after the file is closed.
    lock: Option<FileLock>,
    /// The number of changes that the file contains. `None` if no write succeeded, or the last one failed.
    saved_changes: Option<u64>,
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
    vaults: VaultMap,
    /// Absent in the file of an emulator without App Configuration.
    #[serde(default)]
    stores: StoreMap,
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
    stores: &'a StoreMap,
}

impl LockedFile {
    /// Locks a file and removes the temporary files that a killed emulator left beside it.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        atomic_file::check_regular(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot use the data file {}: {error}", path.display()))
        })?;
        let lock = FileLock::acquire(&path)?;
        // No other emulator writes beside a locked file.
        atomic_file::remove_leftovers(&path, Duration::ZERO);
        Ok(Self { path, lock })
    }
}

impl SavedData {
    /// Reads a file. `None` if it does not exist. A file that cannot be parsed is an error and stays unchanged.
    pub(crate) fn read(file: &LockedFile) -> io::Result<Option<Self>> {
        let path: &Path = &file.path;
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
        if !data.registration.access_keys.is_valid() {
            return Err("it is damaged: an access key is empty or not base64".to_owned());
        }
        if !data.vaults.is_valid() {
            return Err("it is damaged: a secret has an invalid name or no version".to_owned());
        }
        if !data.stores.is_valid() {
            return Err("it is damaged: a key-value has another key or no state".to_owned());
        }
        Ok(data)
    }

    /// Returns the vaults and stores.
    pub(crate) fn into_data(self) -> Data {
        Data { vaults: self.vaults, stores: self.stores }
    }

    /// Returns the certificate authority.
    pub(crate) fn authority(&self) -> io::Result<CertificateAuthority> {
        CertificateAuthority::from_pem(&self.certificate, &self.key)
    }
}

impl DataFile {
    /// Creates a data file without writing it.
    pub(crate) fn new(file: LockedFile, authority: &CertificateAuthority) -> Self {
        Self {
            path: file.path,
            certificate: authority.pem().to_owned(),
            key: authority.key_pem(),
            writer: Mutex::new(Writer { lock: Some(file.lock), saved_changes: None }),
        }
    }

    /// Writes the vaults if the file does not contain their latest change. If the write fails, the changes of clients
    /// that wait for it are discarded.
    pub(crate) fn save(&self, service: &Service) -> io::Result<()> {
        self.save_with(&mut self.writer(), service)
    }

    /// Writes the vaults like [`save`](Self::save) and unlocks the file. Later writes fail.
    pub(crate) fn close(&self, service: &Service) -> io::Result<()> {
        let mut writer = self.writer();
        let saved = self.save_with(&mut writer, service);
        writer.lock = None;
        saved
    }

    fn save_with(&self, writer: &mut Writer, service: &Service) -> io::Result<()> {
        if writer.lock.is_none() {
            return Err(io::Error::other("the emulator has stopped and closed its data file"));
        }
        let (changes, content) = {
            let mut state = service.state();
            let changes = state.data.changes();
            if writer.saved_changes == Some(changes) {
                return Ok(());
            }
            let data = state.data.begin_save();
            let content = SavedDataRef {
                keyvault_emulator: FORMAT,
                registration: &service.registration,
                certificate: &self.certificate,
                key: &self.key,
                vaults: &data.vaults,
                stores: &data.stores,
            };
            (changes, to_json(&content))
        };
        let written = atomic_file::write(&self.path, &content, Readers::Owner);
        writer.saved_changes = written.is_ok().then_some(changes);
        service.state().data.end_save(written.is_ok());
        written
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves each change of the service's vaults, until the task is aborted.
    pub(crate) async fn follow(self: Arc<Self>, service: Arc<Service>) {
        loop {
            service.changed.notified().await;
            let (file, service) = (Arc::clone(&self), Arc::clone(&service));
            // A failed write fails the requests that wait for it. The next change writes the file again.
            let _ = tokio::task::spawn_blocking(move || file.save(&service)).await;
        }
    }
}

impl fmt::Debug for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The format version of the file.
const FORMAT: u32 = 1;
