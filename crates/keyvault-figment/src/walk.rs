//! The values of a figment that are in effect, one after the other.

use std::cmp::Ordering;
use std::iter::Peekable;

use figment::value::{Tag, Value};
use keyvault::{Key, Leaf, NamedSecret, Segment};

use crate::tree::FigmentTree;

/// Gives every value under `root`.
pub(crate) fn leaves(tree: &FigmentTree, root: &Value) -> Vec<Leaf> {
    let secrets = tree.named().iter().peekable();
    let mut walk = Walk { tree, tag: tree.tag_of_named(), secrets, path: Vec::new(), leaves: Vec::new() };
    walk.value(root);
    walk.leaves
}

struct Walk<'w, S: Iterator> {
    tree: &'w FigmentTree,
    /// The tag of the secrets that were given to the layers.
    tag: Option<Tag>,
    /// Those of them that stand at no place before this one. The walk has their order, so each is looked at once.
    secrets: Peekable<S>,
    path: Vec<Step<'w>>,
    leaves: Vec<Leaf>,
}

/// A [`Segment`] that is borrowed, with the same order.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Step<'s> {
    Name(&'s str),
    Index(usize),
}

impl<'w, S: Iterator<Item = (&'w Key, &'w NamedSecret)>> Walk<'w, S> {
    fn value(&mut self, value: &'w Value) {
        match value {
            Value::Dict(_, dict) if !dict.is_empty() => {
                dict.iter().for_each(|(name, value)| self.below(Step::Name(name), value));
            }
            Value::Array(_, items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(i, item)| self.below(Step::Index(i), item));
            }
            _ if self.path.is_empty() => {}
            // An empty table or list comes and goes like any other value.
            _ => {
                let leaf = self.leaf(value);
                self.leaves.push(leaf);
            }
        }
    }

    fn below(&mut self, step: Step<'w>, value: &'w Value) {
        self.path.push(step);
        self.value(value);
        self.path.pop();
    }

    fn leaf(&mut self, value: &Value) -> Leaf {
        if Some(value.tag()) == self.tag
            && let Some((key, secret)) = self.secret()
        {
            return Leaf::named(key.clone(), secret);
        }
        self.tree.leaf(value, self.path.iter().map(Step::segment).collect())
    }

    /// Finds the secret that was given to the layers for this place.
    fn secret(&mut self) -> Option<(&'w Key, &'w NamedSecret)> {
        loop {
            let (key, _) = self.secrets.peek()?;
            match key.segments().iter().map(Step::of).cmp(self.path.iter().copied()) {
                Ordering::Less => _ = self.secrets.next(),
                Ordering::Equal => return self.secrets.next(),
                Ordering::Greater => return None,
            }
        }
    }
}

impl<'s> Step<'s> {
    fn of(segment: &'s Segment) -> Self {
        match segment {
            Segment::Name(name) => Step::Name(name),
            Segment::Index(index) => Step::Index(*index),
        }
    }

    fn segment(&self) -> Segment {
        match *self {
            Step::Name(name) => Segment::Name(name.into()),
            Step::Index(index) => Segment::Index(index),
        }
    }
}
