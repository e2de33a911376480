//! The last good secrets in an encrypted file, so that a program can start while no vault is reachable.
//!
//! Read `SealedSnapshot` in `snapshot` first: it documents the behavior and the format of the file. `key` holds the
//! sealing key. `writer` opens and writes the file for the live settings: `payload` encodes the secrets with the vaults
//! and the identity that the file is bound to, `format` encrypts and authenticates it, `file` replaces the file
//! atomically, and `sealed_store` answers a load from an opened file. A file that cannot be used has a
//! [`SealedRefusal`] in `refusal`; [`SealedHealth`] in `health` reports the state while a program runs. Without the
//! feature `sealed`, `disabled` takes the place of the writer.

#[cfg(not(feature = "sealed"))]
mod disabled;
#[cfg(feature = "sealed")]
mod file;
#[cfg(feature = "sealed")]
mod format;
mod health;
#[cfg(feature = "sealed")]
mod key;
#[cfg(feature = "sealed")]
mod payload;
mod refusal;
#[cfg(feature = "sealed")]
mod sealed_store;
#[cfg(feature = "sealed")]
mod snapshot;
#[cfg(feature = "sealed")]
mod writer;

#[cfg(not(feature = "sealed"))]
pub(crate) use self::disabled::SealedWriter;
pub use self::health::SealedHealth;
#[cfg(feature = "sealed")]
pub use self::key::SealingKey;
pub use self::refusal::SealedRefusal;
#[cfg(feature = "sealed")]
pub use self::snapshot::{SealedContents, SealedSnapshot};
#[cfg(feature = "sealed")]
pub(crate) use self::writer::SealedWriter;
