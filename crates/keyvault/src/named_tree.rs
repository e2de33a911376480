//! Secrets by name as the tree that their keys make.

use crate::key::{Key, Segment};
use crate::named::{NamedSecret, NamedSecrets};

/// What stands at one place of the tree that the keys of secrets make: what an adapter turns into its framework's value.
#[derive(Clone, Debug)]
pub enum NamedTree<'s> {
    /// A setting.
    Secret(&'s NamedSecret),
    /// A table, its members in the order of their names.
    Table(Vec<(&'s str, NamedTree<'s>)>),
    /// A list, its elements in order.
    List(Vec<NamedTree<'s>>),
}

impl NamedSecrets {
    /// Gives the secrets as the tree that their keys make: a table, which is empty if there are none.
    pub fn tree(&self) -> NamedTree<'_> {
        tree(self.in_order(), 0)
    }
}

/// Makes the tree of `secrets`, which stand at one place up to `depth`.
///
/// No key is above another, no table is a list, and no list has gaps: the name map saw to it.
fn tree(secrets: &[(Key, NamedSecret)], depth: usize) -> NamedTree<'_> {
    let Some((key, secret)) = secrets.first() else { return NamedTree::Table(Vec::new()) };
    let parts = secrets
        .chunk_by(|(one, _), (other, _)| one.segments()[depth] == other.segments()[depth])
        .map(|part| (&part[0].0.segments()[depth], tree(part, depth + 1)));
    match key.segments().get(depth) {
        None => NamedTree::Secret(secret),
        Some(Segment::Index(_)) => NamedTree::List(parts.map(|(_, below)| below).collect()),
        Some(Segment::Name(_)) => {
            NamedTree::Table(parts.filter_map(|(step, below)| Some((step.name()?, below))).collect())
        }
    }
}
