//! Atomic file writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::Builder;

/// The readers of a new file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readers {
    /// Every reader that the process's umask allows.
    Everyone,
    /// Only the owner. On Windows, every reader that the directory allows.
    Owner,
}

/// Replaces a file: a reader sees the old content or the new content, even after a crash.
///
/// Writes a temporary file in the same directory, syncs it, renames it, and syncs the directory. Fails if the path
/// names anything but a regular file.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    check_regular(path)
        .and_then(|()| replace(path, content, readers))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
}

/// Fails if a path names anything but a regular file. A free path is fine.
///
/// A write through a planted link would change a foreign file, and a rename would replace a device or a pipe.
pub(super) fn check_regular(path: &Path) -> io::Result<()> {
    let problem = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(found) if found.is_symlink() => "it is a symbolic link, and the emulator writes through none",
        Ok(_) => "it is not a regular file",
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn replace(target: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let directory = directory(target);
    let prefix = temporary_prefix(target);
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM_LETTERS);
    set_readers(&mut builder, readers);
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    // A link that was planted since the check is replaced. Its target stays unchanged.
    file.persist(target).map_err(|error| error.error)?;
    // Only syncing the directory makes the rename durable.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Sets the permissions of a new file. Without this, `tempfile` restricts it to its owner.
#[cfg(unix)]
fn set_readers(builder: &mut Builder<'_, '_>, readers: Readers) {
    use std::os::unix::fs::PermissionsExt;

    if readers == Readers::Everyone {
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
}

/// Does nothing: the file inherits the permissions of its directory.
#[cfg(not(unix))]
fn set_readers(_: &mut Builder<'_, '_>, _: Readers) {}

/// Removes the temporary files that killed emulators left beside a file, if they are at least this old.
///
/// Removes only regular files with the exact form of a temporary name. A file that cannot be removed stays.
pub(crate) fn remove_leftovers(path: &Path, min_age: Duration) {
    let Ok(entries) = fs::read_dir(directory(path)) else { return };
    let prefix = temporary_prefix(path);
    let leftovers = entries.flatten().filter(|entry| {
        let is_old = |modified: std::time::SystemTime| modified.elapsed().is_ok_and(|age| age >= min_age);
        entry.file_name().to_str().is_some_and(|name| is_temporary(name, &prefix))
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && (min_age.is_zero() || entry.metadata().and_then(|found| found.modified()).is_ok_and(is_old))
    });
    for leftover in leftovers {
        let _ = fs::remove_file(leftover.path());
    }
}

/// Returns the start of the names of a file's temporary files.
fn temporary_prefix(path: &Path) -> String {
    format!(".{}.keyvault-emulator-", path.file_name().unwrap_or_default().to_string_lossy())
}

fn is_temporary(name: &str, prefix: &str) -> bool {
    let random = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM_LETTERS && random.bytes().all(|letter| letter.is_ascii_alphanumeric())
    })
}

/// Returns the directory of a file.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the path of a hidden file beside another one.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

const SUFFIX: &str = ".tmp";
const RANDOM_LETTERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_write_sets_the_permissions_and_leaves_no_temporary_file() {
        use std::os::unix::fs::PermissionsExt;

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let directory = tempfile::tempdir().unwrap();
        let (ordinary, target) = (directory.path().join("ordinary"), directory.path().join("target"));
        fs::write(&ordinary, "").unwrap();
        for (readers, expected) in [(Readers::Owner, 0o600), (Readers::Everyone, mode(&ordinary))] {
            write(&target, b"new", readers).unwrap();
            assert_eq!(
                (fs::read_to_string(&target).unwrap().as_str(), mode(&target)),
                ("new", expected),
                "{readers:?}"
            );
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file remains");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_a_directory_and_a_device_are_neither_replaced_nor_written() {
        use std::os::unix::fs::symlink;

        let directory = tempfile::tempdir().unwrap();
        let [target, link, dangling, folder] =
            ["target", "link", "dangling", "folder"].map(|n| directory.path().join(n));
        fs::write(&target, "foreign").unwrap();
        symlink(&target, &link).unwrap();
        symlink(directory.path().join("none"), &dangling).unwrap();
        fs::create_dir(&folder).unwrap();
        for (path, problem) in [
            (link.as_path(), "it is a symbolic link"),
            (dangling.as_path(), "it is a symbolic link"),
            (folder.as_path(), "it is not a regular file"),
            (Path::new("/dev/null"), "it is not a regular file"),
        ] {
            let error = write(path, b"new", Readers::Everyone).unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot write {}: {problem}", path.display())), "{error}");
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "foreign");
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink() && fs::symlink_metadata(&dangling).unwrap().is_symlink()
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4, "no new file");
    }

    #[test]
    fn only_own_temporary_files_of_the_age_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let kept = [
            ".vault.json.AbC123.tmp",
            ".vault.json.keyvault-emulator-AbC12345.tmp.swp",
            ".vault.json.keyvault-emulator-AbC1234_.tmp",
            ".vault.json.keyvault-emulator-notes.tmp",
            "other.json",
            "vault.json",
        ];
        for name in kept {
            fs::write(directory.path().join(name), "foreign").unwrap();
        }
        fs::create_dir(directory.path().join(".vault.json.keyvault-emulator-folder00.tmp")).unwrap();
        let path = directory.path().join("vault.json");
        let before = names();
        fs::write(directory.path().join(".vault.json.keyvault-emulator-AbC12345.tmp"), "left").unwrap();
        remove_leftovers(&path, Duration::from_secs(60));
        assert_eq!(names().len(), before.len() + 1, "another emulator may be writing a young file");
        remove_leftovers(&path, Duration::ZERO);
        assert_eq!(names(), before);
    }
}
