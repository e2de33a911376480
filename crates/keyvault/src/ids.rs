//! Maps of secrets by id, where order is of no use: ids of one vault begin alike, and to compare them takes long.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::secret::SecretId;

/// What is known of secrets. Two that were filled in the same way are gone through in the same order, for a simulation
/// that is run again shall take the same course. Nothing is random in the hash: names come from whoever owns the vault or
/// writes the settings.
pub(crate) type IdMap<V> = HashMap<SecretId, V, Fixed>;

/// Some secrets.
pub(crate) type IdSet = HashSet<SecretId, Fixed>;

/// A hash without anything random in it.
pub(crate) type Fixed = BuildHasherDefault<DefaultHasher>;
