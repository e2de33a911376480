//! Unix: the mode of a file, its owner, and further readers.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Uid, fchown};
use rustix::process::geteuid;

#[cfg(target_os = "linux")]
use super::acl;

/// The mode of a file, its owner, and the users and groups that may also read it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Access {
    mode: u32,
    owner: Owner,
    readers: Vec<Reader>,
}

/// The user and the group that a file belongs to. `None` for those of this process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Owner {
    user: Option<u32>,
    group: Option<u32>,
}

/// A user or group that may also read a file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reader {
    User(u32),
    Group(u32),
}

impl Access {
    pub(crate) fn new(mode: u32) -> Self {
        Self { mode, owner: Owner::default(), readers: Vec::new() }
    }

    /// Returns the access of the owner alone: the mode 0600.
    pub(crate) fn private() -> Self {
        Self::new(0o600)
    }

    pub(crate) fn with_owner(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    pub(crate) fn with_readers(mut self, readers: Vec<Reader>) -> Self {
        self.readers = readers;
        self.readers.sort();
        self.readers.dedup();
        self
    }

    /// Sets the owner, the mode and the readers of `file`.
    ///
    /// # Errors
    ///
    /// This process may not give the file away, or the file system has no access control lists.
    pub(crate) fn apply(&self, file: &File) -> io::Result<()> {
        let Owner { user, group } = self.owner;
        if user.is_some() || group.is_some() {
            fchown(file, user.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        self.apply_mode_and_readers(file)
    }

    /// At no time does the file have the mode together with readers that it got from its directory: one of them could
    /// open it, and read what is written later.
    #[cfg(target_os = "linux")]
    fn apply_mode_and_readers(&self, file: &File) -> io::Result<()> {
        if self.readers.is_empty() {
            acl::remove(file)?;
            file.set_permissions(Permissions::from_mode(self.mode))
        } else {
            acl::set(file, self.mode, &self.readers)
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn apply_mode_and_readers(&self, file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(self.mode))
    }

    /// Returns whether the file at `path` has this access already. A directory can give its own group to files, so
    /// without a group in `self` any is right.
    pub(crate) fn is_of(&self, path: &Path, file: &Metadata) -> bool {
        let user = self.owner.user.unwrap_or_else(|| geteuid().as_raw());
        let is_owned = file.uid() == user && self.owner.group.is_none_or(|group| group == file.gid());
        is_owned && self.has_mode_and_readers(path, file)
    }

    #[cfg(target_os = "linux")]
    fn has_mode_and_readers(&self, path: &Path, file: &Metadata) -> bool {
        match self.readers.is_empty() {
            true => file.mode() & 0o7777 == self.mode && !acl::is_set(path),
            false => acl::is(path, self.mode, &self.readers),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn has_mode_and_readers(&self, _: &Path, file: &Metadata) -> bool {
        file.mode() & 0o7777 == self.mode
    }

    /// Returns whether others than the owner may read the file.
    pub(crate) fn is_shared(&self) -> bool {
        !self.readers.is_empty() || self.mode & 0o077 != 0
    }

    /// Creates a directory unless it exists, and those above it as a shell does. Only the owner can list it. If
    /// `is_shared`, others can open files in it, each of which has an access of its own.
    pub(crate) fn create_directory(&self, path: &Path, is_shared: bool) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let mode = if is_shared { 0o711 } else { 0o700 };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        DirBuilder::new().mode(mode).create(path)?;
        // Whatever the umask is.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let Owner { user, group } = self.owner;
        if user.is_some() || group.is_some() {
            std::os::unix::fs::chown(path, user, group)?;
        }
        Ok(())
    }
}

/// Parses `USER`, `USER:GROUP` or `:GROUP`, each by name or number.
impl std::str::FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let id = |name: &str, file| if name.is_empty() { Ok(None) } else { id_in(file, name).map(Some) };
        match (id(user, USERS)?, id(group, GROUPS)?) {
            (None, None) => Err("must be USER, USER:GROUP or :GROUP".to_owned()),
            (user, group) => Ok(Self { user, group }),
        }
    }
}

impl Reader {
    /// Returns the user of a name or number.
    pub(crate) fn user(name: &str) -> Result<Self, String> {
        Self::check_platform()?;
        id_in(USERS, name).map(Self::User)
    }

    /// Returns the group of a name or number.
    pub(crate) fn group(name: &str) -> Result<Self, String> {
        Self::check_platform()?;
        id_in(GROUPS, name).map(Self::Group)
    }

    fn check_platform() -> Result<(), String> {
        if cfg!(target_os = "linux") { Ok(()) } else { Err("access control lists need Linux".to_owned()) }
    }
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Returns the number of a user or group. A static binary cannot ask the directory services of the machine, so only
/// the file is read.
fn id_in(file: &str, name: &str) -> Result<u32, String> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    id_of(&text, name).ok_or_else(|| format!("{name} is not in {file}; write its number"))
}

/// Returns the number of `name` in the lines of `/etc/passwd` or `/etc/group`: `name:x:1000:…`.
fn id_of(text: &str, name: &str) -> Option<u32> {
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten())
}

/// Parses a mode in octal.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "must be octal, for example 600 or 0640".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_its_own_line() {
        let text = "root:x:0:0::/root:/bin/sh\nroots:x:7:0\nbroken\nlong:x:99999999999:\nwww-data:x:33:33:";
        for (name, id) in [("root", Some(0)), ("www-data", Some(33)), ("roo", None), ("broken", None), ("long", None)] {
            assert_eq!(id_of(text, name), id, "{name}");
        }
    }

    #[test]
    fn an_owner_is_a_user_a_group_or_both() {
        for (text, user, group) in
            [("0", Some(0), None), ("root:7", Some(0), Some(7)), (":7", None, Some(7)), ("7:root", Some(7), Some(0))]
        {
            let owner: Owner = text.parse().unwrap();
            assert_eq!((owner.user, owner.group), (user, group), "{text}");
        }
        for text in ["", ":", "no-such-user", "root:no-such-group"] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }
}
