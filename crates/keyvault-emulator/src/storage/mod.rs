//! Files: the vaults across restarts, and atomic writes.
//!
//! Reading order: [`data_file`] writes the vaults after each change and reads them at the start; [`atomic_file`]
//! replaces a file as a whole.

pub(crate) mod atomic_file;
mod data_file;

pub(crate) use data_file::{DataFile, SavedData};
