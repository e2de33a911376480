//! The lock of a data file, which keeps a second emulator away from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::atomic_file;

/// A lock on a file. The system releases it when the value is dropped and when the process ends, even if it is killed.
///
/// A hidden file beside the data file holds the lock, because each write replaces the data file itself. The lock file
/// is empty and stays: if it were removed, two emulators could each hold one.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks a file, which need not exist.
    pub(super) fn acquire(path: &Path) -> io::Result<Self> {
        let lock = atomic_file::beside(path, ".lock");
        open(&lock).and_then(try_lock).map(|file| Self { _file: file }).map_err(|error| {
            if is_held(&error) {
                let problem = format!("another emulator uses the data file {}", path.display());
                return io::Error::new(io::ErrorKind::ResourceBusy, problem);
            }
            io::Error::new(error.kind(), format!("cannot lock {}: {error}", lock.display()))
        })
    }
}

/// Opens or creates the lock file. Creates nothing behind a link.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // No other process can open the file while this one has it open.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            atomic_file::check_regular(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

#[cfg(unix)]
fn try_lock(file: File) -> io::Result<File> {
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

#[cfg(not(unix))]
fn try_lock(file: File) -> io::Result<File> {
    Ok(file)
}

/// Returns whether another holder of the lock caused an error.
fn is_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || (cfg!(windows) && error.raw_os_error() == Some(WINDOWS_SHARING_VIOLATION))
}

const WINDOWS_SHARING_VIOLATION: i32 = 32;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_second_lock_fails_until_the_first_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.json");
        let first = FileLock::acquire(&path).unwrap();
        let error = FileLock::acquire(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(error.to_string(), format!("another emulator uses the data file {}", path.display()));
        FileLock::acquire(&directory.path().join("other.json")).unwrap();
        drop(first);
        FileLock::acquire(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_link_is_refused_and_creates_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        std::os::unix::fs::symlink(&target, directory.path().join(".vault.json.lock")).unwrap();
        let error = FileLock::acquire(&directory.path().join("vault.json")).unwrap_err().to_string();
        assert!(error.contains(".vault.json.lock: it is a symbolic link"), "{error}");
        assert!(fs::symlink_metadata(target).is_err());
    }
}
