//! Resolving references once, without a background task.

use figment::Figment;
use keyvault::resolver::Loaded;
use keyvault::settings::{MappedSecrets, Origins};
use keyvault::{Report, Resolver, Result};
use serde::de::DeserializeOwned;

use crate::tree::FigmentTree;

/// Resolves every reference in `figment` that no other layer or profile overrides.
///
/// Costs one request for each distinct secret. Each value keeps its metadata, with the secret added.
///
/// # Errors
///
/// One error that reports every setting whose references cannot be resolved.
///
/// # Cancel safety
///
/// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the cache.
pub async fn resolve(figment: Figment, vault: impl Into<Resolver>) -> Result<ResolvedFigment> {
    let loaded = vault.into().resolve_tree(FigmentTree::new(figment, MappedSecrets::default())).await?;
    Ok(ResolvedFigment { loaded })
}

/// A figment whose references are resolved.
///
/// `Debug` prints the origins of values, but no value.
#[derive(Debug)]
pub struct ResolvedFigment {
    loaded: Loaded<FigmentTree>,
}

impl ResolvedFigment {
    /// Deserializes the settings.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](keyvault::ErrorKind::InvalidSettings) with the key, the origin and the expected type of a
    /// value that does not fit. The error does not contain the value.
    pub fn extract<T: DeserializeOwned>(self) -> Result<T> {
        self.loaded.extract()
    }

    /// Returns the origin of every value.
    pub fn origins(&self) -> &Origins {
        self.loaded.origins()
    }

    /// Returns the status of every reference.
    pub fn report(&self) -> &Report {
        self.loaded.report()
    }

    /// Returns the figment. Its errors and its `Debug` print values, and secrets are among them.
    ///
    /// Do not resolve it again: a secret whose text looks like a reference would be resolved as one.
    pub fn into_figment(self) -> Figment {
        self.loaded.into_tree().into_figment()
    }
}
