//! Azure Key Vault secrets as live, typed application settings.
//!
//! A service keeps its settings in files and variables and its secrets in Azure Key Vault. This crate brings the two
//! together: it talks to vaults, resolves references to their secrets, and keeps one typed value of settings current in
//! the running process. It knows no configuration framework; `keyvault-figment` and `keyvault-config` do, and most
//! programs use one of those.
//!
//! # The way data flows
//!
//! ```text
//! layers (files, variables, names of secrets)        Layers, from an adapter
//!    └─▶ tree of values ─▶ Templates in it           an adapter walks its own values
//!           └─▶ Resolver ─▶ cache ─▶ SecretStore     one request per distinct secret
//!                  └─▶ Snapshot ─▶ values put back ─▶ T, validated ─▶ Live<T>
//! ```
//!
//! The first settings and every later ones go the same way, and nothing is published half done.
//!
//! | to | use |
//! |---|---|
//! | ask a vault | [`SecretClient`] |
//! | ask it without a runtime | [`blocking::SecretClient`] |
//! | show who asks | [`default_credential`], or any `TokenCredential` |
//! | do without one | [`InMemory`] |
//! | read and resolve references | [`Reference`], [`Template`], [`Resolver`] |
//! | see what became of each reference | [`Report`], [`Resolver::check`] |
//! | say how names become keys | [`NameMap`] |
//! | read settings that follow rotation | [`Live`], [`Watcher`], [`Health`] |
//! | hear of rotations at once | [`push`] |
//! | keep a pool, a client, a TLS configuration with them | [`Live::derive`], [`Derived`] |
//! | start while no vault can be reached | `SealedSnapshot` |
//! | bring in another framework | [`Tree`], [`Layers`], [`LiveBuilder`] |
//! | bring in another source of secrets | [`SecretStore`] |
//!
//! # Features
//!
//! * `identity` (on by default): `default_credential`, over `azure_identity`; three crates.
//! * `ring` (on by default): TLS by `ring`. `aws-lc-rs`: TLS by that, with post-quantum key exchange. A provider that
//!   the program installed for all of rustls comes before either.
//! * `sealed`: the last good secrets in an encrypted file, for a start in an outage, over `aws-lc-rs`.
//! * `storage-queue`: [events](push) from an Azure Storage queue, over `azure_storage_queue`; three crates.
//! * `metrics`: numbers for the `metrics` facade; the names stand at [`LiveBuilder`].
//! * `testing`: a suite that judges any [`SecretStore`].
//!
//! # What is promised
//!
//! * A token goes to the vaults that the program named and to no other host.
//! * No secret value is in an error, a log, a `Debug` or a panic of this crate.
//! * A failed refresh keeps the last good settings and is seen: in [`Live::health`], by every [`Watcher`], as a
//!   `tracing` event.
//! * Every call ends within its deadline.
//! * The text of a reference never reaches a typed setting.
//!
//! Values are zeroized where this crate owns them: in [`Secret`], in the cache, in bodies it read. The TLS library's
//! buffers and a framework's tree are out of its hands.

pub mod blocking;
pub mod client;
#[cfg(feature = "identity")]
pub mod credential;
pub mod derive;
mod error;
pub mod live;
mod metrics;
pub mod names;
pub mod push;
pub mod reference;
pub mod report;
pub mod resolver;
pub mod sealed;
pub mod secret;
pub mod settings;
pub mod store;
mod time;

pub use self::client::SecretClient;
#[cfg(feature = "identity")]
pub use self::credential::default_credential;
pub use self::derive::Derived;
pub use self::error::{Error, ErrorKind, Result};
pub use self::live::{Change, Health, Live, LiveBuilder, Notice, ValidationError, Watcher};
pub use self::names::{IfDisabled, IfOutdated, NameMap, OpenJson};
pub use self::reference::{Reference, Template};
pub use self::report::{ReferenceStatus, Report};
pub use self::resolver::Resolver;
#[cfg(feature = "sealed")]
pub use self::sealed::{SealedSnapshot, SealingKey};
pub use self::secret::{Cloud, Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};
pub use self::settings::{Layers, Policy};
#[cfg(feature = "testing")]
pub use self::store::testing;
pub use self::store::{InMemory, SecretStore};
