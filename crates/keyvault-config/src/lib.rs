//! Azure Key Vault for [config](https://docs.rs/config): vault secrets as a layer, references resolved in any value,
//! and settings that follow rotation.
//!
//! ```
//! use std::time::Duration;
//! use config::{Config, Environment, File, FileFormat};
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
//! let live = keyvault_config::layered(vault, || {
//!     Config::builder()
//!         .add_source(File::from_str(
//!             r#"url = "postgres://app:@KeyVault(SecretName=db-password;Encode=url)@db/shop""#,
//!             FileFormat::Toml,
//!         ))
//!         .add_source(Environment::with_prefix("SHOP").prefix_separator("_").separator("__"))
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
//! | fetch the secrets once, as a source | [`KeyVaultSource`] |
//! | resolve references once | [`resolve`] |
//! | start or resolve without a tokio runtime | [`keyvault::blocking`] |
//!
//! The crate `keyvault-figment` offers the same functions for figment.
//!
//! # Layers
//!
//! The secrets of the vault are the lowest layer: a file, a variable or a default overrides a secret of the same key. A
//! secret name gives a lower-case key, in which `--` separates levels: `Database--Password` becomes
//! `database.password`, and `Servers--0--Password` is one member of a list's element. Keys are case-sensitive, and
//! [`Environment`](config::Environment) gives lower-case keys as well.
//!
//! # Values and types
//!
//! A secret is a string and arrives unchanged in a string. It converts to any other type as a variable of the
//! environment does, so the secret `5432` makes a `u16`.
//!
//! References are resolved after the layers are merged, in defaults and overrides too.
//!
//! Text converts below `#[serde(flatten)]` and in tagged and untagged enums, too, where serde requests no type: if the
//! settings type refuses a text, it is read as a number or a boolean. So an untagged enum that takes numbers and text
//! takes a secret as text. White space around a number, a boolean or the name of a variant is ignored.
//!
//! [`comma_separated`](keyvault::settings::comma_separated) makes a list of one secret such as `a, b, c`.
//!
//! # Errors and `Debug`
//!
//! The errors of config quote the value that does not fit, and its `Debug` prints every value. The errors and the
//! `Debug` of this crate print no value. Its errors name the setting, its origin, the secret and the expected type. The
//! [`Config`](config::Config) that [`ResolvedConfig::into_config`] returns behaves like any other of config.
//!
//! Not affiliated with Microsoft.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod deserializer;
mod layered;
mod mismatch;
mod origin;
mod place;
mod replace;
mod resolve;
mod secret_layer;
mod tree;
mod values;

pub use self::layered::{ConfigLayers, layered, layered_with};
pub use self::resolve::{ResolvedConfig, resolve};
pub use self::secret_layer::KeyVaultSource;
