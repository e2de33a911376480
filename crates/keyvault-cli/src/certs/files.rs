//! The files of one version of a certificate, and the names under which programs open them.
//!
//! On Unix a file has the version in its name, and a symbolic link leads to the newest. On Windows, where links need a
//! privilege, there is only the file that programs open.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::access::Access;
use crate::atomic_file::{self, Existing};
use crate::failure::Failure;

/// The files of one version of a certificate.
pub(super) struct CertificateFiles {
    pub(super) directory: PathBuf,
    /// Whether others than the owner may read a file of the directory.
    pub(super) is_shared: bool,
    pub(super) access: Access,
    pub(super) files: Vec<CertificateFile>,
}

/// One file.
#[cfg_attr(windows, expect(dead_code, reason = "there is no file of each version"))]
pub(super) struct CertificateFile {
    /// The name under which programs open it: `contoso.tls.pem`.
    pub(super) link: String,
    /// The beginning of the name of each version: `contoso.tls.`.
    pub(super) base: String,
    pub(super) version: String,
    pub(super) suffix: &'static str,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl CertificateFiles {
    /// Writes what can be written before anything that programs open changes. Returns whether anything was written.
    pub(super) fn stage(&self) -> Result<bool, Failure> {
        let created = self.access.create_directory(&self.directory, self.is_shared);
        created.map_err(|error| Failure::of_file(&self.directory, error))?;
        self.each(CertificateFile::stage)
    }

    /// Replaces what programs open, each file in one step. Returns whether anything was replaced.
    pub(super) fn publish(&self) -> Result<bool, Failure> {
        self.each(CertificateFile::publish)
    }

    fn each(&self, step: Step) -> Result<bool, Failure> {
        let mut is_changed = false;
        for file in &self.files {
            let changed = step(file, &self.directory, &self.access);
            is_changed |= changed.map_err(|error| Failure::of_file(&self.directory.join(&file.link), error))?;
        }
        Ok(is_changed)
    }
}

/// A step of writing a file into a directory. Returns whether it changed anything.
type Step = fn(&CertificateFile, &Path, &Access) -> io::Result<bool>;

#[cfg(unix)]
impl CertificateFile {
    fn stage(&self, directory: &Path, access: &Access) -> io::Result<bool> {
        write(&directory.join(self.versioned(&self.version)), &self.content, access)
    }

    /// Switches the link, and then removes the files of all versions but this one and the one before.
    fn publish(&self, directory: &Path, _: &Access) -> io::Result<bool> {
        let (link, target) = (directory.join(&self.link), self.versioned(&self.version));
        let before = fs::read_link(&link).ok();
        if before.as_deref() == Some(Path::new(&target)) {
            return Ok(false);
        }
        atomic_file::link(&link, &target)?;
        // Without a link, the version before is unknown.
        if let Some(before) = before.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()) {
            self.remove_older(directory, [&target, before])?;
        }
        Ok(true)
    }

    fn versioned(&self, version: &str) -> String {
        format!("{}{version}{}", self.base, self.suffix)
    }

    fn remove_older(&self, directory: &Path, kept: [&str; 2]) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| !kept.contains(name)) else { continue };
            let version = name.strip_prefix(&self.base).and_then(|rest| rest.strip_suffix(self.suffix));
            if version.is_some_and(is_version) {
                fs::remove_file(directory.join(name))?;
            }
        }
        Ok(())
    }
}

/// Returns whether `text` is what this command puts in a name: the version of a secret.
#[cfg(unix)]
fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(windows)]
impl CertificateFile {
    fn stage(&self, _: &Path, _: &Access) -> io::Result<bool> {
        Ok(false)
    }

    fn publish(&self, directory: &Path, access: &Access) -> io::Result<bool> {
        write(&directory.join(&self.link), &self.content, access)
    }
}

/// Writes a file unless it has this content and access already. Returns whether it was written.
fn write(path: &Path, content: &[u8], access: &Access) -> io::Result<bool> {
    let is_current = fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && access.is_of(path, &file))
        && fs::read(path).map(Zeroizing::new).is_ok_and(|bytes| *bytes == content);
    if !is_current {
        atomic_file::write(path, content, access, Existing::Replace)?;
    }
    Ok(!is_current)
}
