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
//! * `ring` (on by default): TLS by `ring`. `aws-lc-rs`: TLS by that, with post-quantum key exchange. A provider that the
//!   program installed for all of rustls comes before either.
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

mod app_configuration;
pub mod blocking;
mod cache;
mod check;
mod client;
mod cloud;
#[cfg(feature = "identity")]
mod credential;
mod date;
mod derive;
mod errand;
mod error;
mod flights;
mod held;
mod ids;
mod json_text;
mod key;
mod known_keys;
mod layers;
mod line;
mod live;
mod load;
mod memory;
mod metrics;
mod name;
mod name_map;
mod named;
mod opened;
mod origin;
mod parameters;
mod pass;
mod policy;
mod properties;
mod property;
pub mod push;
mod reference;
mod report;
mod resolver;
mod sealed;
mod secret;
mod snapshot;
mod status;
mod store;
mod template;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod vault;

pub use self::check::Checked;
pub use self::client::{
    DeleteOperation, DeletedSecret, NewSecret, PageToken, RecoverOperation, SecretBackup, SecretClient,
    SecretClientBuilder, SecretList, SecretPage, SecretPages, SecretUpdate, Traffic,
};
pub use self::cloud::Cloud;
#[cfg(feature = "identity")]
pub use self::credential::{
    CredentialStep, DefaultCredential, DefaultCredentialBuilder, StepOutcome, default_credential,
};
pub use self::derive::{Derive, Derived, DerivedHealth, DerivedNotice, DerivedWatcher};
pub use self::error::{Error, ErrorKind, Result};
pub use self::key::{Key, Segment};
pub use self::layers::{Layers, Leaf, Mismatch, Tree};
pub use self::live::{
    AsyncHook, Change, CredentialCheck, Current, Health, Live, LiveBuilder, Notice, PreviousVersion, Projected,
    Projection, Published, PushHealth, Revocation, SecretHealth, SecretSelector, SecretStatus, Unvalidated, Validate,
    ValidationError, Watcher,
};
pub use self::load::Loaded;
pub use self::memory::{InMemory, Reads};
pub use self::name::{SecretName, SecretVersion};
pub use self::name_map::{Finding, IfDisabled, IfOutdated, NameMap};
pub use self::named::{NameNote, NamedKind, NamedSecret, NamedSecrets, NamedTree};
pub use self::opened::OpenJson;
pub use self::origin::{Origin, Origins};
pub use self::pass::Resolved;
pub use self::policy::Policy;
pub use self::properties::SecretProperties;
pub use self::push::{PushEvent, SecretEvent, SecretEventKind};
pub use self::reference::Reference;
pub use self::report::{Report, ReportRow};
pub use self::resolver::{Resolver, ResolverBuilder};
#[cfg(feature = "sealed")]
pub use self::sealed::{SealedContents, SealedSnapshot, SealingKey};
pub use self::sealed::{SealedHealth, SealedRefusal};
pub use self::secret::{Secret, SecretId};
pub use self::snapshot::Snapshot;
pub use self::status::ReferenceStatus;
pub use self::store::SecretStore;
pub use self::template::Template;
pub use self::vault::Vault;
