//! The file on the disk: read with care, replaced in one step.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use super::envelope::LARGEST_FILE;
use super::refusal::SealedRefusal;

/// Reads the whole file into a buffer of its size.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealedRefusal> {
    let refused = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => SealedRefusal::Missing,
        _ => SealedRefusal::Unreadable,
    };
    // Before it is opened, for opening a pipe waits.
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
    // Whoever writes the file replaces it, so the open one does not change under us. One that shrinks is unreadable.
    (&file).read_exact(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

/// A step of [`write`]: a test fails each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Create,
    Write,
    Sync,
    Rename,
    SyncDirectory,
}

/// Replaces the file at `path`, or leaves the old one.
///
/// The bytes go into a new file beside it, to the disk, and then to its name: whatever ends the process or the machine in
/// between, the name leads to the old bytes or to the new ones. What an ended process left behind is taken away later.
pub(super) fn write(path: &Path, bytes: &[u8], mut before: impl FnMut(Step) -> io::Result<()>) -> io::Result<()> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    remove_left_overs(directory, name, LEFT_OVER_AFTER);
    before(Step::Create)?;
    let temporary = Temporary(directory.join(temporary_name(name, fastrand::u64(..))));
    let mut file = create(&temporary.0)?;
    before(Step::Write)?;
    file.write_all(bytes)?;
    before(Step::Sync)?;
    file.sync_all()?;
    before(Step::Rename)?;
    fs::rename(&temporary.0, path)?;
    before(Step::SyncDirectory)?;
    sync_directory(directory)
}

/// Removes the file and what ended processes left beside it. Tells whether the file was there.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    if let Some(name) = path.file_name() {
        remove_left_overs(directory, name, Duration::ZERO);
    }
    match fs::remove_file(path) {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that goes unless it gets its name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Whatever kept it from being written may keep it from being removed.
        _ = fs::remove_file(&self.0);
    }
}

fn temporary_name(name: &std::ffi::OsStr, random: u64) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{random:016x}.tmp"));
    temporary
}

fn is_temporary_name_of(name: &std::ffi::OsStr, candidate: &std::ffi::OsStr) -> bool {
    let random = || {
        let (name, candidate) = (name.to_str()?, candidate.to_str()?);
        candidate.strip_prefix('.')?.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".tmp")
    };
    random().is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Takes away what processes left that ended while they wrote. Young ones may be another process's that is at it.
fn remove_left_overs(directory: &Path, name: &std::ffi::OsStr, older_than: Duration) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary_name_of(name, &entry.file_name())) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.map(|modified| SystemTime::now().duration_since(modified).unwrap_or_default());
        if age.is_ok_and(|age| age >= older_than) {
            // One that stays is in nobody's way.
            _ = fs::remove_file(entry.path());
        }
    }
}

/// Creates a file that is nobody else's to read. It is not there yet, and no link is followed.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Brings the new name to the disk.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere, a directory cannot be opened, and renaming is the file system's to bring to the disk.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// No write takes that long.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A directory that goes with its value.
    #[derive(Debug)]
    pub(in crate::sealed) struct Directory(PathBuf);

    impl Directory {
        pub(in crate::sealed) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!("keyvault-sealed-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(in crate::sealed) fn path(&self) -> &Path {
            &self.0
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> =
                fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    const STEPS: [Step; 5] = [Step::Create, Step::Write, Step::Sync, Step::Rename, Step::SyncDirectory];

    #[test]
    fn at_every_step_the_name_leads_to_the_old_bytes_or_to_the_new_ones() {
        let directory = Directory::new();
        let path = directory.path().join("x.sealed");
        write(&path, b"old", |_| Ok(())).unwrap();
        let mut steps = Vec::new();
        write(&path, b"new and longer", |step| {
            // What a machine that stops here finds when it starts again.
            let found = fs::read(&path).unwrap();
            let expected: &[u8] = if step == Step::SyncDirectory { b"new and longer" } else { b"old" };
            assert_eq!(found, expected, "{step:?}");
            steps.push(step);
            Ok(())
        })
        .unwrap();
        assert_eq!(steps, STEPS);
        assert_eq!(fs::read(&path).unwrap(), b"new and longer");
        assert_eq!(directory.names(), ["x.sealed"]);
    }

    #[test]
    fn a_failure_at_any_step_leaves_whole_bytes_and_no_litter() {
        let directory = Directory::new();
        let path = directory.path().join("x.sealed");
        write(&path, b"old", |_| Ok(())).unwrap();
        for failing in STEPS {
            let full = |step| if step == failing { Err(ErrorKind::StorageFull.into()) } else { Ok(()) };
            assert!(write(&path, b"new", full).is_err(), "{failing:?}");
            let expected: &[u8] = if failing == Step::SyncDirectory { b"new" } else { b"old" };
            assert_eq!(fs::read(&path).unwrap(), expected, "{failing:?}");
            assert_eq!(directory.names(), ["x.sealed"], "{failing:?}");
        }
    }

    #[test]
    fn left_overs_of_ended_processes_go_and_what_is_others_stays() {
        let directory = Directory::new();
        let path = directory.path().join("x.sealed");
        let old = SystemTime::now() - LEFT_OVER_AFTER * 2;
        let (left_over, young) = (".x.sealed.0123456789abcdef.tmp", ".x.sealed.00000000000000aa.tmp");
        let others =
            [".y.sealed.0123456789abcdef.tmp", ".x.sealed.tmp", ".x.sealed.0123456789abcdeg.tmp", "x.sealed.bak"];
        for name in others.into_iter().chain([left_over, young]) {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(if name == young { SystemTime::now() } else { old }).unwrap();
        }
        write(&path, b"new", |_| Ok(())).unwrap();
        let names = directory.names();
        assert!(!names.iter().any(|name| name == left_over), "{names:?}");
        for name in others.into_iter().chain([young, "x.sealed"]) {
            assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
        }
        assert!(remove(&path).unwrap());
        assert!(!directory.names().iter().any(|name| name == young || name == "x.sealed"), "{names:?}");
        assert!(!remove(&path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = Directory::new();
        let path = directory.path().join("x.sealed");
        // Not even where a file was that others could read.
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new", |step| {
            let modes = directory
                .names()
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
    fn what_is_no_plain_file_or_too_large_is_not_read() {
        let directory = Directory::new();
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
