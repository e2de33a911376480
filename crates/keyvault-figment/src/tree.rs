//! A figment as a tree in which references are resolved.

use std::fmt;

use figment::Figment;
use keyvault::settings::{ConfigValue, MappedSecrets, Mismatch, Resolved, Tree};
use serde::de::DeserializeOwned;

use crate::mismatch::mismatch;
use crate::place::check_tables;
use crate::replace::replace;
use crate::values::{effective, values};

/// The values of a figment that are in effect: the global profile over the selected profile over the default one.
pub struct FigmentTree {
    figment: Figment,
    /// The secrets that were passed to the layers.
    secrets: MappedSecrets,
}

impl FigmentTree {
    pub(crate) fn new(figment: Figment, secrets: MappedSecrets) -> Self {
        Self { figment, secrets }
    }

    pub(crate) fn into_figment(self) -> Figment {
        self.figment
    }
}

impl fmt::Debug for FigmentTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FigmentTree").finish_non_exhaustive()
    }
}

impl Tree for FigmentTree {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        let root = effective(&self.figment)?;
        check_tables(&root, &self.secrets)?;
        Ok(values(&self.figment, &root, &self.secrets))
    }

    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        Ok(Self { figment: replace(self.figment, resolved)?, ..self })
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        self.figment.extract_lossy().map_err(|error| mismatch(&error))
    }
}
