//! Azure Key Vault for [config](https://docs.rs/config): secrets as a layer, references resolved wherever they stand, and
//! settings that follow rotation.
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
//!             r#"url = "postgres://app:@KeyVault(SecretName=db-password)@db/shop""#,
//!             FileFormat::Toml,
//!         ))
//!         .add_source(Environment::with_prefix("SHOP").prefix_separator("_").separator("__"))
//! })
//! .refresh_every(Duration::from_secs(300))
//! .start::<Settings>()
//! .await?;
//!
//! let settings = live.current(); // never waits, never fails; hold it for one unit of work
//! assert_eq!(settings.url, "postgres://app:correct horse@db/shop");
//! assert_eq!(settings.timeout, 30);
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | do all of it | [`layered`] |
//! | put the vault at another place among the layers | [`layered_with`] |
//! | have the secrets as a source, once | [`KeyVaultSource`] |
//! | resolve references, once | [`resolve`] |
//!
//! # Values and types
//!
//! A secret is a string, and arrives unchanged in one. Into other types it converts as a string from the environment
//! does, so the secret `5432` makes a `u16`.
//!
//! References are resolved in the merged values, so also in defaults and overrides. Keys have case: secrets give
//! lower-case ones, as [`Environment`](config::Environment) does.
//!
//! # Errors and `Debug`
//!
//! config quotes the offending value in its errors and prints every value in `Debug`. Nothing that this crate returns
//! does: errors name the setting, where it is written, the secret and the expected type. A [`Config`](config::Config)
//! that you take out by [`ResolvedConfig::into_config`] is config's again.

mod layered;
mod mismatch;
mod place;
mod resolve;
mod source;
mod tree;

pub use self::layered::{layered, layered_with};
pub use self::resolve::{ResolvedConfig, resolve};
pub use self::source::KeyVaultSource;
