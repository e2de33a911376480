//! The files of one version of a certificate, and the names under which programs open them.
//!
//! On Unix a file has the version in its name, and a symbolic link leads to the newest. On Windows, where links need a
//! privilege, there is only the file that programs open.

use std::fs;
use std::io::{self, Read};
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
    /// Writes what can be written before anything that programs open changes. Sets `is_changed` if a file was written,
    /// also if a later one fails.
    pub(super) fn stage(&self, is_changed: &mut bool) -> Result<(), Failure> {
        let created = self.access.create_directory(&self.directory, self.is_shared);
        created.map_err(|error| Failure::of_file(&self.directory, error))?;
        self.each(CertificateFile::stage, is_changed)
    }

    /// Replaces what programs open, each file in one step. Sets `is_changed` if one was replaced, also if a later one
    /// fails.
    pub(super) fn publish(&self, is_changed: &mut bool) -> Result<(), Failure> {
        self.each(CertificateFile::publish, is_changed)
    }

    fn each(&self, step: Step, is_changed: &mut bool) -> Result<(), Failure> {
        for file in &self.files {
            let changed = step(file, &self.directory, &self.access);
            *is_changed |= changed.map_err(|error| Failure::of_file(&self.directory.join(&file.link), error))?;
        }
        Ok(())
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
            self.remove_older(directory, [&target, before]);
        }
        Ok(true)
    }

    fn versioned(&self, version: &str) -> String {
        format!("{}{version}{}", self.base, self.suffix)
    }

    /// Removes the files of other versions. A file that stays is printed and is no failure: the new version is in use
    /// already.
    fn remove_older(&self, directory: &Path, kept: [&str; 2]) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !kept.contains(name)) else { continue };
            let version = name.strip_prefix(&self.base).and_then(|rest| rest.strip_suffix(self.suffix));
            if !version.is_some_and(is_version) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    eprintln!("keyvault: cannot remove {}: {error}", entry.path().display());
                }
                _ => {}
            }
        }
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
    let is_current = read(path, access).is_ok_and(|bytes| bytes.is_some_and(|bytes| *bytes == content));
    if !is_current {
        atomic_file::write_file(path, content, access, Existing::Replace)?;
    }
    Ok(!is_current)
}

/// Reads a file. `None` if it is no regular file, or one with another access.
///
/// The directory may belong to another user, who can put a link or a pipe in the file's place: neither is followed or
/// waited for.
fn read(path: &Path, access: &Access) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !access.is_of(path, &metadata) {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
