//! Files that are written completely or not at all.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::output_path::OutputPath;

/// The treatment of a file that already exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes `bytes` to a temporary file beside `path`, syncs it to disk and renames it to `path`.
///
/// The file gets exactly `mode`, whatever the umask and the old file's mode are, and belongs to the user who runs the
/// command. On Windows it inherits the permissions of its directory. A symbolic link to a file is replaced, not
/// followed. A pipe, a character device, an open descriptor and a link to one of these are written through and keep
/// their mode.
///
/// # Errors
///
/// `path` is neither a file nor a stream, or exists and `existing` is [`Existing::Keep`]. Also each error of the file
/// system.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    if let OutputPath::Stream(stream) = OutputPath::of(path)? {
        return stream.write(bytes);
    }
    let mut file = create_beside(path)?;
    set_mode(file.as_file(), mode)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path)?,
        Existing::Replace => file.persist(path)?,
    };
    // The rename is durable once the directory is synced. Some file systems cannot sync a directory.
    let _ = File::open(directory_of(path)).and_then(|directory| directory.sync_all());
    Ok(())
}

/// Creates a temporary file with mode 0600 in the directory of `path`. Dropping it removes it.
fn create_beside(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let name: String = name.chars().take(100).collect();
    tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(".tmp").tempfile_in(directory_of(path))
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(windows)]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Returns whether a file has the mode that [`write()`] gave it.
#[cfg(unix)]
pub(crate) fn has_mode(file: &Metadata, mode: u32) -> bool {
    std::os::unix::fs::MetadataExt::mode(file) & 0o7777 == mode
}

#[cfg(windows)]
pub(crate) fn has_mode(_: &Metadata, _: u32) -> bool {
    true
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        write(path, bytes, mode, Existing::Replace)
    }

    #[test]
    fn a_file_is_replaced_completely_and_gets_the_mode_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("out"), directory.path().join("link"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"linked", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old", "a link is not followed");
        replace(&path, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        for (path, mode) in [(&path, 0o640), (&link, 0o600)] {
            let metadata = fs::symlink_metadata(path).unwrap();
            assert!(metadata.is_file());
            assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        }
        assert!(replace(directory.path(), b"x", 0o600).is_err(), "a directory is not replaced");
        replace(Path::new("/dev/null"), b"x", 0o600).unwrap();
        assert!(!fs::symlink_metadata("/dev/null").unwrap().is_file(), "a device is written through");
        assert!(replace(&directory.path().join("no/such"), b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn an_existing_file_is_kept_if_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        write(&path, b"first", 0o600, Existing::Keep).unwrap();
        let error = write(&path, b"second", 0o600, Existing::Keep).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
