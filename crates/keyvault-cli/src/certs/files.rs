//! The files of one version of a certificate, and the names under which programs open them.
//!
//! On Unix a file has the version in its name, and a symbolic link leads to the newest. On Windows, where links need a
//! privilege, there is only the file that programs open.

use std::fs::{self, Metadata};
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
    ///
    /// # Errors
    ///
    /// A name that programs open is a directory. Also each error of the file system.
    pub(super) fn stage(&self, is_changed: &mut bool) -> Result<(), Failure> {
        let created = self.access.create_directory(&self.directory, self.is_shared);
        created.map_err(|error| Failure::of_file(&self.directory, error))?;
        for file in &self.files {
            let link = self.directory.join(&file.link);
            // It cannot be replaced. Found later, the files of other certificates would have been replaced already.
            if fs::symlink_metadata(&link).is_ok_and(|found| found.is_dir()) {
                return Err(Failure::of_file(&link, io::ErrorKind::IsADirectory.into()));
            }
        }
        self.each(CertificateFile::stage, is_changed)
    }

    /// Replaces what programs open, each file in one step. Sets `is_changed` if one was replaced, also if a later one
    /// fails.
    pub(super) fn publish(&self, is_changed: &mut bool) -> Result<(), Failure> {
        self.each(CertificateFile::publish, is_changed)
    }

    fn each(&self, step: FileStep, is_changed: &mut bool) -> Result<(), Failure> {
        for file in &self.files {
            let changed = step(file, &self.directory, &self.access);
            *is_changed |= changed.map_err(|error| Failure::of_file(&self.directory.join(&file.link), error))?;
        }
        Ok(())
    }
}

/// A step of writing a file into a directory. Returns whether it changed anything.
type FileStep = fn(&CertificateFile, &Path, &Access) -> io::Result<bool>;

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

/// Writes a file unless it has this content and access already. Returns whether its content changed: a program need not
/// read the same content again, and on file systems that keep no owner or mode the access is wrong after each write.
fn write(path: &Path, content: &[u8], access: &Access) -> io::Result<bool> {
    let found = metadata_if_same(path, content).ok().flatten();
    if !found.as_ref().is_some_and(|found| access.is_of(path, found)) {
        atomic_file::write_file(path, content, access, Existing::Replace)?;
    }
    Ok(found.is_none())
}

/// Returns the metadata of the file at `path`. `None` if it has another content than `content`, or is no regular file.
///
/// The directory may belong to another user, who can put a link, a pipe or an endless file in the file's place: no link
/// is followed, a pipe is not waited for, and no more than the length of `content` is read.
fn metadata_if_same(path: &Path, content: &[u8]) -> io::Result<Option<Metadata>> {
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
    if !metadata.is_file() || metadata.len() != content.len() as u64 {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(vec![0; content.len()]);
    file.read_exact(&mut bytes)?;
    Ok((*bytes == content).then_some(metadata))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_of_another_length_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // More than any machine has memory for.
        file.as_file().set_len(1 << 42).unwrap();
        assert!(metadata_if_same(file.path(), b"content").unwrap().is_none());
    }

    #[test]
    fn a_file_whose_access_alone_is_wrong_is_written_without_a_change() {
        let (directory, access) = (tempfile::tempdir().unwrap(), Access::private());
        let path = directory.path().join("tls");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert!(write(&path, b"content", &access).unwrap());
        assert!(!write(&path, b"content", &access).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!write(&path, b"content", &access).unwrap());
        assert_eq!(mode(), 0o600);
        for other in ["CONTENT", "contents", ""] {
            fs::write(&path, other).unwrap();
            assert!(write(&path, b"content", &access).unwrap(), "{other}");
            assert_eq!(fs::read(&path).unwrap(), b"content");
        }
    }
}
