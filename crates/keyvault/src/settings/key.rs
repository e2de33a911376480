//! The key of a setting: where a value stands in the tree of settings.

use std::fmt;
use std::sync::Arc;

/// The path to one value of the settings: `database.password`, `servers[0].url`. `Clone` is cheap.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(Arc<[Segment]>);

/// One step of a [`Key`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Segment {
    /// A member of a table.
    Name(Box<str>),
    /// An element of an array, counted from 0.
    Index(usize),
}

impl Segment {
    /// Gives the name of a table's member; none for an element of an array.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

impl Key {
    /// Makes the key of the whole tree, which has no segments.
    pub fn root() -> Self {
        Self::default()
    }

    /// Copies the key, one table deeper.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        self.with(Segment::Name(name.into()))
    }

    /// Copies the key, one array deeper.
    #[must_use]
    pub fn element(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// Copies the first steps of the key.
    pub(crate) fn up_to(&self, steps: usize) -> Self {
        Self(self.0[..steps].into())
    }

    fn with(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }

    pub(crate) fn of(segments: &[Segment]) -> Self {
        Self(segments.into())
    }

    /// Gives the steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Tells whether an array is on the way to the value.
    pub(crate) fn has_index(&self) -> bool {
        self.0.iter().any(|segment| matches!(segment, Segment::Index(_)))
    }

    /// Tells whether this key is above `other` in the tree.
    pub(crate) fn is_above(&self, other: &Key) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}

impl<'a> FromIterator<&'a str> for Key {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(|name| Segment::Name(name.into())).collect())
    }
}

impl FromIterator<Segment> for Key {
    fn from_iter<I: IntoIterator<Item = Segment>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Name(name) if i == 0 => f.write_str(name)?,
                Segment::Name(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
