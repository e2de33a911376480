//! The file on disk: read with limits, replaced atomically.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::format::LARGEST_FILE;
use super::refusal::SealedRefusal;

/// Reads the whole file into a buffer of its size.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealedRefusal> {
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => SealedRefusal::Missing,
        _ => SealedRefusal::Unreadable,
    };
    // Before the file is opened: opening a pipe blocks.
    if !fs::metadata(path).map_err(refused)?.is_file() {
        return Err(SealedRefusal::Unreadable);
    }
    let file = File::open(path).map_err(refused)?;
    let length = file.metadata().map_err(refused)?.len();
    if length > LARGEST_FILE {
        return Err(SealedRefusal::TooLarge);
    }
    let length = usize::try_from(length).map_err(|_| SealedRefusal::TooLarge)?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    // A writer replaces the file, so the open file does not change. A file that shrinks is unreadable.
    (&file).read_exact(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

/// A step of [`write`]. A test makes each of them fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WriteStep {
    Create,
    Write,
    Sync,
    Rename,
    SyncDirectory,
}

/// Replaces the file at `path`, or leaves the old one.
///
/// Writes a temporary file in the same directory, syncs it, renames it, and syncs the directory. A crash of the process
/// or the machine at any step leaves the old bytes or the new bytes under the name. Calls `before` before each step.
pub(super) fn write(path: &Path, bytes: &[u8], mut before: impl FnMut(WriteStep) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let directory = directory_of(path);
    remove_leftovers(directory, name, LEFTOVER_AFTER);
    before(WriteStep::Create)?;
    // On Unix, `tempfile` creates the file with the mode 0600. It removes the file on drop unless `persist` succeeds.
    let prefix = prefix_of(name);
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM_LENGTH).tempfile_in(directory)?;
    before(WriteStep::Write)?;
    file.write_all(bytes)?;
    before(WriteStep::Sync)?;
    file.as_file().sync_all()?;
    before(WriteStep::Rename)?;
    file.persist(path).map_err(|error| error.error)?;
    before(WriteStep::SyncDirectory)?;
    sync_directory(directory)
}

/// Removes the file and the temporary files beside it. Returns whether the file existed.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let directory = directory_of(path);
    if let Some(name) = path.file_name() {
        remove_leftovers(directory, name, Duration::ZERO);
    }
    match fs::remove_file(path) {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prefix_of(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

fn is_temporary_name_of(name: &OsStr, candidate: &OsStr) -> bool {
    let random = || candidate.to_str()?.strip_prefix(prefix_of(name).to_str()?)?.strip_suffix(SUFFIX);
    random().is_some_and(|random| random.len() == RANDOM_LENGTH && random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Removes the temporary files of killed processes, which `tempfile` cannot do. Another process may be writing a recent
/// one.
fn remove_leftovers(directory: &Path, name: &OsStr, older_than: Duration) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary_name_of(name, &entry.file_name())) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
        if age.is_ok_and(|age| age >= older_than) {
            // A leftover that cannot be removed does no harm.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes the rename durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Other systems cannot open a directory; their file system makes the rename durable.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

const SUFFIX: &str = ".tmp";
const RANDOM_LENGTH: usize = 16;

/// The age at which a temporary file is a leftover. No write takes this long.
const LEFTOVER_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    const STEPS: [WriteStep; 5] =
        [WriteStep::Create, WriteStep::Write, WriteStep::Sync, WriteStep::Rename, WriteStep::SyncDirectory];

    #[test]
    fn every_step_shows_the_old_bytes_or_the_new_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        write(&path, b"old", |_| Ok(())).unwrap();
        let mut steps = Vec::new();
        write(&path, b"new and longer", |step| {
            // A machine that crashes here finds these bytes when it restarts.
            let found = fs::read(&path).unwrap();
            let expected: &[u8] = if step == WriteStep::SyncDirectory { b"new and longer" } else { b"old" };
            assert_eq!(found, expected, "{step:?}");
            steps.push(step);
            Ok(())
        })
        .unwrap();
        assert_eq!(steps, STEPS);
        assert_eq!(fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(names(directory.path()), ["x.sealed"]);
    }

    #[test]
    fn a_failure_at_any_step_leaves_whole_bytes_and_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        write(&path, b"old", |_| Ok(())).unwrap();
        for failing in STEPS {
            let full = |step| if step == failing { Err(ErrorKind::StorageFull.into()) } else { Ok(()) };
            assert!(write(&path, b"new", full).is_err(), "{failing:?}");
            let expected: &[u8] = if failing == WriteStep::SyncDirectory { b"new" } else { b"old" };
            assert_eq!(fs::read(&path).unwrap(), expected, "{failing:?}");
            assert_eq!(names(directory.path()), ["x.sealed"], "{failing:?}");
        }
    }

    #[test]
    fn leftovers_of_killed_processes_are_removed_and_other_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        let old = SystemTime::now() - LEFTOVER_AFTER * 2;
        let (leftover, young) = (".x.sealed.0123456789abcdef.tmp", ".x.sealed.00000000000000aa.tmp");
        let others =
            [".y.sealed.0123456789abcdef.tmp", ".x.sealed.tmp", ".x.sealed.0123456789abcde-.tmp", "x.sealed.bak"];
        for name in others.into_iter().chain([leftover, young]) {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(if name == young { SystemTime::now() } else { old }).unwrap();
        }
        write(&path, b"new", |_| Ok(())).unwrap();
        let found = names(directory.path());
        assert!(!found.iter().any(|name| name == leftover), "{found:?}");
        for name in others.into_iter().chain([young, "x.sealed"]) {
            assert!(found.iter().any(|other| other == name), "{name} in {found:?}");
        }
        assert!(remove(&path).unwrap());
        assert!(!names(directory.path()).iter().any(|name| name == young || name == "x.sealed"));
        assert!(!remove(&path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        // Even if others could read the old file.
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new", |step| {
            let modes = names(directory.path())
                .into_iter()
                .filter(|name| name != "x.sealed")
                .map(|name| fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777);
            assert!(modes.into_iter().all(|mode| mode == 0o600), "{step:?}");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_regular_files_within_the_size_limit_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sealed");
        assert_eq!(read(&path).err(), Some(SealedRefusal::Missing));
        assert_eq!(read(directory.path()).err(), Some(SealedRefusal::Unreadable));
        let file = File::create(&path).unwrap();
        for (length, refusal) in [(LARGEST_FILE + 1, Some(SealedRefusal::TooLarge)), (3, None)] {
            file.set_len(length).unwrap();
            assert_eq!(read(&path).err(), refusal, "{length}");
        }
        #[cfg(unix)]
        assert_eq!(read(Path::new("/dev/zero")).err(), Some(SealedRefusal::Unreadable));
    }
}
