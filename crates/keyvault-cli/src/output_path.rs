//! The kind of an output path: a file that can be replaced, or a device or pipe that is written through.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::output;

/// The kind of an output path.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum OutputPath {
    /// A regular file, a link to one, or a name that is free.
    File,
    Stream(Stream),
}

/// An output that is written through, because replacing it would destroy a device or a pipe.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// A pipe, a character device or an open descriptor of this process.
    Path(PathBuf),
}

impl OutputPath {
    /// Examines `path` and every link that it leads through.
    ///
    /// A link is written through if it or its target is in `/dev`, `/proc` or `/sys`, or if its target is no file.
    ///
    /// # Errors
    ///
    /// `path` is neither a file nor a stream: a directory, a block device, a socket, or a file of the system such as
    /// `/proc/self/exe`.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut at = path.to_owned();
        let mut is_link_of_the_system = false;
        for _ in 0..MAX_LINKS {
            let (directory, name) = place_of(&at)?;
            let place = directory.join(&name);
            if let Some(descriptor) = own_descriptor(&directory, &name) {
                return Ok(Self::Stream(match descriptor {
                    1 => Stream::Stdout,
                    2 => Stream::Stderr,
                    _ => Stream::Path(place),
                }));
            }
            let is_system = is_of_the_system(&directory);
            let metadata = match fs::symlink_metadata(&place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_system && !is_link_of_the_system => {
                    return Ok(Self::File);
                }
                outcome => outcome?,
            };
            if metadata.is_symlink() && !is_descriptor_directory(&directory) {
                at = directory.join(fs::read_link(&place)?);
                is_link_of_the_system |= is_system;
                // The link of a process in /proc is no path that can be followed as text.
                if !is_system || is_in(&directory, &["/dev"]) {
                    continue;
                }
            } else if metadata.is_file() && !is_system && !is_link_of_the_system {
                return Ok(Self::File);
            }
            return if is_stream(&place) {
                Ok(Self::Stream(Stream::Path(place)))
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file, a pipe or a character device"))
            };
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "too many links"))
    }
}

/// The number of links after which a path is a loop, as in the kernel.
const MAX_LINKS: usize = 40;

impl Stream {
    /// Writes `bytes`. A pipe is opened as a shell opens it: it waits for a reader.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => output::write(bytes),
            Self::Stderr => io::stderr().lock().write_all(bytes),
            // An open descriptor may be a file with text in it.
            Self::Path(path) => OpenOptions::new().append(true).open(path)?.write_all(bytes),
        }
    }
}

/// Splits a path into its directory, without links, and its name.
fn place_of(path: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((fs::canonicalize(directory)?, name.into()))
}

/// Returns the number of a descriptor of this process: `/proc/self/fd/1`, `/dev/fd/1`.
fn own_descriptor(directory: &Path, name: &Path) -> Option<u32> {
    let own = Path::new("/proc").join(std::process::id().to_string());
    let is_own = directory == Path::new("/dev/fd") || directory.starts_with(own) && is_descriptor_directory(directory);
    name.to_str().filter(|_| is_own)?.parse().ok()
}

fn is_descriptor_directory(directory: &Path) -> bool {
    is_in(directory, &["/proc", "/dev"]) && directory.file_name().is_some_and(|name| name == "fd")
}

/// Returns whether the files of `directory` belong to the system. `/dev/shm` holds files of programs.
fn is_of_the_system(directory: &Path) -> bool {
    is_in(directory, &["/dev", "/proc", "/sys"]) && !is_in(directory, &["/dev/shm"])
        || is_process_file_system(directory)
}

fn is_in(directory: &Path, roots: &[&str]) -> bool {
    roots.iter().any(|root| directory.starts_with(root))
}

/// Returns whether `/proc` or `/sys` is mounted here under another name.
#[cfg(target_os = "linux")]
fn is_process_file_system(directory: &Path) -> bool {
    const PROC: u64 = 0x9fa0;
    const SYSFS: u64 = 0x6265_6572;
    rustix::fs::statfs(directory).is_ok_and(|system| matches!(system.f_type as u64, PROC | SYSFS))
}

#[cfg(not(target_os = "linux"))]
fn is_process_file_system(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn is_stream(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    let kind = fs::metadata(path).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_char_device() || kind.is_fifo())
}

#[cfg(not(unix))]
fn is_stream(_: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_and_links_to_them_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let links = [
            ("to-file", at("file")),
            ("dangling", at("gone")),
            ("to-null", "/dev/null".into()),
            ("to-stdout", "/dev/stdout".into()),
            ("to-link", at("to-stdout")),
            ("to-pipe", at("pipe")),
            ("to-directory", directory.path().to_owned()),
            ("descriptors", "/proc/self/fd".into()),
            ("here", "/proc/self/cwd".into()),
            ("loop", at("loop")),
        ];
        for (name, target) in links {
            symlink(target, at(name)).unwrap();
        }
        for file in [at("file"), at("free"), at("to-file"), at("dangling"), "free".into(), "/dev/shm/free".into()] {
            assert_eq!(OutputPath::of(&file).unwrap(), OutputPath::File, "{}", file.display());
        }
        for stdout in
            ["/dev/stdout".into(), "/proc/self/fd/1".into(), "/dev/fd/1".into(), at("to-stdout"), at("to-link")]
        {
            assert_eq!(OutputPath::of(&stdout).unwrap(), OutputPath::Stream(Stream::Stdout), "{}", stdout.display());
        }
        assert_eq!(OutputPath::of(&at("descriptors/2")).unwrap(), OutputPath::Stream(Stream::Stderr));
        for stream in [Path::new("/dev/null"), &at("to-null"), &at("pipe"), &at("to-pipe")] {
            assert!(matches!(OutputPath::of(stream), Ok(OutputPath::Stream(Stream::Path(_)))), "{}", stream.display());
        }
        for refused in [
            "/proc/self/exe",
            "/proc/self/cwd",
            "/proc/self/environ",
            "/proc/sys/kernel/hostname",
            "/dev/keyvault-new-file",
            "/dev",
            "/",
            "no/such/directory",
            "..",
        ] {
            assert!(OutputPath::of(Path::new(refused)).is_err(), "{refused}");
        }
        for refused in ["to-directory", "loop", "here"] {
            assert!(OutputPath::of(&at(refused)).is_err(), "{refused}");
        }
    }
}
