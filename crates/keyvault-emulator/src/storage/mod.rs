//! Files: the vaults across restarts, and atomic writes.
//!
//! Reading order: [`data_file`] writes the vaults after each change and reads them at the start; [`file_lock`] keeps a
//! second emulator away from it; [`atomic_file`] replaces a file as a whole.

pub(crate) mod atomic_file;
mod data_file;
mod file_lock;

pub(crate) use data_file::{DataFile, LockedFile, SavedData};
