//! Atomic file writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

/// The readers of a new file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readers {
    /// Every reader that the process's umask allows.
    Everyone,
    /// Only the owner, on systems with owners.
    Owner,
}

/// Replaces a file: a reader sees the old content or the new content, even after a crash.
///
/// Writes a temporary file in the same directory, syncs it, renames it, and syncs the directory.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    // Replaces the target of a link, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, content, readers)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))
}

fn replace(target: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let prefix = format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Without this, `tempfile` restricts the file to its owner.
    #[cfg(unix)]
    if readers == Readers::Everyone {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    // Only syncing the directory makes the rename durable.
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_write_sets_the_permissions_and_replaces_the_target_of_a_link() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        let ordinary = directory.path().join("ordinary");
        fs::write(&ordinary, "").unwrap();
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        for (readers, expected) in [(Readers::Owner, 0o600), (Readers::Everyone, mode(&ordinary))] {
            write(&link, b"new", readers).unwrap();
            assert_eq!(
                (fs::read_to_string(&target).unwrap().as_str(), mode(&target)),
                ("new", expected),
                "{readers:?}"
            );
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "no temporary file remains");
    }
}
