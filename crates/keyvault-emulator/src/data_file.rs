//! What is kept from one run to the next: the vaults, and who the emulator is.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::json;
use crate::file::{self, Readers};
use crate::identity::Identity;
use crate::service::Service;
use crate::tls::Authority;
use crate::vault::Vault;

/// A file that follows the vaults. Clock, faults, denials and counters are not kept.
pub(crate) struct DataFile {
    path: PathBuf,
    certificate: String,
    key: String,
    /// Taken while the file is written, so that an old state never replaces a new one.
    writing: Mutex<()>,
    saved: watch::Sender<Saved>,
}

/// How far the file has followed.
#[derive(Clone, Copy, Debug)]
struct Saved {
    changes: u64,
    is_good: bool,
}

/// The content of a file, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    keyvault_emulator: u32,
    pub(crate) identity: Identity,
    certificate: String,
    key: String,
    pub(crate) vaults: BTreeMap<String, Vault>,
}

/// The content of a file, as it is written.
#[derive(Serialize)]
struct View<'a> {
    keyvault_emulator: u32,
    identity: &'a Identity,
    certificate: &'a str,
    key: &'a str,
    vaults: &'a BTreeMap<String, Vault>,
}

impl Content {
    /// Reads a file; `None` if there is none. One that cannot be understood is an error, and stays as it is.
    pub(crate) fn read(path: &PathBuf) -> io::Result<Option<Self>> {
        let named = |kind, problem: &dyn fmt::Display| {
            io::Error::new(kind, format!("cannot read the data file {}: {problem}", path.display()))
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(error.kind(), &error)),
        };
        // Neither quotes what it found: the file is full of secrets.
        let damaged = |what: String| {
            named(io::ErrorKind::InvalidData, &format!("{what}; it was left as it is, move it away to begin anew"))
        };
        let content: Self = serde_json::from_slice(&bytes).map_err(|error| {
            damaged(format!("it is damaged, or none of ours (line {}, column {})", error.line(), error.column()))
        })?;
        if content.keyvault_emulator != FORMAT {
            return Err(damaged("another version of the emulator wrote it".to_owned()));
        }
        content.authority().map_err(|_| damaged("it is damaged: the certificate authority is none".to_owned()))?;
        if !content.vaults.values().all(Vault::is_sound) {
            return Err(damaged("it is damaged: a secret without a name or a version".to_owned()));
        }
        Ok(Some(content))
    }

    /// Takes up the authority.
    pub(crate) fn authority(&self) -> io::Result<Authority> {
        Authority::from_pem(&self.certificate, &self.key)
    }
}

impl DataFile {
    /// Makes a file that nothing has been written to yet.
    pub(crate) fn new(path: PathBuf, authority: &Authority) -> Self {
        Self {
            path,
            certificate: authority.pem().to_owned(),
            key: authority.key_pem(),
            writing: Mutex::default(),
            saved: watch::Sender::new(Saved { changes: 0, is_good: false }),
        }
    }

    /// Writes the vaults as they are, if they are not in the file yet.
    pub(crate) fn save(&self, service: &Service) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (changes, content) = {
            let state = service.state();
            let saved = *self.saved.borrow();
            if saved.is_good && saved.changes == state.changes {
                return Ok(());
            }
            let view = View {
                keyvault_emulator: FORMAT,
                identity: &service.identity,
                certificate: &self.certificate,
                key: &self.key,
                vaults: &state.vaults,
            };
            (state.changes, json(&view))
        };
        let written = file::write(&self.path, &content, Readers::Owner);
        self.saved.send_replace(Saved { changes, is_good: written.is_ok() });
        written
    }

    /// Waits until a change is in the file; false if it could not be written.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when dropped.
    pub(crate) async fn has(&self, change: u64) -> bool {
        let mut saved = self.saved.subscribe();
        // The sender lives as long as this does.
        saved.wait_for(|saved| saved.changes >= change).await.is_ok_and(|saved| saved.is_good)
    }
}

impl fmt::Debug for DataFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The number of this shape of the file.
const FORMAT: u32 = 1;
