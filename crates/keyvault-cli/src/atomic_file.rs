//! Files that are written completely or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::access::Access;
use crate::output_path::OutputPath;

/// The treatment of a file that already exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes `bytes` to a temporary file beside `path`, syncs it to disk and renames it to `path`.
///
/// The file gets exactly `access`, whatever the umask, the old file's mode and the default access control list of the
/// directory are, and belongs to the user who runs the command unless `access` names another. On Windows it inherits
/// the permissions of its directory. A symbolic link to a file is replaced, not followed. A pipe, a character device,
/// an open descriptor and a link to one of these are written through and keep their mode.
///
/// # Errors
///
/// `path` is neither a file nor a stream, or exists and `existing` is [`Existing::Keep`]. Also each error of the file
/// system.
pub(crate) fn write(path: &Path, bytes: &[u8], access: &Access, existing: Existing) -> io::Result<()> {
    match OutputPath::of(path)? {
        OutputPath::Stream(stream) => stream.write(bytes),
        OutputPath::File => write_file(path, bytes, access, existing),
    }
}

/// Writes `bytes` like [`write()`], but always to a file: also a link to a stream, and a pipe, is replaced.
///
/// # Errors
///
/// `path` is a directory, or exists and `existing` is [`Existing::Keep`]. Also each error of the file system.
pub(crate) fn write_file(path: &Path, bytes: &[u8], access: &Access, existing: Existing) -> io::Result<()> {
    // The mode is 0600 until `access` changes it, and dropping the file removes it.
    let prefix = temporary_prefix(path)?;
    let mut file = tempfile::Builder::new().prefix(&prefix).suffix(TEMPORARY_SUFFIX).tempfile_in(directory_of(path))?;
    access.apply(file.as_file())?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path)?,
        Existing::Replace => file.persist(path)?,
    };
    sync_directory(path);
    Ok(())
}

/// Makes `path` a symbolic link to `target`, in one step: a reader finds the old target or the new one.
///
/// # Errors
///
/// `path` is a directory. Also each error of the file system.
#[cfg(unix)]
pub(crate) fn link(path: &Path, target: &str) -> io::Result<()> {
    let prefix = temporary_prefix(path)?;
    let mut name = tempfile::Builder::new();
    name.prefix(&prefix).suffix(TEMPORARY_SUFFIX);
    let link = name.make_in(directory_of(path), |link| std::os::unix::fs::symlink(target, link))?;
    link.persist(path)?;
    sync_directory(path);
    Ok(())
}

/// Makes a rename durable. Some file systems cannot sync a directory.
fn sync_directory(path: &Path) {
    let _ = File::open(directory_of(path)).and_then(|directory| directory.sync_all());
}

/// Returns the beginning of a temporary name beside `path`.
fn temporary_prefix(path: &Path) -> io::Result<String> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(format!(".{}.", name.chars().take(100).collect::<String>()))
}

const TEMPORARY_SUFFIX: &str = ".tmp";

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
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        write(path, bytes, &Access::new(mode), Existing::Replace)
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
    fn a_link_is_switched_in_one_step() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("link");
        let targets = ["first", "second"];
        for target in targets {
            fs::write(directory.path().join(target), target).unwrap();
        }
        link(&path, targets[0]).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let text = fs::read_to_string(&path).expect("there is always a target");
                    assert!(targets.contains(&text.as_str()), "{text}");
                }
            });
            for target in targets.iter().cycle().take(200) {
                link(&path, target).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert_eq!(fs::read_link(&path).unwrap(), Path::new(targets[1]));
        fs::create_dir(directory.path().join("folder")).unwrap();
        assert!(link(&directory.path().join("folder"), "first").is_err(), "a directory is not replaced");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "no temporary file is left");
    }

    #[test]
    fn an_existing_file_is_kept_if_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        write(&path, b"first", &Access::private(), Existing::Keep).unwrap();
        let error = write(&path, b"second", &Access::private(), Existing::Keep).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
