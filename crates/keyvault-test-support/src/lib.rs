//! Test doubles that every test and example of this workspace shares.
//!
//! - `credential`: a `TokenCredential` that issues fixed or computed tokens, fails or hangs.
//! - `transport`: an `HttpClient` in this process, with a request log and scripted responses.
//! - `store`: a `SecretStore` whose `get` and `list` a test replaces, and a `Switch` for faults.
//! - `settings`: a `SettingStore` that a test changes and breaks.
//! - `emulator`: clients and transports that reach an emulator.
//! - `canary`: random text, and the search for it in everything that people can see.
//! - `example`: a check that an example prints no secret.
//! - `json_schema`: a validator of JSON.
//! - `log`: the log of one thread as text.
//! - `folder`: a temporary folder with command-line tools.
//! - `framework`: the frameworks that have an adapter.
//! - `refusal`: settings types whose errors quote their input.
//! - `variables`: environment variables for one test in a process of its own, and those of a machine without identity.
//! - `deadline`: limits for tests that would otherwise wait forever.
//! - `postgres`: a local PostgreSQL server (feature `postgres`).
//!
//! All but `canary`, `example`, `framework`, `json_schema` and `variables` need the feature `fakes`, and `postgres`
//! needs its own.
//! For a plain vault, use `keyvault::InMemory`; its `on_get` hook delays, counts or fails reads.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that cannot continue panics at once")]

pub mod canary;
#[cfg(feature = "fakes")]
pub mod credential;
#[cfg(feature = "fakes")]
pub mod deadline;
#[cfg(feature = "fakes")]
pub mod emulator;
pub mod example;
#[cfg(feature = "fakes")]
pub mod folder;
pub mod framework;
pub mod json_schema;
#[cfg(feature = "fakes")]
pub mod log;
#[cfg(all(unix, feature = "postgres"))]
pub mod postgres;
#[cfg(feature = "fakes")]
pub mod refusal;
#[cfg(feature = "fakes")]
pub mod settings;
#[cfg(feature = "fakes")]
pub mod store;
#[cfg(feature = "fakes")]
pub mod transport;
pub mod variables;

/// The origin of the vault that most tests read: `https://contoso.vault.azure.net`.
pub const CONTOSO: &str = "https://contoso.vault.azure.net";
