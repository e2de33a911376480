//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Tells whether `path` can be replaced: nothing, a file or a link is there, and no directory or device.
pub(crate) fn is_replaceable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() || metadata.is_symlink() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes `bytes` to a new file beside `path`, to the disk, and puts it in the place of `path` at one moment.
///
/// The file has `mode`, whatever the old one had, and belongs to whoever runs this. A link is replaced and not followed.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    is_replaceable(path)?;
    let beside = Beside::create(path, mode)?;
    let mut file = &beside.file;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside.path, path)?;
    // The name is on the disk when its directory is. Not every file system can be asked for that.
    let _ = File::open(directory(path)).and_then(|directory| directory.sync_all());
    Ok(())
}

/// A file that goes unless it was renamed.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let name: String = name.chars().take(100).collect();
        for attempt in 0..100 {
            let path = directory(path).join(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&path) {
                Ok(file) => {
                    let beside = Self { path, file };
                    // Exactly, whatever the mask of this process takes away.
                    #[cfg(unix)]
                    beside.file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
                    return Ok(beside);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the renaming there is nothing of this name.
        let _ = fs::remove_file(&self.path);
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let directory = std::env::temp_dir().join(format!("keyvault-replace-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, link) = (directory.join("out"), directory.join("link"));
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
        assert!(replace(&directory, b"x", 0o600).is_err(), "a directory is not replaced");
        assert!(replace(Path::new("/dev/null"), b"x", 0o600).is_err(), "a device is not replaced");
        assert!(replace(&directory.join("no/such"), b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing is left beside");
        fs::remove_dir_all(&directory).unwrap();
    }
}
