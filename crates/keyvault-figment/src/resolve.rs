//! References resolved once, without a background task.

use figment::Figment;
use keyvault::{Loaded, NamedSecrets, Origins, Report, Resolver, Result};
use serde::de::DeserializeOwned;

use crate::tree::FigmentTree;

/// Resolves every reference in `figment` that is in effect.
///
/// One request for each distinct secret. Each value keeps its metadata, with the secret added to it.
///
/// # Errors
///
/// Every setting whose references could not be resolved, in one error.
pub async fn resolve(figment: Figment, vault: impl Into<Resolver>) -> Result<ResolvedFigment> {
    let loaded = vault.into().resolve_tree(FigmentTree::new(figment, NamedSecrets::default())).await?;
    Ok(ResolvedFigment { loaded })
}

/// A figment without references in it.
///
/// `Debug` shows where values came from and no value.
#[derive(Debug)]
pub struct ResolvedFigment {
    loaded: Loaded<FigmentTree>,
}

impl ResolvedFigment {
    /// Makes typed settings.
    ///
    /// # Errors
    ///
    /// [`CredentialCheck`](keyvault::ErrorKind::Rejected) with key, origin and expected type of the value that does not fit, and
    /// not with the value.
    pub fn extract<T: DeserializeOwned>(self) -> Result<T> {
        self.loaded.extract()
    }

    /// Tells where every value came from.
    pub fn origins(&self) -> &Origins {
        self.loaded.origins()
    }

    /// Tells what became of every reference.
    pub fn report(&self) -> &Report {
        self.loaded.report()
    }

    /// Gives out the figment. Its errors and its `Debug` show values, secret ones too.
    ///
    /// Do not resolve it once more: a secret that reads like a reference would be taken for one.
    pub fn into_figment(self) -> Figment {
        self.loaded.into_tree().into_figment()
    }
}
