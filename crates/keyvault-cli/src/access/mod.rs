//! Who may read a file that a command writes.
//!
//! On Unix, a mode, an owner, and on Linux further readers (`acl`). On Windows, a file has the permissions of its
//! directory.

#[cfg(target_os = "linux")]
mod acl;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::{Access, Owner, Reader, parse_mode};
#[cfg(windows)]
pub(crate) use self::windows::{Access, Reader};
