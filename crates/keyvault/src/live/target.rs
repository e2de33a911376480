//! The part of live settings that knows their type.
//!
//! The refresh loop is compiled once, in this crate, and reaches the settings type through the three object-safe traits
//! of this file. Each stands for one stage of the same settings, and each stage consumes the one before, so that
//! nothing can be validated before it is extracted or published before it is validated:
//!
//! ```text
//! SettingsTarget ─merge─▶ Draft ─replace…─▶ Draft ─extract─▶ ExtractedSettings ─validate, publish─▶ PublishedCell<T>
//! ```
//!
//! Everything below the traits is generic and is compiled in the user's crate for each settings type, so it contains no
//! loop, no `async` block and no decision.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::publication::{Publication, Published, PublishedCell};
use super::validate::{Validate, ValidationError};
use crate::names::{TypeKey, find_key};
use crate::resolver::{Replacements, Resolvable};
use crate::settings::{ConfigValue, Key, Layers, MappedSecrets, Mismatch, Tree};

/// The settings that a refresh replaces, with their type erased.
pub(super) trait SettingsTarget: Send + Sync {
    /// Merges the layers over the mapped secrets.
    fn merge(self: Arc<Self>, mapped: &MappedSecrets) -> Result<Box<dyn Draft>, Mismatch>;

    /// Finds a key in the settings type.
    fn find_key(&self, key: &Key) -> TypeKey;

    /// Publishes the current settings again with another publication: a newer report.
    fn republish(&self, publication: Arc<Publication>);
}

/// Merged layers whose references are being resolved.
pub(super) trait Draft: Send {
    /// Returns every value that is in effect.
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch>;

    /// Puts resolved text in the place of values, and removes those that are absent.
    fn replace(self: Box<Self>, resolved: Replacements) -> Result<Box<dyn Draft>, Mismatch>;

    /// Converts the values into typed settings.
    fn extract(self: Box<Self>) -> Result<Box<dyn ExtractedSettings>, Mismatch>;
}

/// Typed settings that are not published yet.
pub(super) trait ExtractedSettings: Send + Sync {
    /// Runs the application's own check.
    fn validate(&self) -> BoxFuture<'_, Result<(), ValidationError>>;

    /// Publishes the settings, and returns those that they replace.
    ///
    /// The caller may drop the last reference to them, and their destructor is the application's code.
    fn publish(self: Box<Self>, publication: Arc<Publication>) -> Replaced;
}

/// Settings that are no longer current; `None` if there were none before.
pub(super) type Replaced = Option<Arc<dyn Any + Send + Sync>>;

impl Resolvable for Box<dyn Draft> {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Draft::leaves(&**self)
    }

    fn replace(self, resolved: Replacements) -> Result<Self, Mismatch> {
        Draft::replace(self, resolved)
    }
}

/// The target for settings of type `T`, from layers `L`.
pub(super) struct TypedTarget<L, T> {
    pub(super) layers: L,
    pub(super) validator: Box<dyn Validate<T>>,
    /// Where the settings are published, from the first ones on.
    pub(super) published: OnceLock<PublishedCell<T>>,
}

impl<L: Layers, T: DeserializeOwned + Send + Sync + 'static> SettingsTarget for TypedTarget<L, T> {
    fn merge(self: Arc<Self>, mapped: &MappedSecrets) -> Result<Box<dyn Draft>, Mismatch> {
        let tree = self.layers.merge(mapped)?;
        Ok(Box::new(TypedDraft { tree, target: self }))
    }

    fn find_key(&self, key: &Key) -> TypeKey {
        find_key::<T>(key)
    }

    fn republish(&self, publication: Arc<Publication>) {
        if let Some(published) = self.published.get() {
            let settings = Arc::clone(&published.load().settings);
            published.store(Arc::new(Published { settings, publication }));
        }
    }
}

struct TypedDraft<L: Layers, T> {
    tree: L::Tree,
    target: Arc<TypedTarget<L, T>>,
}

impl<L: Layers, T: DeserializeOwned + Send + Sync + 'static> Draft for TypedDraft<L, T> {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Tree::leaves(&self.tree)
    }

    fn replace(self: Box<Self>, resolved: Replacements) -> Result<Box<dyn Draft>, Mismatch> {
        let Self { tree, target } = *self;
        let tree = Tree::replace(tree, resolved)?;
        Ok(Box::new(Self { tree, target }))
    }

    fn extract(self: Box<Self>) -> Result<Box<dyn ExtractedSettings>, Mismatch> {
        let settings = Arc::new(self.tree.extract::<T>()?);
        Ok(Box::new(TypedSettings { settings, target: self.target }))
    }
}

struct TypedSettings<L, T> {
    settings: Arc<T>,
    target: Arc<TypedTarget<L, T>>,
}

impl<L: Layers, T: Send + Sync + 'static> ExtractedSettings for TypedSettings<L, T> {
    fn validate(&self) -> BoxFuture<'_, Result<(), ValidationError>> {
        self.target.validator.validate(&self.settings)
    }

    fn publish(self: Box<Self>, publication: Arc<Publication>) -> Replaced {
        let Self { settings, target } = *self;
        let new = Arc::new(Published { settings, publication });
        match target.published.get() {
            Some(published) => Some(published.swap(new)),
            None => {
                // Only the start publishes first settings, so the cell is still empty.
                _ = target.published.set(Arc::new(ArcSwap::new(new)));
                None
            }
        }
    }
}
