//! Secrets that a reference names and whose own names give no setting of the type.

use std::collections::{BTreeSet, HashSet};

use super::Resolver;
use super::resolve::{ResolveContext, parse};
use crate::reference::Reference;
use crate::secret::SecretId;
use crate::settings::{ConfigValue, Key, ValueContent};

/// The secrets that the references of one tree name.
pub(super) struct Referred(HashSet<SecretId>);

impl Referred {
    pub(super) fn new<'r>(resolver: &Resolver, references: impl IntoIterator<Item = &'r Reference>) -> Self {
        let ids = references.into_iter().filter_map(|reference| resolver.secret_id(reference).ok());
        Self(ids.map(|id| id.latest()).collect())
    }

    pub(super) fn in_values(resolver: &Resolver, values: &[ConfigValue], context: ResolveContext<'_>) -> Self {
        let terms = |value: &ConfigValue| context.terms(&value.key);
        let parsed: Vec<_> = values.iter().filter_map(|value| parse(resolver, value, terms(value))).collect();
        Self::new(resolver, parsed.iter().flat_map(|parsed| parsed.references.iter().flatten()))
    }

    /// Returns whether a secret is used by reference alone: its name gives a key that the settings type does not have.
    pub(super) fn is_only_referred(&self, key: &Key, secret: &SecretId, context: ResolveContext<'_>) -> bool {
        self.0.contains(&secret.latest()) && context.find_key.is_some_and(|find_key| find_key(key).is_unused())
    }

    /// Removes the mapped secrets that are only referred to from `values`, and returns the keys to remove from the
    /// tree: the first part of each secret's key that the settings type does not have. A table that contains anything
    /// else, a value or one of the `others`, stays.
    pub(super) fn take(
        &self,
        values: &mut Vec<ConfigValue>,
        others: &[&ConfigValue],
        context: ResolveContext<'_>,
    ) -> BTreeSet<Key> {
        let Some(find_key) = context.find_key.filter(|_| !self.0.is_empty()) else { return BTreeSet::new() };
        let removed = |value: &ConfigValue| match &value.content {
            ValueContent::Mapped(secret) if self.is_only_referred(&value.key, secret.id(), context) => {
                parts(&value.key).find(|part| find_key(part).is_unused())
            }
            _ => None,
        };
        let removed: Vec<Option<Key>> = values.iter().map(removed).collect();
        let mut keys: BTreeSet<Key> = removed.iter().flatten().cloned().collect();
        if !keys.is_empty() {
            let kept = values.iter().zip(&removed).filter(|(_, removed)| removed.is_none()).map(|(value, _)| value);
            let kept = kept.chain(others.iter().copied());
            kept.flat_map(|value| parts(&value.key)).for_each(|part| _ = keys.remove(&part));
            let mut removed = removed.into_iter();
            values.retain(|_| !removed.next().flatten().is_some_and(|key| keys.contains(&key)));
        }
        keys
    }
}

/// Returns the key of each table that contains `key`, from the root, and `key` itself.
fn parts(key: &Key) -> impl Iterator<Item = Key> + '_ {
    (1..=key.segments().len()).map(|length| key.segments()[..length].iter().cloned().collect())
}
