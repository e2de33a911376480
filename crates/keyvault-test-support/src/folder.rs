//! A temporary folder with the files and command-line tools that a credential finds.

use std::fs;

use tempfile::TempDir;

/// A temporary folder. It is removed on drop.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Creates an empty folder.
    #[expect(clippy::new_without_default, reason = "it creates a folder on disk")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a tool that runs `script`.
    #[cfg(unix)]
    pub fn tool(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns a `PATH` with the tools of this folder before those of the system.
    pub fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.0.path().display())
    }
}
