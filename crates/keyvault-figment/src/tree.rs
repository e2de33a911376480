//! A figment as a tree in which references are resolved.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::Value;
use keyvault::settings::{ConfigValue, Key, MappedSecrets, Mismatch, Resolved, Scalar, Tree, Values, extract_again};
use serde::de::DeserializeOwned;

use crate::mismatch::mismatch;
use crate::origin;
use crate::place::check_tables;
use crate::replace::{replace, set, with_values};
use crate::values::{effective, find, scalars, values};

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
        let first = match self.figment.extract_lossy() {
            Ok(settings) => return Ok(settings),
            Err(error) => error,
        };
        let root = effective(&self.figment)?;
        let first = mismatch(&first, &root);
        extract_again(Effective { figment: self.figment, root }, first, |values| {
            let figment = with_values(&values.figment, &values.root);
            figment.extract_lossy().map_err(|error| mismatch(&error, &values.root))
        })
    }
}

/// The values that are in effect, apart from their layers.
#[derive(Clone)]
struct Effective {
    /// The layers, which have the metadata.
    figment: Figment,
    root: Value,
}

impl Values for Effective {
    fn scalars(&self) -> Vec<(Key, Scalar)> {
        scalars(&self.root)
    }

    fn file(&self, key: &Key) -> Option<PathBuf> {
        let tag = find(&self.root, key.segments())?.tag();
        origin::file(&self.figment, tag).map(Path::to_owned)
    }

    fn set(&mut self, key: &Key, value: Option<&Scalar>) {
        set(&mut self.root, key.segments(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let tree = FigmentTree::new(Figment::from(("value", "canary")), MappedSecrets::default());
        assert_eq!(tree.leaves().unwrap().len(), 1);
        assert!(!format!("{tree:?}").contains("canary"), "{tree:?}");
    }
}
