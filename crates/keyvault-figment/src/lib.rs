//! Azure Key Vault for [figment](https://docs.rs/figment): secrets as a layer, references resolved wherever they stand,
//! and settings that follow rotation.
//!
//! ```
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
//!         .merge(Toml::string(r#"url = "postgres://app:@KeyVault(SecretName=db-password)@db/shop""#))
//!         .merge(Env::prefixed("SHOP_").split("__"))
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
//! | have the secrets as a provider, once | [`KeyVaultProvider`] |
//! | resolve references, once | [`resolve`] |
//!
//! # Values and types
//!
//! A secret is a string, and arrives unchanged in one. Numbers and booleans are read from strings as
//! [`Figment::extract_lossy`] does, so the secret `5432` makes a `u16`.
//!
//! The profile that is selected when the layers are made is the one that is resolved, with figment's default and global
//! profiles: a reference that a higher profile hides is not fetched. Selecting another profile of a resolved figment
//! shows that profile's references as they are written. Where an optional secret is missing, what a lower profile sets
//! applies.
//!
//! # Errors and `Debug`
//!
//! figment quotes the offending value in its errors and prints every value in `Debug`. Nothing that this crate returns
//! does: errors name the setting, where it is written, the secret and the expected type. A [`Figment`] that
//! you take out by [`ResolvedFigment::into_figment`] is figment's again.
//!
//! [`Figment`]: figment::Figment
//! [`Figment::extract_lossy`]: figment::Figment::extract_lossy

mod layered;
mod mismatch;
mod place;
mod provider;
mod resolve;
mod tree;
mod walk;

pub use self::layered::{layered, layered_with};
pub use self::provider::KeyVaultProvider;
pub use self::resolve::{ResolvedFigment, resolve};
