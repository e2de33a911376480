//! Azure Key Vault secrets as live, typed application settings.
//!
//! A service keeps its settings in files and environment variables and its secrets in Azure Key Vault. This crate talks
//! to vaults, resolves references to their secrets, and keeps one typed value of settings current in the running
//! process. It knows no configuration framework: `keyvault-figment` and `keyvault-config` do, and most programs use one
//! of those.
//!
//! # Data flow
//!
//! ```text
//! layers (files, variables, names of secrets)        Layers, from an adapter
//!    └─▶ tree of values ─▶ references in it          an adapter walks its own values
//!           └─▶ Resolver ─▶ cache ─▶ SecretStore     one request per distinct secret
//!                  └─▶ Snapshot ─▶ values put back ─▶ T, validated ─▶ Live<T>
//! ```
//!
//! The first settings and all later ones go the same way, and nothing is published half done.
//!
//! | to | use |
//! |---|---|
//! | call a vault | [`SecretClient`] |
//! | do without a tokio runtime | [`blocking`], [`LiveBuilder::start_blocking`] |
//! | test code that takes settings | [`Live::fixed`], [`Derived::fixed`], [`InMemory`] |
//! | sign in | `default_credential`, or any `TokenCredential` |
//! | run without Azure | [`InMemory`] |
//! | parse and resolve references | [`Reference`], [`Template`], [`Resolver`] |
//! | see the outcome of each reference | [`Report`], [`Resolver::check`] |
//! | map names of secrets to settings | [`NameMap`] |
//! | read settings that follow rotation | [`Live`], [`Watcher`], [`Health`] |
//! | learn of rotations at once | [`push`] |
//! | keep a pool, a client or a TLS configuration current | [`Live::derive`], [`Derived`] |
//! | take certificates from a vault | `certificate::Certificate`, `certificate::ServerCertificates` |
//! | start while no vault is reachable | [`sealed`] |
//! | add another framework | [`settings::Tree`], [`Layers`], [`LiveBuilder`] |
//! | add another source of secrets | [`SecretStore`] |
//! | add a store of settings | [`SettingStore`], [`LiveBuilder::with_layer`] |
//!
//! The crate root has the names that most programs use. Everything else is in its public module.
//!
//! # Guides
//!
//! The [guides] in the repository are a book. It covers which way to use when; the way from .NET, App Service, Spring,
//! the Azure SDK and `.env` files; references, names, refresh and failure; client work and the command; deploying and
//! monitoring. Its page on troubleshooting has a section for each error, which [`Error::help_url`] leads to.
//!
#![cfg_attr(
    doc,
    doc = concat!("[guides]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/v", env!("CARGO_PKG_VERSION"), "/docs/SUMMARY.md")
)]
//!
//! # Modules
//!
//! The modules are listed in the order of their dependencies: each uses only modules before it. To read the code,
//! follow this order; each module begins with a manual.
//!
//! 1. `time`: one back-off, one token bucket and the wall clock.
//! 2. [`secret`]: secrets, their identifiers and vaults. [`report`]: the outcome of each reference. [`Error`] joins
//!    both. `certificate`: certificates with their keys.
//! 3. [`reference`](mod@reference): the grammar of references.
//! 4. [`store`]: the interface to a source of secrets. [`client`]: its implementation for Azure, with `credential`
//!    and the [`blocking`] variant.
//! 5. [`settings`]: the interface to configuration frameworks. [`names`]: from names of secrets to keys of settings.
//! 6. [`resolver`]: the cache, and one load of the vaults.
//! 7. [`push`]: events. [`sealed`]: the encrypted snapshot.
//! 8. [`live`]: the refresh loop and the current settings. [`derive`](mod@derive): resources built from them.
//!
//! # Features
//!
//! * `identity` (on by default): `default_credential`, over `azure_identity`; three crates.
//! * `ring` (on by default): TLS by `ring`. `aws-lc-rs`: TLS by that, with post-quantum key exchange. A provider that
//!   the program installed for all of rustls has precedence over both. `rustls` itself cannot choose a provider if the
//!   crates of a program enable both: one that calls `ClientConfig::builder()` enables the same one here, or installs a
//!   provider. No feature of this crate changes the clients of `reqwest`.
//! * `certificates`: certificates from PKCS#12 and PEM, for rustls and as PEM, over `der`, `x509-cert` and ciphers of
//!   RustCrypto.
//! * `sealed`: the last good secrets in an encrypted file, for a start during an outage, over `aws-lc-rs`.
//! * `storage-queue`: [events](push) from an Azure Storage queue, over `azure_storage_queue`; three crates.
//! * `metrics`: metrics for the `metrics` facade; [`LiveBuilder`] lists their names.
//! * `testing`: a contract suite for implementations of [`SecretStore`].
//!
//! # Promises
//!
//! * A token goes to the vaults that the program named and to no other host.
//! * No secret value appears in an error, a log, a `Debug` or a panic of this crate.
//! * A failed refresh keeps the last good settings and is visible: in [`Live::health`], to every [`Watcher`], and as a
//!   `tracing` event.
//! * Every call ends within its deadline.
//! * The text of a reference never reaches a typed setting.
//!
//! Values are zeroized where this crate owns them: in [`Secret`], in the cache, in bodies that it read. The buffers of
//! the TLS library and the tree of a framework are out of its reach.
//!
//! Not affiliated with Microsoft.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(doctest, feature = "identity"))]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod blocking;
#[cfg(feature = "certificates")]
pub mod certificate;
pub mod client;
#[cfg(feature = "identity")]
pub mod credential;
mod cryptography;
pub mod derive;
mod error;
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "most of its types hold a token or a value")]
pub mod http;
mod json_string;
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
pub use self::names::{IfDisabled, IfHidden, IfOutdated, NameMap, OpenJson};
pub use self::reference::{Reference, Template};
pub use self::report::{ReferenceStatus, Report};
pub use self::resolver::Resolver;
#[cfg(feature = "sealed")]
pub use self::sealed::{SealedSnapshot, SealingKey};
pub use self::secret::{Cloud, Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};
pub use self::settings::{Layers, Policy, SettingStore};
#[cfg(feature = "testing")]
pub use self::store::testing;
pub use self::store::{InMemory, SecretStore};
