//! Linux: [access control lists](https://man7.org/linux/man-pages/man5/acl.5.html), in the form of the extended attribute
//! in which the [kernel](https://github.com/torvalds/linux/blob/master/include/uapi/linux/posix_acl_xattr.h) takes them.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{XattrFlags, fremovexattr, fsetxattr, getxattr};
use rustix::io::Errno;

use super::unix::Reader;

const ATTRIBUTE: &str = "system.posix_acl_access";

/// Sets the mode of `file`, and grants the readers read access.
pub(super) fn set(file: &File, mode: u32, readers: &[Reader]) -> io::Result<()> {
    Ok(fsetxattr(file, ATTRIBUTE, &encoded(mode, readers), XattrFlags::empty())?)
}

/// Removes the readers that `file` got from the default list of its directory.
pub(super) fn remove(file: &File) -> io::Result<()> {
    match fremovexattr(file, ATTRIBUTE) {
        // Some file systems have no lists.
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Returns whether the file has this mode and these readers.
pub(super) fn is(path: &Path, mode: u32, readers: &[Reader]) -> bool {
    let expected = encoded(mode, readers);
    let mut found = vec![0; expected.len() + 1];
    getxattr(path, ATTRIBUTE, found.as_mut_slice()).is_ok_and(|length| found[..length] == expected)
}

/// Returns whether the file has readers beyond its mode.
pub(super) fn is_set(path: &Path) -> bool {
    let mut byte = [0];
    matches!(getxattr(path, ATTRIBUTE, byte.as_mut_slice()), Ok(_) | Err(Errno::RANGE))
}

/// Encodes a list. `readers` are in order, the users first.
fn encoded(mode: u32, readers: &[Reader]) -> Vec<u8> {
    let (owner, group, other) = (mode >> 6 & 7, mode >> 3 & 7, mode & 7);
    let users = readers.iter().filter_map(|reader| match reader {
        Reader::User(id) => Some((USER, READ, *id)),
        Reader::Group(_) => None,
    });
    let groups = readers.iter().filter_map(|reader| match reader {
        Reader::Group(id) => Some((GROUP, READ, *id)),
        Reader::User(_) => None,
    });
    let entries = [(OWNER, owner, UNDEFINED)].into_iter().chain(users);
    let entries = entries.chain([(OWNING_GROUP, group, UNDEFINED)]).chain(groups);
    let entries = entries.chain([(MASK, group | READ, UNDEFINED), (OTHER, other, UNDEFINED)]);
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        // Three bits.
        bytes.extend([permissions as u8, 0]);
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

const VERSION: u32 = 2;
const READ: u32 = 4;
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const UNDEFINED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::Access;
    use super::*;

    const SKIPPED: &str = "SKIPPED: the file system has no access control lists";

    #[test]
    fn the_kernel_takes_a_list_and_returns_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let readers = [Reader::User(7), Reader::User(65_534), Reader::Group(7)];
        assert!(!is_set(file.path()));
        match set(file.as_file(), 0o640, &readers) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return eprintln!("{SKIPPED}"),
            outcome => outcome.unwrap(),
        }
        assert!(is(file.path(), 0o640, &readers) && is_set(file.path()));
        assert_eq!(file.as_file().metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(!is(file.path(), 0o600, &readers) && !is(file.path(), 0o640, &readers[..2]));
    }

    #[test]
    fn a_file_keeps_no_reader_of_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let inherited = encoded(0o777, &[Reader::User(65_534)]);
        match rustix::fs::setxattr(directory.path(), "system.posix_acl_default", &inherited, XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP) => return eprintln!("{SKIPPED}"),
            outcome => outcome.unwrap(),
        }
        let others = Access::new(0o640).with_readers(vec![Reader::User(7)]);
        for access in [Access::new(0o640), Access::private(), others] {
            let file = tempfile::NamedTempFile::new_in(directory.path()).unwrap();
            assert!(is_set(file.path()), "the directory gives it a reader");
            access.apply(file.as_file()).unwrap();
            assert!(access.is_of(file.path(), &file.as_file().metadata().unwrap()), "{access:?}");
        }
    }
}
