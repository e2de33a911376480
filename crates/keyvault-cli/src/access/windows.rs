//! Windows: a file has the permissions of its directory.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// The permissions of the directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Access;

/// A user or group that may also read a file. There is none.
#[derive(Clone, Debug)]
pub(crate) enum Reader {}

impl Reader {
    pub(crate) fn user(_: &str) -> Result<Self, String> {
        Err("access control lists need Linux".to_owned())
    }

    pub(crate) fn group(name: &str) -> Result<Self, String> {
        Self::user(name)
    }
}

impl Access {
    pub(crate) fn private() -> Self {
        Self
    }

    pub(crate) fn with_readers(self, _: Vec<Reader>) -> Self {
        self
    }

    pub(crate) fn apply(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_of(&self, _: &Path, _: &Metadata) -> bool {
        true
    }

    pub(crate) fn is_shared(&self) -> bool {
        false
    }

    /// Creates a directory and those above it.
    pub(crate) fn create_directory(&self, path: &Path, _: bool) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }
}
