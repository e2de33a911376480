//! Azure Key Vault for [figment](https://docs.rs/figment): vault secrets as a layer, references resolved in any value,
//! and settings that follow rotation.
//!
//! ```
#![doc = concat!("# use ", env!("CARGO_CRATE_NAME"), " as keyvault_figment;")]
//! use std::time::Duration;
//! use figment::Figment;
//! use figment::providers::{Env, Format, Toml};
//! use keyvault::InMemory;
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     url: String,
//!     timeout: u64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> keyvault::Result<()> {
//! let vault = InMemory::new("https://contoso.vault.azure.net".parse()?);
//! vault.set("db-password", "correct horse")?;
//! vault.set("Timeout", "30")?;
//!
//! let live = keyvault_figment::layered(vault, || {
//!     Figment::new()
//!         .merge(Toml::string(r#"url = "postgres://app:@KeyVault(SecretName=db-password;Encode=url)@db/shop""#))
//!         .merge(Env::prefixed("SHOP_").split("__"))
//! })
//! .refresh_every(Duration::from_secs(300))
//! .start::<Settings>()
//! .await?;
//!
//! let settings = live.current(); // never waits, never fails; hold it for one unit of work
//! assert_eq!(settings.url, "postgres://app:correct%20horse@db/shop");
//! assert_eq!(settings.timeout, 30);
//! # Ok(())
//! # }
//! ```
//!
//! In production, pass a [`SecretClient`](keyvault::SecretClient) in place of the [`InMemory`](keyvault::InMemory)
//! vault.
//!
//! | to | use |
//! |---|---|
//! | layer, resolve and refresh settings | [`layered`] |
//! | put the secrets at another place among the layers | [`layered_with`] |
//! | fetch the secrets once, as a provider | [`KeyVaultProvider`] |
//! | resolve references once | [`resolve`] |
//! | start or resolve without a tokio runtime | [`keyvault::blocking`] |
//!
//! The crate `keyvault-config` offers the same functions for config.
//!
//! # figment2
//!
//! The crate `keyvault-figment2` is this crate compiled for [figment2](https://docs.rs/figment2), the maintained fork of
//! figment. Rename both in `Cargo.toml`, and code that was written for figment compiles unchanged:
//!
//! ```toml
//! figment = { package = "figment2", version = "0.11", features = ["toml"] }
//! keyvault-figment = { package = "keyvault-figment2", version = "0.1" }
//! ```
//!
//! # Layers
//!
//! The secrets of the vault are the lowest layer: a file, a variable or a default overrides a secret of the same key. A
//! secret name gives a lower-case key, in which `--` separates levels: `Database--Password` becomes
//! `database.password`, and `Servers--0--Password` is one member of a list's element.
//!
//! # Profiles
//!
//! Secrets belong to figment's default profile. References are resolved in the profile that is selected when the layers
//! are made, together with the default and the global profile. A reference that a higher profile overrides is not
//! fetched. After the selection of another profile, a resolved figment shows that profile's references as they are
//! written. If an optional secret is missing, the value of a lower profile applies.
//!
//! # Values and types
//!
//! A secret is a string and arrives unchanged in a string. Numbers and booleans are parsed from strings as in
//! [`Figment::extract_lossy`](figment::Figment::extract_lossy), so the secret `5432` makes a `u16`.
//!
//! Text converts below `#[serde(flatten)]` and in tagged and untagged enums, too, where serde requests no type: if the
//! settings type refuses a text, it is read as a number or a boolean. So an untagged enum that takes numbers and text
//! takes a secret as text. White space around a number, a boolean or the name of a variant is ignored.
//!
//! figment has no numbers of 128 bits, and the keys of a map are text: a `BTreeMap<u16, T>` cannot be extracted.
//!
//! [`comma_separated`](keyvault::settings::comma_separated) makes a list of one secret such as `a, b, c`.
//!
//! # Errors and `Debug`
//!
//! The errors of figment quote the value that does not fit, and its `Debug` prints every value. The errors and the
//! `Debug` of this crate print no value. Its errors name the setting, its origin, the secret and the expected type. The
//! [`Figment`](figment::Figment) that [`ResolvedFigment::into_figment`] returns behaves like any other of figment.
//!
//! Not affiliated with Microsoft.

// The path is absolute: below the symbolic link of `keyvault-figment2`, `..` is the directory of this crate.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"))]
struct Readme;

mod layered;
mod mismatch;
mod origin;
mod place;
mod replace;
mod resolve;
mod secret_layer;
mod tree;
mod values;

pub use self::layered::{FigmentLayers, layered, layered_with};
pub use self::resolve::{ResolvedFigment, resolve};
pub use self::secret_layer::KeyVaultProvider;
